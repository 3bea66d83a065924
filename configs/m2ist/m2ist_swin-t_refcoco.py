# An mmdet backbone alone as the tower: Swin-T (arXiv 2103.14030). The table of taps has
# the two blocks of its last stage: two pairs, spread over BERT's twelve layers.
_base_ = './m2ist_r50_refcoco.py'
model = dict(
    backbone=dict(
        vision=dict(
            _delete_=True,
            type='BackboneTower',
            # of a detector trained without RefCOCO's val and test images
            weights='checkpoints/mask-rcnn_swin-t.pth',
            backbone=dict(
                type='SwinTransformer',
                embed_dims=96,
                depths=[2, 2, 6, 2],
                num_heads=[3, 6, 12, 24],
                window_size=7,
                out_indices=(3,),
                drop_path_rate=0.2,
            ),
        )
    ),
    neck=dict(vision_layers=[0, 1], language_layers=[5, 11]),
)
