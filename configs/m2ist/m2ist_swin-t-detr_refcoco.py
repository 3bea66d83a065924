# The paper's model with Swin-T (arXiv 2103.14030) in the place of ResNet-50: the taps
# are the DETR encoder's.
_base_ = './m2ist_r50_refcoco.py'
model = dict(
    backbone=dict(
        vision=dict(
            # from a DETR with this backbone: tools/model_converters/detr_to_m2ist.py
            weights='checkpoints/detr_swin-t_tower.pth',
            fold_norms=False,  # it has no BatchNorm
            backbone=dict(
                _delete_=True,
                type='SwinTransformer',
                embed_dims=96,
                depths=[2, 2, 6, 2],
                num_heads=[3, 6, 12, 24],
                window_size=7,
                out_indices=(3,),
                drop_path_rate=0.2,
            ),
        )
    )
)
