# The tiny model memorises the 32 first expressions of a RefCOCO-format data set of real
# photographs: a test of the whole path, not a model to ground with. The test reports
# them as split 'train', beside the splits that it never saw.
_base_ = [
    '../_base_/models/m2ist_tiny.py',
    '../_base_/datasets/refcoco-mini.py',
    '../_base_/schedules/schedule_90e.py',
    '../_base_/default_runtime.py',
]
model = dict(bbox_head=dict(num_vision_tokens=400))

# no augmentation: what is memorised is what is tested
canvas = {{_base_.canvas}}
train_pipeline = [
    {{_base_.load_image}},
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='Resize', scale=canvas, keep_ratio=True),
    dict(type='PadToCanvas', size=canvas, position='center'),
    dict(type='PackRECInputs'),
]
memorised = dict(split='train', indices=32)
train_dataloader = dict(
    batch_size=8, dataset=dict(pipeline=train_pipeline, **memorised)
)
val_dataloader = dict(dataset=memorised)
test_dataloader = dict(
    dataset=dict(
        datasets=[
            dict(
                type='ReferDataset',
                data_root={{_base_.data_root}},
                refs_file='refcoco/refs(unc).p',
                ann_file='refcoco/instances.json',
                data_prefix=dict(img='train2014/'),
                pipeline={{_base_.test_pipeline}},
                test_mode=True,
                **memorised,
            ),
            {{_base_.val_dataset}},
            {{_base_.test_a_dataset}},
            {{_base_.test_b_dataset}},
        ]
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
default_hooks = dict(checkpoint=dict(interval=10))
