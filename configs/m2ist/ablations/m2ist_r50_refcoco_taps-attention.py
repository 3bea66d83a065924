# Ablation: all experts on the attention.
_base_ = '../m2ist_r50_refcoco.py'
model = dict(neck=dict(taps=dict(vea='attention', lea='attention')))
