# Grouped, and the language tower runs once for each distinct expression: its features
# lie in caches/, some 17 GB for RefCOCO, told exactly before they are computed.
_base_ = './m2ist_r50_grouped_refcoco.py'
model = dict(backbone=dict(language_cache=dict(folder='caches', dtype='float16')))
