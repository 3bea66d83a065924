# CLIP's ViT-B/16 (arXiv 2103.00020) instead of DINOv2: 448 x 448 pixels give 28 x 28
# tokens.
_base_ = './m2ist_vitb.py'
model = dict(
    backbone=dict(
        vision=dict(
            arch=dict(model_type='clip_vision_model', image_size=224, patch_size=16),
            weights='openai/clip-vit-base-patch16',
        )
    )
)
