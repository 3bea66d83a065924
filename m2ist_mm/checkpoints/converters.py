"""Parameter names of other projects' checkpoints, translated to ours."""

import re
from collections.abc import Iterable

import torch
from torch import Tensor

State = dict[str, Tensor]
Rules = Iterable[tuple[str, str | None]]

# original DETR, prefix-free; None drops a name
_DETR: Rules = (
    (r'backbone\.0\.body\.(.+)', r'backbone.\1'),
    (r'input_proj\.(\w+)', r'input_proj.\1'),
    (r'transformer\.(encoder\.layers\.\d+\.self_attn)\.(.+)', r'\1.attn.\2'),
    (r'transformer\.(encoder\.layers\.\d+)\.linear1\.(\w+)', r'\1.ffn.layers.0.0.\2'),
    (r'transformer\.(encoder\.layers\.\d+)\.linear2\.(\w+)', r'\1.ffn.layers.1.\2'),
    (r'transformer\.(encoder\.layers\.\d+)\.norm1\.(\w+)', r'\1.norms.0.\2'),
    (r'transformer\.(encoder\.layers\.\d+)\.norm2\.(\w+)', r'\1.norms.1.\2'),
)

_DETR_DECODER: Rules = (
    (r'transformer\.(decoder\.|encoder\.norm\.).*', None),
    (r'(class_embed|bbox_embed|query_embed)\..*', None),
)

# of mmdet, or the tower's own
_MMDET_DETR: Rules = (
    (r'((?:backbone|input_proj)\..+)', r'\1'),
    (r'neck\.convs\.0\.conv\.(\w+)', r'input_proj.\1'),
    (r'(encoder\.layers\..+)', r'\1'),
    (r'(decoder|bbox_head|query_embedding|data_preprocessor)\..*', None),
)

# transformers' DETR, as its files (ResNet of timm, or of transformers) and its modules
# in version 5 are named; query, key and value are packed afterwards
_HF_BACKBONE = r'model\.backbone\.(?:conv_encoder\.)?model\.'
_HF_LAYER = r'model\.(encoder\.layers\.\d+)'
_HF_DETR: Rules = (
    (_HF_BACKBONE + r'((?:conv1|bn1|layer\d)\..+)', r'backbone.\1'),
    (_HF_BACKBONE + r'embedder\.embedder\.convolution\.(\w+)', r'backbone.conv1.\1'),
    (_HF_BACKBONE + r'embedder\.embedder\.normalization\.(\w+)', r'backbone.bn1.\1'),
    *(
        (
            rf'{_HF_BACKBONE}encoder\.stages\.{stage}\.layers\.(\d+)\.{old}\.(\w+)',
            rf'backbone.layer{stage + 1}.\1.{new}.\2',
        )
        for stage in range(4)
        for old, new in (
            (r'shortcut\.convolution', 'downsample.0'),
            (r'shortcut\.normalization', 'downsample.1'),
            *((rf'layer\.{i}\.convolution', f'conv{i + 1}') for i in range(3)),
            *((rf'layer\.{i}\.normalization', f'bn{i + 1}') for i in range(3)),
        )
    ),
    (r'model\.input_projection\.(\w+)', r'input_proj.\1'),
    (_HF_LAYER + r'\.self_attn\.([qkv])_proj\.(\w+)', r'\1.self_attn.attn.\2.\3'),
    (
        _HF_LAYER + r'\.self_attn\.o(?:ut)?_proj\.(\w+)',
        r'\1.self_attn.attn.out_proj.\2',
    ),
    (_HF_LAYER + r'\.(?:mlp\.)?fc1\.(\w+)', r'\1.ffn.layers.0.0.\2'),
    (_HF_LAYER + r'\.(?:mlp\.)?fc2\.(\w+)', r'\1.ffn.layers.1.\2'),
    (_HF_LAYER + r'\.self_attn_layer_norm\.(\w+)', r'\1.norms.0.\2'),
    (_HF_LAYER + r'\.final_layer_norm\.(\w+)', r'\1.norms.1.\2'),
    (r'model\.(decoder|query_position_embeddings)\..*', None),
    (r'(class_labels_classifier|bbox_predictor)\..*', None),
)

