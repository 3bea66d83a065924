# The paper's model on RefCOCOg, UMD's splits.
_base_ = [
    '../_base_/models/m2ist_r50.py',
    '../_base_/datasets/refcocog-umd.py',
    '../_base_/schedules/schedule_90e.py',
    '../_base_/default_runtime.py',
]
# RefCOCOg's expressions are long
model = dict(backbone=dict(language=dict(max_tokens=40)))
