# LoRA, Hu et al. 2022, arXiv 2106.09685: low-rank updates of query and value.
_base_ = './frozen_r50_refcoco.py'
model = dict(backbone=dict(tuner=dict(type='LoRATuner', rank=16, alpha=16)))
