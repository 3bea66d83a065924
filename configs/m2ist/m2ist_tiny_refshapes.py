# The quickstart: side-tunes the tiny towers on RefShapes in minutes on a CPU, in two
# processes with half the batch each.
_base_ = [
    '../_base_/models/m2ist_tiny.py',
    '../_base_/datasets/refshapes.py',
    '../_base_/schedules/schedule_3e.py',
    '../_base_/default_runtime.py',
]
# Both towers encode each input once: the views are fixed, 3,000 of them take 1.2 GB.
custom_imports = dict(imports=['m2ist_mm', 'm2ist_mm.feature_cache'])
default_hooks = dict(
    feature_cache=dict(
        type='FeatureCacheHook',
        language=dict(max_entries=20000, dtype='float16'),
        vision=dict(max_entries=3000, dtype='float16'),
    )
)
train_pipeline = [
    step for step in _base_.train_pipeline if step['type'] != 'RECRandomFlip'
]
# as much of the data as ten minutes allow
train_dataloader = dict(
    batch_size=8,
    dataset=dict(pipeline=train_pipeline, max_expressions_per_sample=10, indices=5000),
)
val_dataloader = dict(dataset=dict(max_expressions_per_sample=10))

train_cfg = dict(val_interval=3)
