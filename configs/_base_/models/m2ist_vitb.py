# M²IST on a plain ViT-B and BERT-base, all twelve layers paired one to one. The canvas
# is 448 x 448: 32 x 32 patches of 14. DINOv2 for its dense features; other ViT-B are
# options: m2ist_vitb-16.py, -clip.py and -siglip.py.
_base_ = './m2ist_r50.py'
num_pairs = 12
model = dict(
    backbone=dict(
        vision=dict(
            _delete_=True,
            type='TransformersVisionTower',
            arch=dict(model_type='dinov2', image_size=518, patch_size=14),
            weights='facebook/dinov2-base',
        ),
        vision_channels_last=False,
        # what each sublayer adds to its residual stream
        vision_taps=dict(
            attention='model.encoder.layer.{i}.layer_scale1',
            ffn='model.encoder.layer.{i}.layer_scale2',
        ),
        vision_layers=list(range(num_pairs)),
        language_layers=list(range(num_pairs)),
    ),
    neck=dict(num_pairs=num_pairs, vision_channels=768),
    bbox_head=dict(vision_channels=768, num_vision_tokens=1024),
)
