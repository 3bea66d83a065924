# The plain ViT-B/16 (arXiv 2010.11929) instead of DINOv2: 448 x 448 pixels give
# 28 x 28 tokens. The second name of a tap is that of transformers 4.
_base_ = './m2ist_vitb.py'
model = dict(
    data_preprocessor=dict(mean=[127.5, 127.5, 127.5], std=[127.5, 127.5, 127.5]),
    backbone=dict(
        vision=dict(
            arch=dict(model_type='vit', image_size=224, patch_size=16),
            weights='google/vit-base-patch16-224-in21k',
        ),
        vision_taps=dict(
            attention=[
                'model.layers.{i}.attention',
                'model.encoder.layer.{i}.attention',
            ],
            ffn=['model.layers.{i}.mlp', 'model.encoder.layer.{i}.output.dense'],
        ),
    ),
    bbox_head=dict(num_vision_tokens=784),
)
