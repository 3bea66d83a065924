"""Makes the plan and the config of a training."""

import os
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from time import process_time

import torch
from mmdet.registry import DATASETS, HOOKS, MODELS
from mmengine.config import Config
from mmengine.device import get_device
from torch import nn

from ..atomic_file import write_atomically
from ..checkpoints import load_checkpoint, start_from_grounder
from ..checkpoints.state_file import state_in
from ..checkpoints.tuned_state import fit_checkpoint, frozen_state_keys
from ..config import load_config_file, use_mixed_precision
from ..config_checks import check_options
from ..datasets import RECDataset
from ..datasets.transforms import fixed_views
from ..models import parameter_counts
from .data import DataSummary
from .fit_config import TOWERS, Settings, render_config
from .fit_options import FitOptions
from .judge import Run
from .judge.rows_file import load_rows
from .memory import format_bytes, free_memory, parse_bytes, runtime_memory
from .plan import Plan, Seconds, fit_cache_batch, fit_memory, time_parts
from .presets import Preset, find_preset


def find_grounder(preset: Preset, init: str | None) -> Path | None:
    """The checkpoint that a training starts from; ``None`` starts from scratch.

    Args:
        preset: The preset.
        init: See :class:`FitOptions`.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: Nothing is shipped with the preset.
    """
    if init == 'scratch' or (init is None and preset.grounder is None):
        return None
    if init in (None, 'shipped'):
        if preset.grounder is None:
            raise ValueError(
                '--init shipped: no trained grounder is shipped with this preset; take '
                '--init scratch, or a checkpoint of your own'
            )
        path = preset.grounder
    else:
        path = Path(init).expanduser()
    if not path.is_file():
        raise FileNotFoundError(
            f'--init {init or "shipped"}: there is no checkpoint {path}; --init '
            'scratch starts without one'
        )
    return path.resolve()


