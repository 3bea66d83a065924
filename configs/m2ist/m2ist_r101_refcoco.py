# ResNet-101 instead of ResNet-50; its DETR encoder and all else are the same.
_base_ = [
    '../_base_/models/m2ist_r101.py',
    '../_base_/datasets/refcoco.py',
    '../_base_/schedules/schedule_90e.py',
    '../_base_/default_runtime.py',
]
