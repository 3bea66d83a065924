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

_MMDET_DETR: Rules = (
    (r'(backbone\..+)', r'\1'),
    (r'neck\.convs\.0\.conv\.(\w+)', r'input_proj.\1'),
    (r'(encoder\.layers\..+)', r'\1'),
    (r'(decoder|bbox_head|query_embedding|data_preprocessor)\..*', None),
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
        state: State dict of the original DETR, or of an mmdet DETR or Conditional DETR.

    Returns:
        State dict of the tower; decoder and heads are left out.

    Raises:
        ValueError: A name is not one of a DETR's.
    """
    state = _without_ddp_prefix(state)
    if any(name.startswith('transformer.') for name in state):
        return _with_batch_counters(_rename(state, (*_DETR, *_DETR_DECODER), 'a DETR'))
    return _with_batch_counters(_rename(state, _MMDET_DETR, 'an mmdet DETR'))


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
