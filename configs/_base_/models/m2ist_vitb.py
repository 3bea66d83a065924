# M²IST on a plain ViT-B and BERT-base, all twelve layers paired one to one. The canvas
# is 448 x 448: 32 x 32 patches of 14. DINOv2 for its dense features; other ViT-B are
# options: m2ist_vitb-16.py, -clip.py and -siglip.py.
_base_ = './m2ist_r50.py'
model = dict(
    backbone=dict(
        vision=dict(
            _delete_=True,
            type='TransformersVisionTower',
            size=(448, 448),
            arch=dict(model_type='dinov2', image_size=518, patch_size=14),
            weights='facebook/dinov2-base',
        )
    ),
    neck=dict(vision_layers=list(range(12)), language_layers=list(range(12))),
)
