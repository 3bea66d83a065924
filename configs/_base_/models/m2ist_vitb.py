# M²IST on a plain ViT-B and BERT-base, all twelve layers paired one to one. The canvas
# is 448 x 448: 32 x 32 patches of 14. DINOv2 for its dense features; other ViT-B are
# options: m2ist_vitb-16.py, -clip.py and -siglip.py.
num_pairs = 12
model = dict(
    type='SideTunedGrounder',
    data_preprocessor=dict(
        type='RECDataPreprocessor',
        tokenizer='bert-base-uncased',
        max_tokens=20,
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
    ),
    backbone=dict(
        type='SideTuningBackbone',
        vision=dict(
            type='TransformersVisionTower',
            arch=dict(model_type='dinov2', image_size=518, patch_size=14),
            weights='facebook/dinov2-base',
        ),
        language=dict(
            type='TransformersTower',
            arch=dict(model_type='bert'),
            weights='bert-base-uncased',
        ),
        # what each sublayer adds to its residual stream
        vision_taps=dict(
            attention='model.encoder.layer.{i}.layer_scale1',
            ffn='model.encoder.layer.{i}.layer_scale2',
        ),
        language_taps=dict(
            attention='model.encoder.layer.{i}.attention.output',
            ffn='model.encoder.layer.{i}.output.dense',
        ),
        vision_layers=list(range(num_pairs)),
        language_layers=list(range(num_pairs)),
    ),
    neck=dict(
        type='M3ISA',
        num_pairs=num_pairs,
        vision_channels=768,
        language_channels=768,
        hidden_channels=128,
        scale=0.1,
    ),
    bbox_head=dict(
        type='RECHead',
        vision_channels=768,
        language_channels=768,
        num_vision_tokens=1024,
        num_text_tokens=20,
        loss_bbox=dict(type='L1Loss', loss_weight=1.0),
        loss_iou=dict(type='GIoULoss', loss_weight=1.0),
    ),
)
