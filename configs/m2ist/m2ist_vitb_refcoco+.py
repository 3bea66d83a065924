# M²IST on ViT-B (DINOv2) and BERT-base, on RefCOCO+.
_base_ = [
    '../_base_/models/m2ist_vitb.py',
    '../_base_/datasets/refcoco+.py',
    '../_base_/schedules/schedule_180e.py',
    '../_base_/default_runtime.py',
]
canvas = (448, 448)
