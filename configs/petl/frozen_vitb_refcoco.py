# Frozen ViT-B and BERT-base with nothing in them, and the places where a tuner works,
# see frozen_r50_refcoco.py.
_base_ = '../m2ist/m2ist_vitb_refcoco.py'
model = dict(
    backbone=dict(
        vision_layers=[],
        language_layers=[],
        vision_sites=dict(
            attention='model.encoder.layer.{i}.layer_scale1',
            ffn_input='model.encoder.layer.{i}.mlp',
            ffn='model.encoder.layer.{i}.layer_scale2',
            # transformers 5 and 4
            query=[
                'model.encoder.layer.{i}.attention.q_proj',
                'model.encoder.layer.{i}.attention.attention.query',
            ],
            value=[
                'model.encoder.layer.{i}.attention.v_proj',
                'model.encoder.layer.{i}.attention.attention.value',
            ],
        ),
        language_sites=dict(
            attention='model.encoder.layer.{i}.attention.output.dense',
            ffn_input='model.encoder.layer.{i}.intermediate',
            ffn='model.encoder.layer.{i}.output.dense',
            query='model.encoder.layer.{i}.attention.self.query',
            value='model.encoder.layer.{i}.attention.self.value',
            embedding='model.embeddings.word_embeddings',
        ),
    ),
    neck=None,
)
