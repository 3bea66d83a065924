# What every training and test shares
default_scope = 'mmdet'
custom_imports = dict(imports=['m2ist_mm'], allow_failed_imports=False)

default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=50),
    param_scheduler=dict(type='ParamSchedulerHook'),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    finite_loss=dict(type='FiniteLossHook'),
    epoch_seed=dict(type='EpochSeedHook'),
    data_check=dict(type='DataCheckHook'),
    coco_leak=dict(type='COCOLeakHook'),
    tuning_summary=dict(type='TuningSummaryHook'),
    tuned_state=dict(type='TunedStateHook'),
    checkpoint=dict(
        type='TunedCheckpointHook',
        interval=1,
        max_keep_ckpts=3,
        save_best='rec/P@0.5',
        rule='greater',
    ),
    visualization=dict(type='RECVisualizationHook'),
)

env_cfg = dict(
    cudnn_benchmark=False,
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    # for GPUs; without one, the tools start the processes' group by gloo
    dist_cfg=dict(backend='nccl'),
)
# deterministic=True makes results on a GPU repeatable bit for bit, a little slower
randomness = dict(seed=0, deterministic=False)

visualizer = dict(type='RECVisualizer', vis_backends=[dict(type='LocalVisBackend')])
log_processor = dict(type='LogProcessor', window_size=50, by_epoch=True)
log_level = 'INFO'

load_from = None
resume = False
