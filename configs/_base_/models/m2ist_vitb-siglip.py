# SigLIP's ViT-B/16 (arXiv 2303.15343) instead of DINOv2, normalised as it was trained.
# Its layers have CLIP's names.
_base_ = './m2ist_vitb-clip.py'
model = dict(
    data_preprocessor=dict(mean=[127.5, 127.5, 127.5], std=[127.5, 127.5, 127.5]),
    backbone=dict(
        vision=dict(
            arch=dict(model_type='siglip_vision_model', image_size=224, patch_size=16),
            weights='google/siglip-base-patch16-224',
        )
    ),
)
