# The paper's model on RefCOCO: published 2.11 % of the tower parameters tuned.
_base_ = [
    '../_base_/models/m2ist_r50.py',
    '../_base_/datasets/refcoco.py',
    '../_base_/schedules/schedule_90e.py',
    '../_base_/default_runtime.py',
]
