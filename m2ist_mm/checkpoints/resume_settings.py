"""Compares the settings that a checkpoint was made with with a config's.

MMEngine resumes with the checkpoint's optimiser and schedule and ignores the config's.
Here a difference is named, and the user says which value counts. Of model and data the
config's count; a difference is logged.
"""

import ast
import logging
from collections.abc import Sequence
from typing import Any

from mmengine.config import Config
from mmengine.logging import print_log

from .resumable_checkpoint import name_of

SETTINGS = ('optim_wrapper', 'param_scheduler', 'auto_scale_lr')
OTHERS = ('model', 'train_dataloader')
# keys of these that say where or how something is read, and not what it is
_MEANS = (
    'data_root ann_file weights init_grounder num_workers persistent_workers '
    'prefetch_factor pin_memory'
).split()
# where a value lies, such as ('optim_wrapper', 'optimizer', 'lr'); a key may have dots
Path = tuple[str, ...]
# keys that name a class: a checkpoint must not choose what is built
_CLASSES = ('type', 'constructor')


def read_settings(text: str, names: Sequence[str] = SETTINGS) -> dict[Path, Any]:
    """Read settings of a config's text, without running it.

    Args:
        text: A config as MMEngine dumps it, as in a checkpoint's ``meta['cfg']``.
        names: What is read of it.

    Returns:
        Values by their path; what is no plain value is its source text. Empty for an
        empty config.

    Raises:
        ValueError: It is no config's text.
    """
    if not isinstance(text, str):
        raise ValueError('it is no text')
    try:
        module = ast.parse(text if len(text) < 1 << 20 else '...')
        assigned = {
            target.id: _evaluate(statement.value)
            for statement in module.body
            if isinstance(statement, ast.Assign)
            for target in statement.targets
            if isinstance(target, ast.Name) and target.id in names
        }
    except (SyntaxError, RecursionError, MemoryError, ValueError) as error:
        raise ValueError(f'it is no config ({type(error).__name__})') from error
    if not assigned.get('auto_scale_lr', {}).get('enable'):
        assigned.pop('auto_scale_lr', None)
    return _flatten(assigned)


def changed_settings(
    checkpoint: dict, config: Config, names: Sequence[str] = SETTINGS
) -> dict[Path, tuple[Any, Any]]:
    """Settings that differ between a checkpoint's config and a config.

    Args:
        checkpoint: A loaded checkpoint; one without ``meta.cfg`` has no settings to
            compare.
        config: The present config.
        names: What is compared of them.

    Returns:
        The checkpoint's and the config's value by path; ``'nothing'`` where there is
        none.

    Raises:
        ValueError: The checkpoint's config cannot be read.
    """
    text = checkpoint['meta'].get('cfg')
    if not text or not config:
        return {}
    try:
        old = read_settings(text, names)
    except ValueError as error:
        raise ValueError(
            f"{name_of(checkpoint)}: its 'meta.cfg' cannot be read: {error}"
        ) from error
    new = read_settings(config.pretty_text, names)
    return {
        path: (old.get(path, 'nothing'), new.get(path, 'nothing'))
        for path in sorted(old.keys() | new.keys())
        if _plain(old.get(path, 'nothing')) != _plain(new.get(path, 'nothing'))
    }


def refuse_changed_settings(
    checkpoint: dict, config: Config, optimizer_alone: bool = False
) -> None:
    """Refuse a resume whose settings are not those of the checkpoint.

    Args:
        checkpoint: A loaded checkpoint.
        config: The present config.
        optimizer_alone: Refuse another type of optimiser alone, whose state could not
            be taken over.

    Raises:
        ValueError: Some differ; all are named.
    """
    source = name_of(checkpoint)
    changed = changed_settings(checkpoint, config)
    if ('optim_wrapper', 'optimizer', 'type') in changed:
        old, new = changed['optim_wrapper', 'optimizer', 'type']
        raise ValueError(
            f'{source} has the state of an optimiser {old}, the config has {new}: no '
            'resume can change it; start a new training with --cfg-options '
            f'load_from={source}'
        )
    if changed and not optimizer_alone:
        raise ValueError(
            f'{source} was made with other settings: {_listed(changed)}. Say which '
            'count: --resume-settings checkpoint or --resume-settings config'
        )


