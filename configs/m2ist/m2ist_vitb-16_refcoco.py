# M²IST on the plain ViT-B/16 and BERT-base, on RefCOCO.
_base_ = [
    '../_base_/models/m2ist_vitb-16.py',
    '../_base_/datasets/refcoco.py',
    '../_base_/schedules/schedule_90e.py',
    '../_base_/default_runtime.py',
]
canvas = (448, 448)
