# RefCOCO+: 180 epochs, learning rate x 0.1 after 120
_base_ = './schedule_90e.py'

max_epochs = 180
train_cfg = dict(max_epochs=max_epochs)
param_scheduler = [
    dict(type='MultiStepLR', by_epoch=True, begin=0, milestones=[120], gamma=0.1)
]
