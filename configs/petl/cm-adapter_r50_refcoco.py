# CM-Adapter, Jiang et al. 2022, arXiv 2211.09623: up projections partly shared.
_base_ = './frozen_r50_refcoco.py'
model = dict(backbone=dict(tuner=dict(type='CMAdapterTuner', hidden_channels=64)))
