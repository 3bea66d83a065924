# DC5: the last stage is dilated instead of strided, so that 640 x 640 pixels give
# 40 x 40 = 1,600 tokens, four times those of m2ist_r50_refcoco.py. mmdet dilates the
# first block of the stage too, the original DETR-DC5 does not: the tower is one that
# mmdet trained with these strides and dilations.
_base_ = './m2ist_r50_refcoco.py'
model = dict(
    backbone=dict(
        vision=dict(
            weights='checkpoints/detr_r50-dc5_tower.pth',
            backbone=dict(strides=(1, 2, 2, 1), dilations=(1, 1, 1, 2)),
        )
    )
)
