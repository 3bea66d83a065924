# Ladder Side-Tuning, Sung et al. 2022, arXiv 2206.06522: a narrow copy of each tower.
_base_ = './frozen_vitb_refcoco.py'
_ladder = dict(
    num_layers=12,
    channels=768,
    num_heads=12,
    feedforward_channels=3072,
    activation='gelu',
)
model = dict(
    backbone=dict(
        vision_taps=dict(_delete_=True, layer='model.encoder.layer.{i}'),
        language_taps=dict(_delete_=True, layer='model.encoder.layer.{i}'),
        vision_layers=list(range(12)),
        language_layers=list(range(12)),
    ),
    neck=dict(
        _delete_=True,
        type='LadderSideNetwork',
        reduction=8,
        vision=_ladder,
        language=_ladder,
    ),
)
