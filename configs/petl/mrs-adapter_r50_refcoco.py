# MRS-Adapter, Yuan et al. 2023, arXiv 2308.12509: shared inner layer, gates.
_base_ = './frozen_r50_refcoco.py'
model = dict(backbone=dict(tuner=dict(type='MRSAdapterTuner', hidden_channels=64)))
