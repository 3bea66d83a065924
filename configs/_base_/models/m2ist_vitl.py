# M²IST on ViT-L (DINOv2) and BERT-large, all 24 layers paired one to one.
_base_ = './m2ist_vitb.py'
width = dict(hidden_size=1024, num_hidden_layers=24, num_attention_heads=16)
model = dict(
    backbone=dict(
        vision=dict(arch=width, weights='facebook/dinov2-large'),
        language=dict(
            arch=dict(intermediate_size=4096, **width), weights='bert-large-uncased'
        ),
    ),
    neck=dict(vision_layers=list(range(24)), language_layers=list(range(24))),
)
