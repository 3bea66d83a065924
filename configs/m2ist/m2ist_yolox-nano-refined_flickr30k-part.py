# Side-tunes YOLOX-nano and MiniLM on real images, with refined boxes.
_base_ = [
    '../_base_/models/m2ist_yolox-nano-refined.py',
    '../_base_/datasets/flickr30k-part.py',
    '../_base_/schedules/schedule_3e.py',
    '../_base_/default_runtime.py',
]
# Both towers encode each input once: the views are fixed, and take 1 MB each on disk.
custom_imports = dict(imports=['m2ist_mm', 'm2ist_mm.feature_cache'])
default_hooks = dict(
    feature_cache=dict(
        type='FeatureCacheHook',
        language=dict(max_entries=60000, dtype='float16'),
        vision=dict(folder='caches', dtype='float16'),
    )
)
