# CLIP's text encoder (arXiv 2103.00020, ViT-B/16) on the language side: 12 pre-norm
# layers of 512 channels with a causal mask, 77 tokens at most.
_base_ = './m2ist_r50_refcoco.py'
model = dict(
    backbone=dict(
        language=dict(
            arch=dict(_delete_=True, model_type='clip_text_model'),
            weights='openai/clip-vit-base-patch16',
        )
    )
)