class Planner:
    """Makes plan and config of a training, and writes the config.

    Args:
        options: What is asked for.
        summary: What was read.
        path: Where the config goes; ``data/`` is beside it.
        device: ``'cuda'`` or ``'cpu'``; the GPU unless given, if there is one.

    Raises:
        FileNotFoundError: There is no such preset, or no such checkpoint to start from.
        ValueError: Nothing is shipped with the preset to start from, or it has no neck
            to compare with.
    """

    def __init__(
        self,
        options: FitOptions,
        summary: DataSummary,
        path: Path,
        device: str | None = None,
    ) -> None:
        self.options = options
        self.summary = summary
        self.path = path
        self.device = device or get_device().partition(':')[0]
        self.preset = find_preset(options.preset)
        self.grounder = find_grounder(self.preset, options.init)
        model = load_config_file(self.preset.config).model
        if options.compare and model.get('neck') is None:
            raise ValueError(
                f'--compare: the model of --preset {options.preset} has no neck to '
                'be without'
            )

    def make(self, runs: Sequence[Run]) -> Plan:
        """Make the plan, and write the config.

        Args:
            runs: All tests and trainings that the report needs.

        Raises:
            FileNotFoundError: Weights of a tower are missing.
            OSError: The disk has too little space.
            ValueError: Nothing fits the memory.
        """
        runtime, startup = runtime_memory(self.device), process_time()
        memory = self._memory(runtime)
        settings = self._first_settings()
        config = self._load(settings)
        model, start = self._build_model(config)
        train = self._dataset(config)
        settings = self._with_batch(settings, train)
        settings = replace(settings, cached=_cacheable(model, train))
        small = ', or take --preset small' * (self.options.preset != 'small')
        settings, need = fit_memory(
            settings, self._load, memory, runtime, self.device, small
        )
        train = self._dataset(self._load(settings))
        settings = self._with_batch(settings, train)
        if settings.cached:
            config = self._load(settings)
            settings = fit_cache_batch(settings, config, memory, runtime, self.device)
        config = self._load(settings)
        cache_bytes, disk = self._cache_bytes(config, model, train)
        expressions = count_expressions(train)
        micro = settings.micro_batch_size or settings.batch_size
        mean = max(1, round(expressions / len(train)))
        costs = time_parts(config, train, mean, micro, self.device)
        counts = parameter_counts(model)
        towers = config.model.backbone.vision, config.model.backbone.language
        return Plan(
            preset=self.options.preset,
            why=self.preset.why,
            towers=tuple(map(_tower_name, towers)),
            start=start,
            start_is_whole=self._start_is_whole(model),
            device=self.device,
            trained=counts['trained_params'],
            parameters=counts['total_params'],
            memory=memory,
            need=need,
            batch_size=settings.batch_size,
            expressions=settings.batch_size * expressions / len(train),
            wanted=self.preset.expressions,
            micro_batch_size=micro,
            max_expressions=settings.max_expressions,
            mixed_precision=settings.amp is not None,
            lowmem=settings.lowmem,
            cache_bytes=cache_bytes,
            disk=disk,
            images=count_images(self.summary.rows('train')),
            epochs=settings.epochs,
            steps=settings.steps_per_epoch,
            seconds=self._seconds(settings, costs, startup, runs),
        )

    def recipe(
        self, rows: list[dict], samples: int, most: int | None = None
    ) -> dict[str, int]:
        """Epochs, batch size and steps of an epoch for some training rows.

        Args:
            rows: The rows.
            samples: Samples that they are grouped to.
            most: Largest batch size, where the memory was planned for it.
        """
        batch_size = self.preset.batch_for(samples, len(rows))
        if most is not None:
            batch_size = min(batch_size, most)
        return dict(
            epochs=self.options.epochs
            or self.preset.epochs_for(count_images(rows), self.grounder is not None),
            batch_size=batch_size,
            steps_per_epoch=-(-samples // batch_size),
        )

    def _memory(self, runtime: int) -> int:
        """Bytes that the training may use."""
        if self.options.memory is not None:
            return parse_bytes(self.options.memory)
        free = free_memory(self.device)
        # what this process has by now is the training's to use
        return free + runtime if self.device == 'cpu' else free

    def _first_settings(self) -> Settings:
        """What is wanted, before it is known what fits."""
        base = load_config_file(self.preset.config)
        check_options(base, self.options.cfg_options)
        rows = self.summary.rows('train')
        most = max(Counter(row['image'] for row in rows).values())
        dataset = base.train_dataloader.dataset
        amp = self.options.amp
        if amp is None:
            amp = self.device == 'cuda' or _cpu_has_bfloat16()
        cores = os.cpu_count() or 1
        return Settings(
            base=str(self.preset.config),
            image_root=self.summary.image_root,
            max_expressions=min(most, dataset.get('max_expressions_per_sample', 1)),
            batch_size=1,
            epochs=1,
            steps_per_epoch=1,
            seed=self.options.seed,
            deterministic=self.device == 'cuda',
            num_workers=min(4, max(1, cores // 2)),
            init_grounder=self.grounder and str(self.grounder),
            amp=_mixed_precision() if amp else None,
            options=self.options.cfg_options,
        )

    def _with_batch(self, settings: Settings, train: RECDataset) -> Settings:
        """Fit epochs and batch size to a dataset."""
        rows = self.summary.rows('train')
        settings = replace(settings, **self.recipe(rows, len(train)))
        if (settings.micro_batch_size or 0) >= settings.batch_size:
            return replace(settings, micro_batch_size=None)
        return settings

    def _load(self, settings: Settings) -> Config:
        write_atomically(self.path, render_config(settings).encode())
        return load_config_file(self.path)

    def _build_model(self, config: Config) -> tuple[nn.Module, str]:
        """Build the model with its weights, and say what it starts from."""
        model = MODELS.build({**config.model, 'init_grounder': None})
        model.init_weights()
        if self.grounder is None:
            return model, 'from scratch'
        line = start_from_grounder(model, self.grounder)
        return model, line.removeprefix('starts ')

    def _start_is_whole(self, model: nn.Module) -> bool:
        if self.grounder is None:
            return False
        try:
            checkpoint = load_checkpoint(self.grounder)
            names = state_in(checkpoint, str(self.grounder)).keys()
            fit_checkpoint(model, checkpoint)
        except ValueError:  # of another model, or in the form of others
            return False
        return names >= model.state_dict().keys() - frozen_state_keys(model)

    def _dataset(self, config: Config) -> RECDataset:
        dataset = DATASETS.build(config.train_dataloader.dataset)
        dataset.full_init()
        return dataset

    def _cache_bytes(
        self, config: Config, model: nn.Module, train: RECDataset
    ) -> tuple[dict[str, int], int]:
        """Bytes of the cached features, and of the disk that is free.

        Raises:
            OSError: The disk has too little space.
        """
        free = shutil.disk_usage(self.path.parent).free
        hook = config.default_hooks.get('feature_cache')
        if hook is None:
            return {}, free
        sizes = HOOKS.build(hook).num_bytes(model, train)
        if sum(sizes.values()) > free:
            raise OSError(
                f'{self.path.parent}: the cached features need '
                f'{format_bytes(sum(sizes.values()))} and the disk has '
                f'{format_bytes(free)} left: name a folder of another by --work-dir'
            )
        return sizes, free

    def _seconds(
        self, settings: Settings, costs: Seconds, startup: float, runs: Sequence[Run]
    ) -> dict[str, float]:
        """Seconds of everything, see :class:`Plan`."""
        train, val = (self.summary.rows(split) for split in ('train', 'val'))
        samples = settings.batch_size * settings.steps_per_epoch
        micro = settings.micro_batch_size or settings.batch_size
        computing = costs.step * samples / micro
        loading = costs.loading * samples
        if self.device == 'cuda':  # while it computes, the CPU loads
            own = max(computing, loading / settings.num_workers)
        else:
            own = computing + loading
        once = costs.predicting + costs.loading  # an image, from file to box
        validation = once * count_images(val)
        encoding = once * count_images(train) if settings.cached else 0.0
        epoch = own + validation
        training = startup + encoding + settings.epochs * epoch
        # the best epoch and its mean with the start are compared on val
        judging = 0.0 if self.grounder is None else 2 * (startup + validation)
        for run in runs:
            judging += startup + once * count_images(load_rows(run.test))
            if run.train is not None:
                rows = load_rows(run.train)
                recipe = self.recipe(
                    rows, len(rows) * samples // len(train), settings.batch_size
                )
                steps = recipe['epochs'] * recipe['steps_per_epoch']
                share = recipe['batch_size'] / settings.batch_size
                judging += startup + steps * share * own / settings.steps_per_epoch
                judging += recipe['epochs'] * validation
        return dict(
            step=own / settings.steps_per_epoch,
            epoch=epoch,
            encoding=encoding,
            training=training,
            judging=judging,
            total=training + judging,
        )


def count_images(rows: Sequence[dict]) -> int:
    """Number of images of rows."""
    return len({row['image'] for row in rows})


def count_expressions(dataset: RECDataset) -> int:
    """Number of expressions of a dataset."""
    infos = map(dataset.get_data_info, range(len(dataset)))
    return sum(len(info['text']) for info in infos)


def _cacheable(model: nn.Module, train: RECDataset) -> tuple[str, ...]:
    """Towers whose features can be cached: frozen, and of views that are fixed."""
    frozen = [name for name in TOWERS if not model.backbone.towers[name].builds_graph]
    try:
        fixed_views(train.pipeline.transforms)
    except ValueError:
        frozen = [name for name in frozen if name != 'vision']
    return tuple(frozen)


def _mixed_precision() -> dict:
    """Settings of the optimiser's wrapper for 16 bits."""
    config = Config(dict(optim_wrapper=dict()))
    use_mixed_precision(config)
    return dict(config.optim_wrapper)


def _cpu_has_bfloat16() -> bool:
    """Whether the CPU multiplies in bfloat16, so that 16 bits are faster."""
    find = getattr(torch.cpu, 'get_capabilities', dict)  # older PyTorch has none
    found = find()
    return any(found.get(name) for name in ('avx512_bf16', 'amx_bf16'))


def _tower_name(tower: dict) -> str:
    """What a tower is called: its weights, without the way to them."""
    weights = str(tower.get('weights'))
    if weights.startswith('package:'):
        return weights.removeprefix('package:').partition('/')[0]
    return weights.rpartition('/')[2]
