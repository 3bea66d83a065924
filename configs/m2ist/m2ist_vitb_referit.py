# M²IST on ViT-B (DINOv2) and BERT-base, on ReferItGame.
_base_ = [
    '../_base_/models/m2ist_vitb.py',
    '../_base_/datasets/referit.py',
    '../_base_/schedules/schedule_90e.py',
    '../_base_/default_runtime.py',
]
canvas = (448, 448)
