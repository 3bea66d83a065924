# UniAdapter, Lu et al. 2024, arXiv 2302.06605: down projection shared.
_base_ = './frozen_vitb_refcoco.py'
model = dict(backbone=dict(tuner=dict(type='UniAdapterTuner', hidden_channels=128)))
