# M²IST on ViT-L (DINOv2) and BERT-large, all 24 layers paired one to one.
_base_ = './m2ist_vitb.py'
num_pairs = 24
width = dict(hidden_size=1024, num_hidden_layers=24, num_attention_heads=16)
model = dict(
    data_preprocessor=dict(tokenizer='bert-large-uncased'),
    backbone=dict(
        vision=dict(arch=width, weights='facebook/dinov2-large'),
        language=dict(
            arch=dict(intermediate_size=4096, **width), weights='bert-large-uncased'
        ),
        vision_layers=list(range(num_pairs)),
        language_layers=list(range(num_pairs)),
    ),
    neck=dict(num_pairs=num_pairs, vision_channels=1024, language_channels=1024),
    bbox_head=dict(vision_channels=1024, language_channels=1024),
)
