# Frozen towers with nothing in them: projections, V-L encoder and head are trained.
# What a method of configs/petl adds is the difference to this. It also names the places
# in the towers where a tuner works; any tuner is switched on by one option:
# --cfg-options model.backbone.tuner.type=LoRATuner
_base_ = '../m2ist/m2ist_r50_refcoco.py'
model = dict(
    backbone=dict(
        vision_layers=[],
        language_layers=[],
        vision_sites=dict(
            attention='encoder.layers.{i}.self_attn.proj_drop',
            ffn_input='encoder.layers.{i}.ffn.layers',
            ffn='encoder.layers.{i}.ffn.layers',
            # query, key and value packed in one nn.MultiheadAttention
            query='encoder.layers.{i}.self_attn.attn',
            value='encoder.layers.{i}.self_attn.attn',
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
