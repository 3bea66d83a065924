# TransVG (arXiv 2104.08541) on ResNet-101, fully fine-tuned.
_base_ = '../m2ist/m2ist_r101_refcoco.py'
model = dict(backbone=dict(freeze=False), neck=None)
