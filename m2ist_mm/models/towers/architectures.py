"""Taps and sites of each architecture: the one table of module names.

A *tap* is a module whose output a side network reads, a *site* one whose input or
output a tuner changes, a *norm* the LayerNorm that follows a tap. Each kind is given by
a name pattern with ``{i}`` in the place of the layer number, or by a list of patterns,
of which the first that exists in the tower is used (libraries rename their modules). An
entry of such a list may itself be a list with the names of all layers.
"""

from dataclasses import dataclass, field

Pattern = str | list[str | list[str]]


@dataclass(frozen=True)
class Architecture:
    """Module names of one architecture, by kind.

    Attributes:
        taps: ``attention`` and ``ffn`` (outputs of the sublayers, see arXiv 2407.01131
            §3), ``layer`` (output of a whole layer).
        sites: The kinds that ``BaseTuner`` lists.
        norms: The tower's LayerNorm behind the tap of that kind.
        mean: Pixel mean of pre-training, RGB in 0 to 255, where the weights do not say
            it; ``None``: the config states it.
        std: Its standard deviation, likewise.
        left_out: Modules that belong to the head; ``DetectorTower`` replaces them by an
            identity.
    """

    taps: dict[str, Pattern] = field(default_factory=dict)
    sites: dict[str, Pattern] = field(default_factory=dict)
    norms: dict[str, Pattern] = field(default_factory=dict)
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    left_out: tuple[str, ...] = ()


_IMAGENET = dict(mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375))
_HALF = dict(mean=(127.5, 127.5, 127.5), std=(127.5, 127.5, 127.5))

_BERT_LAYER = 'model.encoder.layer.{i}'
_BERT = Architecture(
    taps=dict(
        attention=f'{_BERT_LAYER}.attention.output',
        ffn=f'{_BERT_LAYER}.output.dense',
        layer=_BERT_LAYER,
    ),
    sites=dict(
        attention=f'{_BERT_LAYER}.attention.output.dense',
        ffn_input=f'{_BERT_LAYER}.intermediate',
        ffn=f'{_BERT_LAYER}.output.dense',
        query=f'{_BERT_LAYER}.attention.self.query',
        value=f'{_BERT_LAYER}.attention.self.value',
        embedding='model.embeddings.word_embeddings',
    ),
    norms=dict(
        attention=f'{_BERT_LAYER}.attention.output.LayerNorm',
        ffn=f'{_BERT_LAYER}.output.LayerNorm',
    ),
)


def _clip(prefix: str) -> dict[str, dict[str, Pattern]]:
    """CLIP's layers; in transformers 4 the encoder has a module around it."""

    def both(name: str) -> Pattern:
        return [
            f'model.encoder.layers.{{i}}{name}',
            f'model.{prefix}.encoder.layers.{{i}}{name}',
        ]

    # what each sublayer adds to its residual stream
    attention, ffn = both('.self_attn.out_proj'), both('.mlp')
    return dict(
        taps=dict(attention=attention, ffn=ffn, layer=both('')),
        sites=dict(
            attention=attention,
            ffn_input=ffn,
            ffn=ffn,
            query=both('.self_attn.q_proj'),
            value=both('.self_attn.v_proj'),
        ),
    )


_DINO_LAYER = 'model.encoder.layer.{i}'
_DINOV2 = Architecture(
    # what each sublayer adds to its residual stream
    taps=dict(
        attention=f'{_DINO_LAYER}.layer_scale1',
        ffn=f'{_DINO_LAYER}.layer_scale2',
        layer=_DINO_LAYER,
    ),
    sites=dict(
        attention=f'{_DINO_LAYER}.layer_scale1',
        ffn_input=f'{_DINO_LAYER}.mlp',
        ffn=f'{_DINO_LAYER}.layer_scale2',
        # transformers 5 and 4
        query=[
            f'{_DINO_LAYER}.attention.q_proj',
            f'{_DINO_LAYER}.attention.attention.query',
        ],
        value=[
            f'{_DINO_LAYER}.attention.v_proj',
            f'{_DINO_LAYER}.attention.attention.value',
        ],
    ),
    **_IMAGENET,
)


def _stages(
    taps: list[str], sites: dict[str, Pattern]
) -> dict[str, dict[str, Pattern]]:
    """Taps and sites of a convolutional detector.

    Its stages have no attention and FFN sublayers: every kind of tap is the output of a
    whole stage, in order of depth.
    """
    return dict(taps=dict.fromkeys(('attention', 'ffn', 'layer'), [taps]), sites=sites)


