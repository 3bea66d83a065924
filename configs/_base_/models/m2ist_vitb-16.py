# The plain ViT-B/16 (arXiv 2010.11929) instead of DINOv2: 448 x 448 pixels give
# 28 x 28 tokens.
_base_ = './m2ist_vitb.py'
model = dict(
    backbone=dict(
        vision=dict(
            arch=dict(model_type='vit', image_size=224, patch_size=16),
            weights='google/vit-base-patch16-224-in21k',
        )
    )
)
