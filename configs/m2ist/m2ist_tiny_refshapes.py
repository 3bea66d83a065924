# The quickstart: side-tunes the tiny towers on RefShapes in minutes on a CPU.
_base_ = [
    '../_base_/models/m2ist_tiny.py',
    '../_base_/datasets/refshapes.py',
    '../_base_/schedules/schedule_90e.py',
    '../_base_/default_runtime.py',
]
# A picture goes through the vision tower once for ten of its expressions.
train_dataloader = dict(batch_size=7, dataset=dict(max_expressions_per_sample=10))
val_dataloader = dict(dataset=dict(max_expressions_per_sample=10))

max_epochs = 2
train_cfg = dict(max_epochs=max_epochs)
# everything learns from scratch, so the adapters keep pace with the head
optim_wrapper = dict(
    optimizer=dict(lr=8e-4), paramwise_cfg=dict(custom_keys=dict(neck=dict(lr_mult=1)))
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=200),
    dict(
        type='CosineAnnealingLR',
        T_max=max_epochs,
        eta_min_ratio=0.01,
        by_epoch=True,
        convert_to_iter_based=True,
    ),
]
