# CLIP's ViT-B/16 (arXiv 2103.00020) instead of DINOv2, normalised as it was trained:
# 448 x 448 pixels give 28 x 28 tokens. The second name of a tap is that of
# transformers 4.
_base_ = './m2ist_vitb.py'
model = dict(
    data_preprocessor=dict(
        mean=[122.7709383, 116.7460125, 104.0937362],
        std=[68.5005327, 66.6321579, 70.3231631],
    ),
    backbone=dict(
        vision=dict(
            arch=dict(model_type='clip_vision_model', image_size=224, patch_size=16),
            weights='openai/clip-vit-base-patch16',
        ),
        vision_taps=dict(
            attention=[
                'model.encoder.layers.{i}.self_attn.out_proj',
                'model.vision_model.encoder.layers.{i}.self_attn.out_proj',
            ],
            ffn=[
                'model.encoder.layers.{i}.mlp',
                'model.vision_model.encoder.layers.{i}.mlp',
            ],
        ),
    ),
    bbox_head=dict(num_vision_tokens=784),
)
