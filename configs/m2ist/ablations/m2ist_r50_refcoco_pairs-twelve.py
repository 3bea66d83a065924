# Ablation: all twelve language layers, two for each vision layer.
_base_ = '../m2ist_r50_refcoco.py'
num_pairs = 12
model = dict(
    backbone=dict(
        vision_layers=[i // 2 for i in range(num_pairs)],
        language_layers=list(range(num_pairs)),
    ),
    neck=dict(num_pairs=num_pairs),
)
