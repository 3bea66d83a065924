# The model in weights/: refined boxes, mirrored views, five epochs.
_base_ = './m2ist_yolox-nano-refined_flickr30k-part.py'

train_pipeline = [
    *_base_.train_pipeline[:-1],
    dict(type='RECRandomFlip', prob=0.5),
    _base_.train_pipeline[-1],
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
default_hooks = dict(feature_cache=dict(language=dict(max_entries=80000)))
max_epochs = 5
train_cfg = dict(max_epochs=max_epochs)
param_scheduler = [
    _base_.param_scheduler[0],
    dict(_base_.param_scheduler[1], T_max=max_epochs),
]
