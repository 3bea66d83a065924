# Ablation: the six vision layers paired with every second language layer.
_base_ = '../m2ist_r50_refcoco.py'
model = dict(neck=dict(language_layers=[1, 3, 5, 7, 9, 11]))
