# The paper's model on mmdet's DETR R-50 as its zoo has it. These weights have seen
# RefCOCO's val and test images in COCO train (docs/data.md): to compare with published
# results take m2ist_r50_refcoco.py, whose tower has not.
_base_ = './m2ist_r50_refcoco.py'
_zoo = 'https://download.openmmlab.com/mmdetection/v3.0/detr/detr_r50_8xb2-150e_coco/'
model = dict(
    backbone=dict(
        vision=dict(
            weights=_zoo + 'detr_r50_8xb2-150e_coco_20221023_153551-436d03e8.pth'
        )
    )
)
