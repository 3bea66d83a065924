# Prompt tuning of the language tower, Lester et al. 2021, arXiv 2104.08691.
_base_ = './frozen_vitb_refcoco.py'
model = dict(backbone=dict(tuner=dict(type='PromptTuner', num_tokens=20)))
