# RoBERTa-base (arXiv 1907.11692) on the language side.
_base_ = './m2ist_r50_refcoco.py'
model = dict(
    backbone=dict(
        language=dict(
            arch=dict(
                _delete_=True,
                model_type='roberta',
                vocab_size=50265,
                # positions count from 2, so 512 tokens
                max_position_embeddings=514,
                type_vocab_size=1,
                layer_norm_eps=1e-5,
            ),
            weights='FacebookAI/roberta-base',
        )
    )
)
