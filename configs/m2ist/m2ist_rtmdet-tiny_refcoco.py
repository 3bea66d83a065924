# RTMDet-tiny (arXiv 2212.07784) as the tower: backbone and neck of mmdet's
# detector, its levels joined on the grid of the coarsest. The zoo's weights have seen
# RefCOCO's val and test images in COCO train (docs/data.md).
_base_ = './m2ist_r50_refcoco.py'
_zoo = 'https://download.openmmlab.com/mmdetection/v3.0/rtmdet/rtmdet_tiny_8xb32-300e_coco/'
model = dict(
    backbone=dict(
        vision=dict(
            _delete_=True,
            type='DetectorTower',
            detector='rtmdet_tiny_8xb32-300e_coco',
            weights=_zoo + 'rtmdet_tiny_8xb32-300e_coco_20220902_112414-78e30dcc.pth',
        )
    ),
    # the last stages of the backbone and those of the neck
    neck=dict(vision_layers=[2, 3, 4, 5, 6, 7], language_layers=[1, 3, 5, 7, 9, 11]),
)
