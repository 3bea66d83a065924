# Ablation: no expert; the towers' outputs and input tokens alone.
_base_ = '../m2ist_r50_refcoco.py'
model = dict(neck=dict(experts=()))
