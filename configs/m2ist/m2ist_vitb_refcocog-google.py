# M²IST on ViT-B (DINOv2) and BERT-base, on RefCOCOg, Google's splits.
_base_ = [
    '../_base_/models/m2ist_vitb.py',
    '../_base_/datasets/refcocog-google.py',
    '../_base_/schedules/schedule_90e.py',
    '../_base_/default_runtime.py',
]
canvas = (448, 448)
# RefCOCOg's expressions are long
model = dict(backbone=dict(language=dict(max_tokens=40)))
