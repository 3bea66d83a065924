# M²IST on ResNet-50 + DETR encoder and BERT-base, arXiv 2407.01131. Widths, numbers of
# tokens, taps and pixel statistics follow from the towers.
model = dict(
    type='SideTunedGrounder',
    backbone=dict(
        type='SideTuningBackbone',
        vision=dict(
            type='DETREncoderTower',
            # from a DETR that was trained without RefCOCO's val and test images:
            # tools/model_converters/detr_to_m2ist.py
            weights='checkpoints/detr_r50_tower.pth',
            fold_norms=True,
            channels_last=True,
            backbone=dict(
                type='ResNet',
                depth=50,
                num_stages=4,
                out_indices=(3,),
                frozen_stages=1,
                norm_cfg=dict(type='BN', requires_grad=False),
                norm_eval=True,
                style='pytorch',
            ),
        ),
        language=dict(
            type='TransformersTower',
            arch=dict(model_type='bert'),
            weights='bert-base-uncased',
            max_tokens=20,
        ),
    ),
    neck=dict(
        type='M3ISA',
        vision_layers=list(range(6)),
        language_layers=list(range(6)),
        hidden_channels=128,
        scale=0.1,
    ),
    bbox_head=dict(
        type='RECHead',
        loss_bbox=dict(type='L1Loss', loss_weight=1.0),
        loss_iou=dict(type='GIoULoss', loss_weight=1.0),
    ),
)
