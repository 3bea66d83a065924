# TransVG's head and recipe on ViT-B and BERT-base, fully fine-tuned.
_base_ = '../m2ist/m2ist_vitb_refcoco.py'
model = dict(backbone=dict(freeze=False), neck=None)
# DINOv2's mask token has a part in its pre-training alone
find_unused_parameters = True
