# SigLIP's ViT-B/16 (arXiv 2303.15343) instead of DINOv2.
_base_ = './m2ist_vitb.py'
model = dict(
    backbone=dict(
        vision=dict(
            arch=dict(model_type='siglip_vision_model', image_size=224, patch_size=16),
            weights='google/siglip-base-patch16-224',
        )
    )
)
