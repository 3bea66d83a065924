# BitFit, Ben Zaken et al. 2022, arXiv 2106.10199: only biases are tuned.
_base_ = './frozen_vitb_refcoco.py'
model = dict(backbone=dict(tuner=dict(type='BitFitTuner')))
