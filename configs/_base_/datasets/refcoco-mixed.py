# RefCOCO, RefCOCO+ and RefCOCOg (UMD) in one training and one test: layout and folder
# of refcoco.py. The test reports rec/refcoco/val/P@0.5, rec/refcoco+/testA/P@0.5, ...
_base_ = './rec_base.py'
data_root = '{{$REFCOCO_ROOT:data/coco/}}'
# folder, file of the referents, published counts
sources = {
    'refcoco': ('refcoco/', 'refs(unc).p', 'refcoco_unc'),
    'refcoco+': ('refcoco+/', 'refs(unc).p', 'refcoco+_unc'),
    'refcocog-umd': ('refcocog/', 'refs(umd).p', 'refcocog_umd'),
}


def _dataset(name, **kwargs):
    folder, refs_file, _ = sources[name]
    return dict(
        type='ReferDataset',
        name=name,
        data_root=data_root,
        refs_file=folder + refs_file,
        ann_file=f'{folder}instances.json',
        data_prefix=dict(img='train2014/'),
        **kwargs,
    )


def _test_dataset(name, *splits):
    return _dataset(
        name,
        split=list(splits),
        expected_count=sources[name][-1],
        pipeline=_base_.test_pipeline,
        test_mode=True,
    )


# The three share images: what one of them tests with, none trains with.
train_datasets = [
    _dataset(
        name,
        split='train',
        held_out_by=[folder + file for folder, file, _ in sources.values()],
        pipeline=_base_.train_pipeline,
    )
    for name in sources
]
train_dataloader = dict(
    # As many expressions per epoch as without weights, a third of them from each. The
    # plain DefaultSampler takes all as often.
    sampler=dict(_delete_=True, type='MultiDataSampler', dataset_ratio=[1, 1, 1]),
    dataset=dict(_delete_=True, type='ConcatDataset', datasets=train_datasets),
)
val_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='ConcatDataset',
        datasets=[_test_dataset(name, 'val') for name in sources],
    )
)
test_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='ConcatDataset',
        datasets=[
            _test_dataset('refcoco', 'val', 'testA', 'testB'),
            _test_dataset('refcoco+', 'val', 'testA', 'testB'),
            _test_dataset('refcocog-umd', 'val', 'test'),
        ],
    )
)
