# The ViT-L model under DeepSpeed's ZeRO stage 2: gradients and optimiser state of what
# is tuned lie in shards. Not stage 3, which would shard the towers too: it cannot see
# which weights the V-L encoder's attention reads.
_base_ = './m2ist_vitl_refcoco.py'
runner_type = 'FlexibleRunner'
strategy = dict(
    type='DeepSpeedStrategy',
    zero_optimization=dict(stage=2),
    exclude_frozen_parameters=True,
)
optim_wrapper = dict(type='DeepSpeedOptimWrapper')
# DeepSpeed writes its checkpoints itself, a folder each
default_hooks = dict(
    checkpoint=dict(
        _delete_=True,
        type='CheckpointHook',
        interval=1,
        max_keep_ckpts=3,
        save_best='rec/P@0.5',
        rule='greater',
    )
)
