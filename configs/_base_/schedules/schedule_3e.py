# Three epochs from scratch in minutes: what is tuned keeps pace with the head, and for
# the head's matrices Muon needs half of AdamW's steps.
_base_ = './schedule_90e.py'

max_epochs = 3
train_cfg = dict(max_epochs=max_epochs)
adamw = dict(muon=False)
optim_wrapper = dict(
    optimizer=dict(type='MuonAdamW', lr=8e-4, muon_lr_mult=2.5, betas=(0.9, 0.98)),
    paramwise_cfg=dict(
        custom_keys={
            'neck': dict(lr_mult=1, muon=False),
            'backbone': dict(lr_mult=0.1, muon=False),
            'bbox_head.position_embedding': adamw,
            'bbox_head.reg_token': adamw,
            'mlp.4': adamw,
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
# samples are images, with all of their expressions
auto_scale_lr = dict(base_batch_size=8)
