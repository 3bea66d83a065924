# MiniLM-L6 (arXiv 2002.10957), a BERT of 6 layers and 384 channels, on the language
# side.
_base_ = './m2ist_r50_refcoco.py'
model = dict(
    backbone=dict(
        language=dict(
            arch=dict(
                model_type='bert',
                hidden_size=384,
                num_hidden_layers=6,
                num_attention_heads=12,
                intermediate_size=1536,
            ),
            weights='sentence-transformers/all-MiniLM-L6-v2',
        )
    )
)
