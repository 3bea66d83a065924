# An mmdet backbone alone as the tower: Swin-T (arXiv 2103.14030). Only the two blocks
# of its last stage have the width and the number of the tokens that leave it, to which
# the side networks' outputs are added: two pairs, spread over BERT's twelve layers.
_base_ = './m2ist_r50_refcoco.py'
num_pairs = 2
model = dict(
    backbone=dict(
        vision=dict(
            _delete_=True,
            type='BackboneTower',
            # of a detector trained without RefCOCO's val and test images
            weights='checkpoints/mask-rcnn_swin-t.pth',
            embed_dims=768,
            backbone=dict(
                type='SwinTransformer',
                embed_dims=96,
                depths=[2, 2, 6, 2],
                num_heads=[3, 6, 12, 24],
                window_size=7,
                out_indices=(3,),
                drop_path_rate=0.2,
            ),
        ),
        vision_taps=dict(
            attention='backbone.stages.3.blocks.{i}.attn',
            ffn='backbone.stages.3.blocks.{i}.ffn.layers',
        ),
        vision_layers=[0, 1],
        language_layers=[5, 11],
    ),
    neck=dict(num_pairs=num_pairs, vision_channels=768),
    bbox_head=dict(vision_channels=768),
)
