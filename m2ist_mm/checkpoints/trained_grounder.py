"""Starting a grounder from the weights of another that is trained."""

from pathlib import Path

import torch
from torch import Tensor, nn

from .converters import convert_transvg
from .identity import is_identity, tower_identity
from .state_checks import find_misfits
from .state_file import state_in
from .torch_file import read_torch_file
from .tuned_state import frozen_state_keys

# parts of a grounder in the words of the log, by the beginning of their names
_PARTS = {
    'neck.': 'side networks',
    'bbox_head.encoder.': 'V-L encoder',
    'bbox_head.': 'head',
    'backbone.tuner.': 'tuner',
    'backbone.': 'towers',
}


def start_from_grounder(model: nn.Module, path: str | Path) -> str:
    """Take over what a trained grounder has in common with a model.

    Candidates are the weights that the model's own checkpoints hold: V-L encoder, side
    networks, head, and whatever of the towers is tuned or random. Pre-trained frozen
    towers stay those of the model. What the file lacks, or has in another shape, stays
    as it is initialised.

    Args:
        model: A ``SideTunedGrounder``, initialised.
        path: A checkpoint of this project, or one of TransVG's or of the paper's code
            in their own names.

    Returns:
        One line that says what is taken and what is new.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no checkpoint, is damaged, or has nothing that fits.
    """
    content = read_torch_file(path)
    state = {
        name.removeprefix('module.'): value
        for name, value in state_in(content, str(path)).items()
    }
    notes = _other_towers(model, content)
    if any(name.startswith(('vl_transformer.', 'visumodel.')) for name in state):
        state = convert_transvg(state)
        if getattr(model.neck, 'side_norm', 'tower') is None and any(
            name.startswith('neck.') for name in state
        ):
            state = {n: v for n, v in state.items() if not n.startswith('neck.')}
            notes.append(
                "its side networks are of the form M3ISA(side_norm='tower') and are "
                'left out'
            )
    frozen = frozen_state_keys(model)
    own = {n: v for n, v in model.state_dict().items() if n not in frozen}
    found = own.keys() & state.keys()
    misfits = find_misfits(own, state)
    unlike = {*misfits['of another shape'], *misfits['of another kind of number']}
    taken = {name: state[name] for name in own if name in found - unlike}
    if not taken:
        raise ValueError(
            f'{path} holds no weight that fits the model: of its {len(state)} tensors '
            f'{len(unlike)} have names of the model'
            + (f', of another shape ({_shapes(unlike, state, own)})' if unlike else '')
            + '; start from a checkpoint of a grounder'
        )
    model.load_state_dict(taken, strict=False)
    new = [n for n in own if n not in taken and not n.endswith('num_batches_tracked')]
    fresh = {name: own[name] for name in new}
    line = f'starts from {path}: taken {_summary(taken)}; new {_summary(fresh)}'
    if unlike:
        line += f', of these of another shape there: {_shapes(unlike, state, own)}'
    return '; '.join([line, *notes])


def _other_towers(model: nn.Module, content: dict) -> list[str]:
    """Say which towers of the checkpoint are others than the model's, if it says so."""
    meta = content.get('meta') if isinstance(content, dict) else None
    towers = meta.get('towers') if isinstance(meta, dict) else None
    wanted = towers if isinstance(towers, dict) else {}
    other = sorted(
        tower
        for tower, identity in tower_identity(model).items()
        if is_identity(wanted.get(tower))
        and wanted[tower]['sha256'] != identity['sha256']
    )
    return [f'it was trained on another {tower} tower' for tower in other]


def _summary(state: dict[str, Tensor]) -> str:
    """'12 weights, 3,456 numbers (side networks, head)'."""
    if not state:
        return 'nothing'
    parts = dict.fromkeys(
        next((part for start, part in _PARTS.items() if n.startswith(start)), 'rest')
        for n in state
    )
    numbers = sum(value.numel() for value in state.values())
    return f'{len(state)} weights, {numbers:,} numbers ({", ".join(parts)})'


def _shapes(names: set[str], state: dict[str, Tensor], own: dict[str, Tensor]) -> str:
    shown = [
        f'{name} {_shape(state[name])} for {_shape(own[name])}'
        for name in sorted(names)[:3]
    ]
    return ', '.join(shown) + (', …' if len(names) > 3 else '')


def _shape(value: Tensor) -> str:
    return f'{tuple(value.shape)} {value.dtype}'.removesuffix(f' {torch.float32}')
