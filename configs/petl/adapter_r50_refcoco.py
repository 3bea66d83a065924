# Adapter, Houlsby et al. 2019, arXiv 1902.00751: after both sublayers.
_base_ = './frozen_r50_refcoco.py'
model = dict(backbone=dict(tuner=dict(type='AdapterTuner', hidden_channels=64)))
