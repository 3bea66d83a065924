# Ablation: all experts on the FFN.
_base_ = '../m2ist_r50_refcoco.py'
model = dict(neck=dict(taps=dict(iea='ffn')))
