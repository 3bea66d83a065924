# The quickstart: side-tunes the tiny towers on RefShapes in minutes on a CPU, in two
# processes with half the batch each.
_base_ = [
    '../_base_/models/m2ist_tiny.py',
    '../_base_/datasets/refshapes.py',
    '../_base_/schedules/schedule_90e.py',
    '../_base_/default_runtime.py',
]
# Both towers encode each input once: the views are fixed, 3,000 of them take 1.2 GB.
custom_imports = dict(imports=['m2ist_mm', 'm2ist_mm.feature_cache'])
default_hooks = dict(
    feature_cache=dict(
        type='FeatureCacheHook',
        language=dict(max_entries=20000, dtype='float16'),
        vision=dict(max_entries=3000, dtype='float16'),
    )
)
train_pipeline = [
    step for step in _base_.train_pipeline if step['type'] != 'RECRandomFlip'
]
# as much of the data as ten minutes allow
train_dataloader = dict(
    batch_size=8,
    dataset=dict(pipeline=train_pipeline, max_expressions_per_sample=10, indices=5000),
)
val_dataloader = dict(dataset=dict(max_expressions_per_sample=10))

max_epochs = 3
train_cfg = dict(max_epochs=max_epochs, val_interval=3)
# Everything learns from scratch in a few thousand steps: the adapters keep pace with
# the head, and for the head's matrices Muon needs half of AdamW's steps.
adamw = dict(muon=False)
optim_wrapper = dict(
    optimizer=dict(type='MuonAdamW', lr=8e-4, muon_lr_mult=2.5, betas=(0.9, 0.98)),
    paramwise_cfg=dict(
        custom_keys={
            'neck': dict(lr_mult=1, muon=False),
            'bbox_head.position_embedding': adamw,
            'bbox_head.reg_token': adamw,
            'bbox_mlp.4': adamw,
        }
    ),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=100),
    dict(
        type='CosineAnnealingLR',
        T_max=max_epochs,
        eta_min_ratio=0.01,
        by_epoch=True,
        convert_to_iter_based=True,
    ),
]
