# Ablation: the interaction experts alone.
_base_ = '../m2ist_r50_refcoco.py'
model = dict(neck=dict(experts=('iea',)))
