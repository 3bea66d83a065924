# CLIP's text encoder (arXiv 2103.00020, ViT-B/16) on the language side: 12 pre-norm
# layers of 512 channels with a causal mask, 77 tokens at most.
_base_ = './m2ist_r50_refcoco.py'
_weights = 'openai/clip-vit-base-patch16'
model = dict(
    data_preprocessor=dict(tokenizer=_weights),
    backbone=dict(
        language=dict(
            arch=dict(_delete_=True, model_type='clip_text_model'), weights=_weights
        ),
        # what each sublayer adds to its residual stream; the second name is that of
        # transformers 4
        language_taps=dict(
            attention=[
                'model.encoder.layers.{i}.self_attn.out_proj',
                'model.text_model.encoder.layers.{i}.self_attn.out_proj',
            ],
            ffn=[
                'model.encoder.layers.{i}.mlp',
                'model.text_model.encoder.layers.{i}.mlp',
            ],
        ),
    ),
    neck=dict(language_channels=512),
    bbox_head=dict(language_channels=512),
)
