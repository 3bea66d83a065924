# M²IST on ResNet-101 + DETR encoder and BERT-base
_base_ = './m2ist_r50.py'
model = dict(
    backbone=dict(
        vision=dict(
            # from a DETR that was trained without RefCOCO's val and test images:
            # tools/model_converters/detr_to_m2ist.py
            weights='checkpoints/detr_r101_tower.pth',
            backbone=dict(depth=101),
        )
    )
)
