# The paper's model on RefCOCO+.
_base_ = [
    '../_base_/models/m2ist_r50.py',
    '../_base_/datasets/refcoco+.py',
    '../_base_/schedules/schedule_180e.py',
    '../_base_/default_runtime.py',
]
