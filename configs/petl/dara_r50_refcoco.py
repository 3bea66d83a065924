# DARA, Liu et al. 2024, arXiv 2405.06217: domain- and relation-aware adapters.
_base_ = './frozen_r50_refcoco.py'
model = dict(
    backbone=dict(
        tuner=dict(type='DARATuner', domain_channels=16, relation_channels=128)
    )
)
