# AdaptFormer, Chen et al. 2022, arXiv 2205.13535: a bottleneck beside the FFN.
_base_ = './frozen_r50_refcoco.py'
model = dict(
    backbone=dict(tuner=dict(type='AdaptFormerTuner', hidden_channels=64, scale=0.1))
)
