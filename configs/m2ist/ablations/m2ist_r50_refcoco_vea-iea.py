# Ablation: vision and interaction experts.
_base_ = '../m2ist_r50_refcoco.py'
model = dict(neck=dict(experts=('vea', 'iea')))