# the CSP block at the end of each stage of the backbone, then those of the neck, down
# to the finest map and up again
_CSP_BLOCKS = [
    *(f'backbone.stage{i}.1' for i in range(1, 4)),
    'backbone.stage4.2',
    *(f'neck.{way}_blocks.{i}' for way in ('top_down', 'bottom_up') for i in range(2)),
]
_CSP = _stages(
    taps=_CSP_BLOCKS,
    sites=dict(
        # what mixes positions, then what mixes channels
        attention=[[f'{block}.blocks' for block in _CSP_BLOCKS]],
        ffn_input=[[f'{block}.final_conv' for block in _CSP_BLOCKS]],
        ffn=[[f'{block}.final_conv' for block in _CSP_BLOCKS]],
        # 1x1 convolutions into the block and out of it
        query=[
            [
                f'{block}.{way}_conv.conv'
                for block in _CSP_BLOCKS
                for way in ('main', 'short')
            ]
        ],
        value=[[f'{block}.final_conv.conv' for block in _CSP_BLOCKS]],
    ),
)


def _resnet(neck: list[str]) -> dict[str, dict[str, Pattern]]:
    """ResNet's stages, then the maps of the neck, from fine to coarse."""
    stages = [f'backbone.layer{i}' for i in range(1, 5)]

    def blocks(name: str) -> list[str]:
        return [f'{stage}.{i}.{name}' for stage in stages for i in range(2)]

    return _stages(
        taps=stages + neck,
        sites=dict(
            # the first two blocks of each stage; all but the first keep their width
            attention=[[f'{stage}.0' for stage in stages]],
            ffn_input=[[f'{stage}.1' for stage in stages]],
            ffn=[[f'{stage}.1' for stage in stages]],
            # of bottlenecks the 1x1 convolutions, of basic blocks both
            query=[blocks('conv1')],
            value=[blocks('conv3'), blocks('conv2')],
        ),
    )


_FPN = Architecture(**_resnet([f'neck.fpn_convs.{i}' for i in range(5)]))
_CHANNEL_MAPPER = Architecture(**_resnet([f'neck.convs.{i}' for i in range(4)]))

_DETR_LAYER = 'encoder.layers.{i}'

ARCHITECTURES: dict[str, Architecture] = {
    'detr_encoder': Architecture(
        taps=dict(
            attention=f'{_DETR_LAYER}.self_attn.proj_drop',
            ffn=f'{_DETR_LAYER}.ffn.layers',
            layer=_DETR_LAYER,
        ),
        sites=dict(
            attention=f'{_DETR_LAYER}.self_attn.proj_drop',
            ffn_input=f'{_DETR_LAYER}.ffn.layers',
            ffn=f'{_DETR_LAYER}.ffn.layers',
            # query, key and value packed in one nn.MultiheadAttention
            query=f'{_DETR_LAYER}.self_attn.attn',
            value=f'{_DETR_LAYER}.self_attn.attn',
        ),
        **_IMAGENET,
    ),
    'bert': _BERT,
    'roberta': _BERT,
    'clip_text_model': Architecture(**_clip('text_model')),
    'dinov2': _DINOV2,
    'dinov2_with_registers': _DINOV2,
    'vit': Architecture(
        taps=dict(
            attention=[
                'model.layers.{i}.attention',
                'model.encoder.layer.{i}.attention',
            ],
            ffn=['model.layers.{i}.mlp', 'model.encoder.layer.{i}.output.dense'],
            layer=['model.layers.{i}', 'model.encoder.layer.{i}'],
        ),
        **_HALF,
    ),
    'clip_vision_model': Architecture(
        **_clip('vision_model'),
        mean=tuple(255 * value for value in (0.48145466, 0.4578275, 0.40821073)),
        std=tuple(255 * value for value in (0.26862954, 0.26130258, 0.27577711)),
    ),
    'siglip_vision_model': Architecture(**_clip('vision_model'), **_HALF),
    # the blocks of the last stage, whose output the tower's tokens are
    'SwinTransformer': Architecture(
        taps=dict(
            attention='backbone.stages.3.blocks.{i}.attn',
            ffn='backbone.stages.3.blocks.{i}.ffn.layers',
            layer='backbone.stages.3.blocks.{i}',
        ),
        **_IMAGENET,
    ),
    'ResNet': Architecture(
        taps=dict.fromkeys(
            ('attention', 'ffn', 'layer'), [[f'backbone.layer{i}' for i in range(1, 5)]]
        ),
        **_IMAGENET,
    ),
    # detectors, by backbone and neck; their configs state mean and std
    'CSPDarknet+YOLOXPAFPN': Architecture(
        **_CSP,
        # 1x1 convolutions to one width; the head's in YOLOX itself
        left_out=tuple(f'neck.out_convs.{i}' for i in range(3)),
    ),
    'CSPNeXt+CSPNeXtPAFPN': Architecture(**_CSP),
    **{f'{name}+FPN': _FPN for name in ('ResNet', 'ResNetV1d', 'ResNeXt')},
    **{f'{name}+ChannelMapper': _CHANNEL_MAPPER for name in ('ResNet', 'ResNetV1d')},
}
