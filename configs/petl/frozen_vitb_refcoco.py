# Frozen ViT-B and BERT-base with nothing in them, see frozen_r50_refcoco.py.
_base_ = '../m2ist/m2ist_vitb_refcoco.py'
model = dict(neck=None)
