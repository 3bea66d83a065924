# The model in weights/ trained on drawn shapes alone: a start to compare with others
# (tools/analysis_tools/fit_starts.py).
_base_ = [
    '../_base_/models/m2ist_yolox-nano-refined.py',
    '../_base_/datasets/refshapes.py',
    '../_base_/schedules/schedule_3e.py',
    '../_base_/default_runtime.py',
]
canvas = (288, 288)

place = [
    dict(type='ResizeToFit', scale=canvas[::-1]),
    dict(type='PadToCanvas', size=canvas[::-1], position='center'),
]
train_pipeline = [*_base_.train_pipeline[:2], *place, _base_.train_pipeline[-1]]
test_pipeline = [
    _base_.load_image,
    *place,
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='PackRECInputs'),
]
train_dataloader = dict(
    batch_size=8,
    dataset=dict(pipeline=train_pipeline, max_expressions_per_sample=10, indices=5000),
)
val_dataloader = dict(
    batch_size=8, dataset=dict(pipeline=test_pipeline, max_expressions_per_sample=10)
)
test_dataloader = dict(batch_size=8, dataset=dict(pipeline=test_pipeline))

# Both towers encode each input once: the views are fixed.
custom_imports = dict(imports=['m2ist_mm', 'm2ist_mm.feature_cache'])
default_hooks = dict(
    feature_cache=dict(
        type='FeatureCacheHook',
        language=dict(max_entries=20000, dtype='float16'),
        vision=dict(max_entries=3000, dtype='float16'),
    )
)
max_epochs = 1
train_cfg = dict(max_epochs=max_epochs)
param_scheduler = [
    _base_.param_scheduler[0],
    dict(_base_.param_scheduler[1], T_max=max_epochs),
]
