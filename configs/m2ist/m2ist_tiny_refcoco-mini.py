# The tiny model memorises the 32 first expressions of a RefCOCO-format dataset of real
# photographs: a test of the whole path, not a model to ground with. The test reports
# them as split 'train', beside the splits that it never saw.
_base_ = [
    '../_base_/models/m2ist_tiny.py',
    '../_base_/datasets/refcoco-mini.py',
    '../_base_/schedules/schedule_90e.py',
    '../_base_/default_runtime.py',
]

# no augmentation: what is memorised is what is tested
load_image, resize, pad, load_truth, pack = _base_.test_pipeline
train_pipeline = [load_image, load_truth, resize, pad, pack]
memorised = dict(split='train', indices=32)
train_dataloader = dict(
    batch_size=8, dataset=dict(pipeline=train_pipeline, **memorised)
)
auto_scale_lr = dict(base_batch_size=8)
val_dataloader = dict(dataset=memorised)
unseen = _base_.test_dataloader.dataset
test_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='ConcatDataset',
        datasets=[dict(unseen, **memorised), unseen],
    )
)

max_epochs = 80
train_cfg = dict(max_epochs=max_epochs, val_interval=10)
optim_wrapper = dict(
    optimizer=dict(lr=3e-4), paramwise_cfg=dict(custom_keys=dict(neck=dict(lr_mult=1)))
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=40),
    dict(
        type='CosineAnnealingLR',
        T_max=max_epochs,
        eta_min_ratio=0.01,
        by_epoch=True,
        convert_to_iter_based=True,
    ),
]
custom_imports = dict(imports=['m2ist_mm', 'm2ist_mm.feature_cache'])
default_hooks = dict(
    feature_cache=dict(
        type='FeatureCacheHook', language=dict(max_entries=20000, dtype='float16')
    ),
    checkpoint=dict(interval=10),
)
