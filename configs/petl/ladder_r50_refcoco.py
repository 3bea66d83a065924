# Ladder Side-Tuning, Sung et al. 2022, arXiv 2206.06522: a narrow copy of each tower.
_base_ = './frozen_r50_refcoco.py'
model = dict(
    backbone=dict(
        vision_taps=dict(_delete_=True, layer='encoder.layers.{i}'),
        language_taps=dict(_delete_=True, layer='model.encoder.layer.{i}'),
        vision_layers=list(range(6)),
        language_layers=list(range(12)),
    ),
    neck=dict(
        _delete_=True,
        type='LadderSideNetwork',
        reduction=8,
        vision=dict(
            num_layers=6,
            channels=256,
            num_heads=8,
            feedforward_channels=2048,
            activation='relu',
        ),
        language=dict(
            num_layers=12,
            channels=768,
            num_heads=12,
            feedforward_channels=3072,
            activation='gelu',
        ),
    ),
)
