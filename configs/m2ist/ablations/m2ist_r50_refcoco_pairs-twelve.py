# Ablation: all twelve language layers, two for each vision layer.
_base_ = '../m2ist_r50_refcoco.py'
model = dict(
    neck=dict(
        vision_layers=[i // 2 for i in range(12)], language_layers=list(range(12))
    )
)
