# The quickstart: side-tunes the tiny towers on RefShapes in minutes on a CPU.
_base_ = [
    '../_base_/models/m2ist_tiny.py',
    '../_base_/datasets/refshapes.py',
    '../_base_/schedules/schedule_90e.py',
    '../_base_/default_runtime.py',
]
# Both towers encode each input once: 3,000 pictures, plain and flipped, take 2.3 GB.
model = dict(
    backbone=dict(vision_cache=dict(max_entries=6000, dtype='float16')),
)
train_dataloader = dict(batch_size=7, dataset=dict(max_expressions_per_sample=10))
val_dataloader = dict(dataset=dict(max_expressions_per_sample=10))

max_epochs = 2
train_cfg = dict(max_epochs=max_epochs)
# Everything learns from scratch in a few thousand steps: the adapters keep pace with
# the head, and Muon needs half of AdamW's steps.
adamw = dict(muon=False)
optim_wrapper = dict(
    optimizer=dict(type='MuonAdamW', lr=8e-4, muon_lr_mult=2.5, betas=(0.9, 0.98)),
    paramwise_cfg=dict(
        custom_keys={
            'neck': dict(lr_mult=1),
            'embedding': adamw,
            'reg_token': adamw,
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