# Megvii's YOLOX: its neck and backbone are one module, and what mmdet counts to the
# neck as ``out_convs`` is the head's
_YOLOX: Rules = (
    (r'backbone\.backbone\.stem\.(.+)', r'backbone.stem.\1'),
    *(
        (rf'backbone\.backbone\.dark{i + 1}\.(.+)', rf'backbone.stage{i}.\1')
        for i in range(1, 5)
    ),
    (r'backbone\.lateral_conv0\.(.+)', r'neck.reduce_layers.0.\1'),
    (r'backbone\.reduce_conv1\.(.+)', r'neck.reduce_layers.1.\1'),
    (r'backbone\.C3_p4\.(.+)', r'neck.top_down_blocks.0.\1'),
    (r'backbone\.C3_p3\.(.+)', r'neck.top_down_blocks.1.\1'),
    (r'backbone\.bu_conv2\.(.+)', r'neck.downsamples.0.\1'),
    (r'backbone\.bu_conv1\.(.+)', r'neck.downsamples.1.\1'),
    (r'backbone\.C3_n3\.(.+)', r'neck.bottom_up_blocks.0.\1'),
    (r'backbone\.C3_n4\.(.+)', r'neck.bottom_up_blocks.1.\1'),
    (r'head\.stems\.(\d)\.(.+)', r'neck.out_convs.\1.\2'),
    (r'head\..*', None),
)
# inside its blocks, after the names above
_YOLOX_BLOCK: Rules = (
    (r'(.+\.)dconv\.(.+)', r'\1depthwise_conv.\2'),
    (r'(.+\.)pconv\.(.+)', r'\1pointwise_conv.\2'),
    (r'(.+)', r'\1'),
)
_YOLOX_CSP = r'(.+\.stage[1-3]\.1|.+\.stage4\.2|.+_blocks\.\d)\.'
_YOLOX_LAYER: Rules = (
    (_YOLOX_CSP + r'conv1\.(.+)', r'\1.main_conv.\2'),
    (_YOLOX_CSP + r'conv2\.(.+)', r'\1.short_conv.\2'),
    (_YOLOX_CSP + r'conv3\.(.+)', r'\1.final_conv.\2'),
    (_YOLOX_CSP + r'm\.(.+)', r'\1.blocks.\2'),
    (r'(.+)', r'\1'),
)

_VISION_LAYER = r'visumodel\.transformer\.encoder\.layers\.(\d+)'
_LANGUAGE_LAYER = r'textmodel\.bert\.encoder\.layer\.(\d+)'

# the reference code's side networks (arXiv 2407.01131)
_SIDE: Rules = (
    (_VISION_LAYER + r'\.vis_downsample_mha\.(\w+)', r'neck.iea.\1.vision_down.\2'),
    (_VISION_LAYER + r'\.mha_adapters\.up_proj\.(\w+)', r'neck.iea.\1.shared_up.\2'),
    (
        _VISION_LAYER + r'\.mlp_adapters\.adapter_layer_norm_before\.(\w+)',
        r'neck.vea.\1.norm.\2',
    ),
    (_VISION_LAYER + r'\.mlp_adapters\.down_proj\.(\w+)', r'neck.vea.\1.down.\2'),
    (_VISION_LAYER + r'\.mlp_adapters\.visual_up_proj\.(\w+)', r'neck.vea.\1.up.\2'),
    (
        _LANGUAGE_LAYER + r'\.attention\.output\.text_downsample\.(\w+)',
        r'neck.iea.\1.language_down.\2',
    ),
    (
        _LANGUAGE_LAYER + r'\.attention\.output\.text_upsample\.(\w+)',
        r'neck.iea.\1.language_up.\2',
    ),
    (
        _LANGUAGE_LAYER + r'\.output\.mlp_adapter\.adapter_layer_norm_before\.(\w+)',
        r'neck.lea.\1.norm.\2',
    ),
    (
        _LANGUAGE_LAYER + r'\.output\.mlp_adapter\.(down|up)_proj\.(\w+)',
        r'neck.lea.\1.\2.\3',
    ),
    # registered a second time, or never used
    (r'.*\.mha_adapters?\.(\d+\.)?up_proj\.\w+', None),
    (r'.*\.adapter_layer_norm_cross_modal\.\w+', None),
)