def warn_of_other_changes(checkpoint: dict, config: Config) -> None:
    """Log what a resumed training does with other model settings or data than before.

    Args:
        checkpoint: A loaded checkpoint.
        config: The present config, whose values count.
    """
    changed = {
        path: values
        for path, values in changed_settings(checkpoint, config, OTHERS).items()
        if path[-1] not in _MEANS
    }
    if changed:
        print_log(
            f'{name_of(checkpoint)} was made with other settings, and from here on the '
            f"config's count: {_listed(changed)}",
            logger='current',
            level=logging.WARNING,
        )


def _listed(changed: dict[Path, tuple[Any, Any]]) -> str:
    return '; '.join(
        f'{".".join(path)} is {old!r} in the checkpoint and {new!r} in the config'
        for path, (old, new) in changed.items()
    )


def take_settings(checkpoint: dict, config: Config) -> dict[Path, tuple[Any, Any]]:
    """Put a checkpoint's settings of optimiser and schedule into a config.

    Numbers alone are taken over, as the file may come from anyone.

    Args:
        checkpoint: A loaded checkpoint.
        config: The present config; changed in place.

    Returns:
        What was changed, as :func:`changed_settings`.

    Raises:
        ValueError: A setting differs that is no number or list of numbers.
    """
    source = name_of(checkpoint)
    changed = changed_settings(checkpoint, config)
    for path, (old, new) in changed.items():
        if path[-1] in _CLASSES or not (old == 'nothing' or _is_number(old)):
            raise ValueError(
                f'{source} was made with {".".join(path)}={old!r}, the config has '
                f'{new!r}: numbers alone are taken over from a checkpoint, change this '
                'in the config'
            )
    for (*parents, last), (old, _) in changed.items():
        node = config
        for part in parents:
            if isinstance(node, list):
                node = node[int(part)]
                continue
            if part not in node:
                node[part] = {}
            node = node[part]
        if old == 'nothing':
            del node[last]
        else:
            node[last] = old
    return changed


def _evaluate(node: ast.expr) -> Any:
    if isinstance(node, ast.Call) and ast.unparse(node.func) == 'dict':
        # MMEngine writes dict(a=1), and dict({'a.b': 1}) for keys that are no names
        parts = [_evaluate(part) for part in node.args]
        if all(isinstance(part, dict) for part in parts):
            words = {str(word.arg): _evaluate(word.value) for word in node.keywords}
            return {
                key: value for part in (*parts, words) for key, value in part.items()
            }
    if isinstance(node, ast.Dict) and all(node.keys):
        keys = [_evaluate(key) for key in node.keys]
        return dict(zip(map(str, keys), map(_evaluate, node.values), strict=True))
    if isinstance(node, ast.List):
        return [_evaluate(entry) for entry in node.elts]
    if isinstance(node, ast.Tuple):
        return tuple(_evaluate(entry) for entry in node.elts)
    try:
        return ast.literal_eval(node)
    except ValueError:
        return ast.unparse(node)


def _flatten(node: Any, path: Path = ()) -> dict[Path, Any]:
    if isinstance(node, dict):
        entries = node.items()
    elif isinstance(node, list) and any(isinstance(entry, dict) for entry in node):
        entries = enumerate(node)
    else:
        return {path: node}
    return {
        inner: value
        for name, child in entries
        for inner, value in _flatten(child, (*path, str(name))).items()
    }


def _plain(value: Any) -> Any:
    return list(map(_plain, value)) if isinstance(value, (list, tuple)) else value


def _is_number(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return all(map(_is_number, value))
    return value is None or isinstance(value, (bool, int, float))
