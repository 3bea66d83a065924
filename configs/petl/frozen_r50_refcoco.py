# Frozen towers with nothing in them: projections, V-L encoder and head are trained.
# What a method of configs/petl adds is the difference to this. Any tuner is switched on
# by one option: --cfg-options model.backbone.tuner.type=LoRATuner
_base_ = '../m2ist/m2ist_r50_refcoco.py'
model = dict(neck=None)
