# Ablation: the six vision layers paired with the last six of the language tower.
_base_ = '../m2ist_r50_refcoco.py'
model = dict(neck=dict(language_layers=[6, 7, 8, 9, 10, 11]))
