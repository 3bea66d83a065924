"""The config that ``tools/fit.py`` writes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_HEAD = """\
# Written by tools/fit.py. tools/train.py and tools/test.py run it as any other config.
"""
# what MMEngine puts in place of it is the folder of the config file
HERE = '{{fileDirname}}'
TOWERS = ('language', 'vision')
WIDTH = 88


@dataclass(frozen=True)
class Settings:
    """What is decided about a training on data of one's own.

    Attributes:
        base: Config that is inherited: model, pipelines, optimiser, hooks.
        image_root: Folder of the images.
        max_expressions: Most expressions of a sample.
        batch_size: Samples of a step of the optimiser.
        micro_batch_size: Samples that go through the model together; ``None`` if all
            of the batch do.
        epochs: Number of epochs.
        steps_per_epoch: Number of steps of an epoch; the learning rate rises during the
            first tenth of all steps, a hundred at most.
        seed: Of weights, order and dropout.
        deterministic: Whether a GPU computes the same each time.
        num_workers: Processes of each data loader.
        init_grounder: Checkpoint of a trained grounder to start from, or ``None``.
        amp: Class of the optimiser's wrapper of mixed precision with its arguments, or
            ``None``.
        lowmem: Whether the V-L encoder is computed again in backward, and the vision
            tower runs image by image.
        cached: Towers whose features are cached, as ``FeatureCacheHook`` names them.
        cache_batch_size: Inputs that are encoded together for the caches.
        options: Values by dotted keys, which come last.
    """

    base: str
    image_root: str
    max_expressions: int
    batch_size: int
    epochs: int
    steps_per_epoch: int
    micro_batch_size: int | None = None
    seed: int = 0
    deterministic: bool = False
    num_workers: int = 1
    init_grounder: str | None = None
    amp: dict | None = None
    lowmem: bool = False
    cached: tuple[str, ...] = ()
    cache_batch_size: int = 32
    options: Mapping[str, Any] = field(default_factory=dict)


class _Code(str):
    """Source text in place of a value."""

    __repr__ = str.__str__


def render_config(settings: Settings) -> str:
    """Write the config as Python source.

    It lies in the work dir: data are in ``data/``, caches in ``caches/`` beside it.

    Raises:
        ValueError: An option names an entry that a list does not have.
    """
    tree = _tree(settings)
    _apply(settings.options, tree)
    return _render(tree)


def _apply(options: Mapping[str, Any], tree: dict) -> None:
    """Set the values of the options; see :func:`render_config`."""
    for key, value in options.items():
        try:
            _set(tree, key.split('.'), value)
        except (IndexError, ValueError):
            raise ValueError(
                f'--cfg-options {key}: a list has no such entry; entries are counted '
                'from 0'
            ) from None


@dataclass(frozen=True)
class RunSettings:
    """How another training or test differs from the one of the config beside ``data/``.

    Attributes:
        base: The config, as a path relative to the folder of the new one.
        test: Rows that are predicted, as ``RECFileDataset`` reads them: file, relative
            to that folder, with ``{split}`` in place of the split, and split.
        train: Rows to train on, in the same form, or ``None`` for a test alone.
        epochs: Number of epochs of the training.
        batch_size: Its batch size.
        steps_per_epoch: Its steps of an epoch.
        validated: Whether it is validated, and the best epoch chosen.
        neck: Whether the model has its neck; without, the towers are frozen and nothing
            is added to their outputs.
        options: As in :class:`Settings`; those of the schedule are set here again.
    """

    base: str
    test: tuple[str, str]
    train: tuple[str, str] | None = None
    epochs: int = 0
    batch_size: int = 0
    steps_per_epoch: int = 0
    validated: bool = True
    neck: bool = True
    options: Mapping[str, Any] = field(default_factory=dict)


def render_run(settings: RunSettings) -> str:
    """Write the config of another training or test as Python source."""
    tree: dict[str, Any] = dict(_base_=settings.base)
    tree['test_dataloader'] = dict(dataset=_rows(settings.test))
    if not settings.neck:
        tree['model'] = dict(neck=None)
    if settings.train is not None:
        tree['train_dataloader'] = dict(
            batch_size=settings.batch_size, dataset=_rows(settings.train)
        )
        tree['max_epochs'] = settings.epochs
        tree['train_cfg'] = dict(max_epochs=settings.epochs)
        tree['param_scheduler'] = _schedule(settings.epochs, settings.steps_per_epoch)
        of_schedule = {
            key: value
            for key, value in settings.options.items()
            if key.partition('.')[0] == 'param_scheduler'
        }
        _apply(of_schedule, tree)
        if not settings.validated:
            tree.update(val_dataloader=None, val_cfg=None, val_evaluator=None)
            tree['default_hooks'] = dict(checkpoint=dict(save_best=None))
    return _render(tree)


def _rows(rows: tuple[str, str]) -> dict:
    path, split = rows
    return dict(ann_file=f'{HERE}/{path}', split=split)


def _render(tree: dict[str, Any]) -> str:
    lines = [
        f'{name} = {_source(value, taken=len(name) + 3)}\n'
        for name, value in tree.items()
    ]
    return _HEAD + ''.join(lines)


def _schedule(epochs: int, steps_per_epoch: int) -> list[dict]:
    """A short rise to the learning rate, and a cosine down to a hundredth of it."""
    warmup = min(100, max(1, epochs * steps_per_epoch // 10))
    return [
        dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=warmup),
        dict(
            type='CosineAnnealingLR',
            T_max=epochs,
            eta_min_ratio=0.01,
            by_epoch=True,
            convert_to_iter_based=True,
        ),
    ]


def _tree(settings: Settings) -> dict[str, Any]:
    model: dict[str, Any] = dict(init_grounder=settings.init_grounder)
    if settings.lowmem:
        model['backbone'] = dict(vision=dict(chunk=1))
        model['bbox_head'] = dict(recompute=True)
    train_cfg: dict[str, Any] = dict(max_epochs=settings.epochs, val_interval=1)
    if settings.micro_batch_size is not None:
        train_cfg['type'] = 'MicroBatchTrainLoop'
        train_cfg['micro_batch_size'] = settings.micro_batch_size
    hooks: dict[str, Any] = dict(logger=dict(interval=10), checkpoint=dict(interval=1))
    imports = ['m2ist_mm']
    if settings.cached:
        imports.append('m2ist_mm.feature_cache')
        cache = dict(folder=f'{HERE}/caches', dtype='float16', max_entries=0)
        hooks['feature_cache'] = dict(
            type='FeatureCacheHook',
            batch_size=settings.cache_batch_size,
            **{name: cache if name in settings.cached else None for name in TOWERS},
        )
    tree = dict(
        _base_=settings.base,
        custom_imports=dict(imports=imports),
        model=model,
        train_dataloader=_loader('train', settings),
        val_dataloader=_loader('val', settings),
        test_dataloader=_loader('test', settings),
        max_epochs=settings.epochs,
        train_cfg=train_cfg,
        param_scheduler=_schedule(settings.epochs, settings.steps_per_epoch),
        randomness=dict(seed=settings.seed, deterministic=settings.deterministic),
        default_hooks=hooks,
    )
    if settings.amp is not None:
        tree['optim_wrapper'] = settings.amp
    return tree


def _loader(split: str, settings: Settings) -> dict:
    pipeline = 'train_pipeline' if split == 'train' else 'test_pipeline'
    return dict(
        batch_size=settings.batch_size,
        num_workers=settings.num_workers,
        persistent_workers=settings.num_workers > 0,
        dataset=dict(
            _delete_=True,
            type='RECFileDataset',
            file_format='rows',
            ann_file=f'{HERE}/data/{{split}}.jsonl',
            data_prefix=dict(img=settings.image_root),
            box_unit='pixel',  # checked when the rows were written
            split=split,
            max_expressions_per_sample=settings.max_expressions,
            test_mode=split != 'train',
            pipeline=_Code(f'_base_.{pipeline}'),
        ),
    )


def _set(node: Any, path: list[str], value: Any) -> None:
    """Set a value in nested dicts and lists, making dicts that are missing."""
    *parents, last = path
    for part in parents:
        if isinstance(node, list):
            node = node[int(part)]
        else:
            if not isinstance(node.get(part), dict | list):
                node[part] = {}
            node = node[part]
    if isinstance(node, list):
        node[int(last)] = value
    else:
        node[last] = value


def _source(value: Any, indent: int = 0, taken: int = 0) -> str:
    """Source text of a value, in a line where it fits.

    Args:
        value: The value.
        indent: Blanks before its line.
        taken: Characters of its line that are taken already.
    """
    is_dict = isinstance(value, Mapping) and value
    named = is_dict and all(str(key).isidentifier() for key in value)
    if is_dict:
        start, end = ('dict(', ')') if named else ('{', '}')
        heads = [f'{key}=' if named else f'{key!r}: ' for key in value]
        entries = list(value.values())
    elif isinstance(value, list) and any(isinstance(one, Mapping) for one in value):
        start, end, heads, entries = '[', ']', [''] * len(value), value
    else:
        return repr(value)
    parts = zip(heads, entries, strict=True)
    line = start + ', '.join(h + _source(e, indent, -WIDTH) for h, e in parts) + end
    if '\n' not in line and indent + taken + len(line) <= WIDTH:
        return line
    inner = ' ' * (indent + 4)
    lines = [
        f'{inner}{head}{_source(entry, indent + 4, len(head) + 1)},\n'
        for head, entry in zip(heads, entries, strict=True)
    ]
    return f'{start}\n{"".join(lines)}{" " * indent}{end}'
