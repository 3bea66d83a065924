# TransVG (arXiv 2104.08541): the same towers and head, fully fine-tuned.
_base_ = '../m2ist/m2ist_r50_refcoco.py'
model = dict(backbone=dict(freeze=False), neck=None)
