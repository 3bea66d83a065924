# Grouped, and the language tower runs once for each distinct expression: its features
# lie in caches/, some 17 GB for RefCOCO, told exactly before they are computed.
_base_ = './m2ist_r50_grouped_refcoco.py'
custom_imports = dict(imports=['m2ist_mm', 'm2ist_mm.feature_cache'])
default_hooks = dict(
    feature_cache=dict(
        type='FeatureCacheHook', language=dict(folder='caches', dtype='float16')
    )
)
