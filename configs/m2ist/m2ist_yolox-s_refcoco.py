# YOLOX-s (arXiv 2107.08430) as the tower: backbone and neck of mmdet's
# detector, its levels joined on the grid of the coarsest. The zoo's weights have seen
# RefCOCO's val and test images in COCO train (docs/data.md).
_base_ = './m2ist_r50_refcoco.py'
_zoo = 'https://download.openmmlab.com/mmdetection/v2.0/yolox/yolox_s_8x8_300e_coco/'
model = dict(
    backbone=dict(
        vision=dict(
            _delete_=True,
            type='DetectorTower',
            detector='yolox_s_8xb8-300e_coco',
            weights=_zoo + 'yolox_s_8x8_300e_coco_20211121_095711-4592a793.pth',
        )
    ),
    # the last stages of the backbone and those of the neck
    neck=dict(vision_layers=[2, 3, 4, 5, 6, 7], language_layers=[1, 3, 5, 7, 9, 11]),
)
