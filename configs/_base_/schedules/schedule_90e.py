# RefCOCO, RefCOCOg, ReferItGame: 90 epochs of batch 64, learning rate x 0.1 after 60
max_epochs = 90
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=max_epochs, val_interval=1)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

optim_wrapper = dict(
    type='OptimWrapper',
    constructor='TunedOptimWrapperConstructor',
    # V-L encoder, projections, embeddings and head
    optimizer=dict(type='AdamW', lr=1e-4, weight_decay=1e-4, fused=True),
    paramwise_cfg=dict(
        custom_keys={
            'neck': dict(lr_mult=0.1),  # side adapters
            'backbone': dict(lr_mult=0.1),  # towers, where they are tuned
        }
    ),
)
param_scheduler = [
    dict(type='MultiStepLR', by_epoch=True, begin=0, milestones=[60], gamma=0.1)
]

# --auto-scale-lr: learning rates are for 64 samples, of one expression each, in all
# processes together; a config with other batches says how many
auto_scale_lr = dict(enable=False, base_batch_size=64)
