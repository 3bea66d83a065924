# The model in weights/: a grid of 18 x 18 tokens, mirrored views, four epochs.
_base_ = './m2ist_yolox-nano_flickr30k-part.py'
model = dict(backbone=dict(vision=dict(stride=16)))

train_pipeline = [
    *_base_.train_pipeline[:-1],
    dict(type='RECRandomFlip', prob=0.5),
    _base_.train_pipeline[-1],
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
# each image in two views
default_hooks = dict(
    feature_cache=dict(language=dict(max_entries=60000), vision=dict(max_entries=16000))
)
max_epochs = 4
train_cfg = dict(max_epochs=max_epochs)
param_scheduler = [
    _base_.param_scheduler[0],
    dict(_base_.param_scheduler[1], T_max=max_epochs),
]