_TRANSVG: Rules = (
    *_SIDE,
    (r'textmodel\.bert\.(pooler\..*|embeddings\.position_ids)', None),
    (r'textmodel\.bert\.(.+)', r'backbone.language.model.\1'),
    (r'vl_pos_embed\.weight', r'bbox_head.position_embedding.weight'),
    (r'reg_token\.weight', r'bbox_head.reg_token.weight'),
    (r'visu_proj\.(\w+)', r'bbox_head.vision_proj.\1'),
    (r'text_proj\.(\w+)', r'bbox_head.language_proj.\1'),
    (
        r'vl_transformer\.(encoder\.layers\.\d+)\.linear1\.(\w+)',
        r'bbox_head.\1.ffn.layers.0.0.\2',
    ),
    (
        r'vl_transformer\.(encoder\.layers\.\d+)\.linear2\.(\w+)',
        r'bbox_head.\1.ffn.layers.1.\2',
    ),
    (r'vl_transformer\.(encoder\.layers\.\d+\..+)', r'bbox_head.\1'),
    (r'bbox_embed\.layers\.0\.(\w+)', r'bbox_head.bbox_mlp.0.\1'),
    (r'bbox_embed\.layers\.1\.(\w+)', r'bbox_head.bbox_mlp.2.\1'),
    (r'bbox_embed\.layers\.2\.(\w+)', r'bbox_head.bbox_mlp.4.\1'),
)


def convert_detr(state: State) -> State:
    """Translate a DETR's encoder side to ``DETREncoderTower``.

    Args:
        state: State dict of the original DETR, of an mmdet DETR or Conditional DETR, of
            a DETR of transformers, or of the tower, which stays as it is.

    Returns:
        State dict of the tower; decoder and heads are left out.

    Raises:
        ValueError: A name is not one of a DETR's.
    """
    state = _without_ddp_prefix(state)
    if any(name.startswith('model.encoder.layers.') for name in state):
        renamed = _rename(state, _HF_DETR, 'a DETR of transformers')
        return _with_batch_counters(_pack_attention(renamed))
    if any(name.startswith('transformer.') for name in state):
        return _with_batch_counters(_rename(state, (*_DETR, *_DETR_DECODER), 'a DETR'))
    return _with_batch_counters(_rename(state, _MMDET_DETR, 'an mmdet DETR'))


def convert_yolox(state: State) -> State:
    """Translate Megvii's YOLOX to backbone and neck of mmdet's.

    Args:
        state: State dict in the names of Megvii's code.

    Returns:
        State dict with ``backbone`` and ``neck``; the head is left out, but for its
        first convolutions, which are the neck's ``out_convs`` in mmdet.

    Raises:
        ValueError: A name is not one of a YOLOX's.
    """
    for rules in (_YOLOX, _YOLOX_LAYER, _YOLOX_BLOCK):
        state = _rename(state, rules, "Megvii's YOLOX")
    return _with_batch_counters(state)


def convert_transvg(state: State) -> State:
    """Translate a TransVG or reference M²IST checkpoint to ``SideTunedGrounder``.

    The reference M²IST's weights belong into ``M3ISA(side_norm='tower')``.

    Args:
        state: State dict in the names of the reference code.

    Returns:
        State dict with towers, head and, of M²IST, side networks.

    Raises:
        ValueError: A name is not one of these models'.
    """
    state = _without_ddp_prefix(state)
    vision = tuple(
        (rf'visumodel\.{pattern}', f'backbone.vision.{new}') for pattern, new in _DETR
    )
    renamed = _rename(state, (*_TRANSVG, *vision), 'TransVG or M²IST')
    return _with_batch_counters(renamed)


def _rename(state: State, rules: Rules, source: str) -> State:
    compiled = [(re.compile(pattern), new) for pattern, new in rules]
    renamed, unknown = {}, []
    for name, value in state.items():
        for pattern, new in compiled:
            if match := pattern.fullmatch(name):
                if new is not None:
                    renamed[match.expand(new)] = value
                break
        else:
            unknown.append(name)
    if unknown:
        raise ValueError(
            f'{len(unknown)} of {len(state)} names are not those of {source}, for '
            f'instance {", ".join(unknown[:3])}'
        )
    return renamed


def _pack_attention(state: State) -> State:
    """Join the projections of query, key and value, as nn.MultiheadAttention does."""
    packed = {}
    for name, value in state.items():
        part = re.fullmatch(r'(.+\.attn\.)([qkv])\.(\w+)', name)
        if part is None:
            packed[name] = value
        elif part[2] == 'q':
            parts = [state.get(f'{part[1]}{one}.{part[3]}', value[:0]) for one in 'qkv']
            packed[f'{part[1]}in_proj_{part[3]}'] = torch.cat(parts)
    return packed


def _without_ddp_prefix(state: State) -> State:
    return {name.removeprefix('module.'): value for name, value in state.items()}


def _with_batch_counters(state: State) -> State:
    """Add the counters that frozen BatchNorms lack and mmdet's have."""
    counters = {
        name.replace('running_mean', 'num_batches_tracked'): torch.tensor(0)
        for name in state
        if name.endswith('running_mean')
    }
    return counters | state
