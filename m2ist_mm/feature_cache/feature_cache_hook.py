"""Attaches caches to towers and fills them before the training."""

from collections.abc import Iterator, Sequence

import torch
from mmdet.registry import HOOKS
from mmengine.dataset import pseudo_collate
from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.runner import Runner
from torch import Tensor, nn
from torch.utils.data import Dataset

from ..checkpoints.tuned_state import unwrap
from ..datasets.transforms import RECRandomFlip, fixed_views, swap_left_right
from ..engine.hooks.epoch_seed_hook import leaf_datasets
from ..models.towers import Tower
from ..seeding import seeded_generators
from .feature_cache import FeatureCache, check_settings


@HOOKS.register_module()
class FeatureCacheHook(Hook):
    """Attaches a :class:`FeatureCache` to frozen towers and fills it for a training.

    A config enables it by ::

        custom_imports = dict(imports=['m2ist_mm', 'm2ist_mm.feature_cache'])
        default_hooks = dict(
            feature_cache=dict(
                type='FeatureCacheHook',
                language=dict(max_entries=20000, dtype='float16'),  # in memory
                vision=dict(folder='caches'),  # on disk
            )
        )

    It encodes all distinct expressions of the training set and, if its pipeline flips,
    their mirrored forms; of images the one or two views (plain and flipped) of a
    pipeline without other random steps. Size and time are logged; features already on
    disk are not encoded again. Under DDP the ranks share the work for caches in memory;
    for those on disk one rank works and the others wait. A cache in memory that is too
    small for all inputs is filled during the training. Validation during the training
    uses the caches too.

    After the training the caches are detached and their memory is freed: a trained
    model is the same whether it was trained with caches or without.

    Args:
        language: Arguments of the language tower's :class:`FeatureCache`; ``None`` is
            no cache.
        vision: The same for the vision tower.
        batch_size: Number of images or expressions per batch of encoding.

    Raises:
        ValueError: An argument makes no sense, or no tower is named.
    """

    def __init__(
        self,
        language: dict | None = None,
        vision: dict | None = None,
        batch_size: int = 32,
    ) -> None:
        self.settings = {
            name: settings
            for name, settings in (('language', language), ('vision', vision))
            if settings is not None
        }
        if not self.settings:
            raise ValueError(
                'FeatureCacheHook caches nothing: state language=dict(...) or '
                'vision=dict(...), or leave it out'
            )
        for name, settings in self.settings.items():
            if not isinstance(settings, dict):
                raise ValueError(
                    f'FeatureCacheHook: {name}={settings!r} must be a dict, for '
                    f"instance {name}=dict(folder='caches')"
                )
            known = 'max_entries', 'dtype', 'folder'
            if unknown := sorted(settings.keys() - set(known)):
                raise ValueError(
                    f'FeatureCacheHook: {name} has {", ".join(unknown)}; a cache is '
                    f'given {", ".join(known)}'
                )
            check_settings(**settings)
        if type(batch_size) is not int or batch_size < 1:
            raise ValueError(
                f'FeatureCacheHook: batch_size must be at least 1, got {batch_size!r}'
            )
        self.batch_size = batch_size
        self.caches: dict[str, FeatureCache] = {}

    def attach(self, model: nn.Module, **changes) -> None:
        """Attach empty caches to the towers of a model.

        Args:
            model: The model, without wrapper.
            changes: Arguments of the caches that replace the config's.

        Raises:
            ValueError: A tower is missing, or cannot be cached because it, or a module
                inside it, is tuned.
        """
        towers = {m.modality: m for m in model.modules() if isinstance(m, Tower)}
        for name in self.settings:
            if name not in towers:
                raise ValueError(
                    f'FeatureCacheHook: the model has no {name} tower, only '
                    f'{sorted(towers)}; take {name} out of default_hooks.feature_cache'
                )
            if towers[name].builds_graph:
                raise ValueError(
                    f'FeatureCacheHook: the {name} tower is tuned (freeze=False or a '
                    'tuner), so that its features change with every step; take '
                    f'{name} out of default_hooks.feature_cache'
                )
        for name, settings in self.settings.items():
            cache = FeatureCache(towers[name], **settings | changes)
            self.caches[name] = towers[name].cache = cache

    def detach(self) -> None:
        """Detach the caches."""
        for cache in self.caches.values():
            cache.tower.cache = None
            cache.clear()
        self.caches = {}

    def before_train(self, runner: Runner) -> None:
        """Attach the caches and fill them."""
        model = unwrap(runner.model)
        self.attach(model)
        inputs = self.inputs(model, runner.train_dataloader.dataset)
        for name, batches in inputs.items():
            cache, count = self.caches[name], batches.num_inputs
            if cache.folder is None and cache.max_entries < count:
                print_log(
                    f'Feature cache of {batches.name} in memory: max_entries is '
                    f'{cache.max_entries} and the training has {count}; it fills as '
                    'the training goes',
                    logger='current',
                )
                continue
            tokens = batches.num_tokens(cache.tower)
            cache.build(batches, count, tokens, batches.name)

    def inputs(self, model: nn.Module, dataset: Dataset) -> dict[str, Sequence]:
        """What the caches keep of a training dataset, in batches, by tower.

        Args:
            model: The model, without wrapper.
            dataset: The dataset, which may be wrapped.

        Raises:
            ValueError: The vision tower is to be cached, and the pipeline makes random
                views of images.
        """
        datasets = list(leaf_datasets(dataset))
        kinds = dict(language=_TextBatches, vision=_ViewBatches)
        return {
            name: kind(model.data_preprocessor, datasets, self.batch_size)
            for name, kind in kinds.items()
            if name in self.settings
        }

    def num_bytes(self, model: nn.Module, dataset: Dataset) -> dict[str, int]:
        """Bytes that a training's caches will have, by tower; see :meth:`inputs`."""
        self.attach(model)
        sizes = {}
        for name, batches in self.inputs(model, dataset).items():
            tokens = batches.num_tokens(self.caches[name].tower)
            sizes[name] = self.caches[name].num_bytes(
                batches, batches.num_inputs, tokens
            )
        self.detach()
        return sizes

    def after_train(self, runner: Runner) -> None:
        """Detach the caches."""
        self.detach()


class _TextBatches(Sequence):
    """Batches of expressions as the language tower takes them."""

    name = 'expressions'

    def __init__(self, preprocessor, datasets: list, batch_size: int) -> None:
        self.preprocessor = preprocessor
        self.batch_size = batch_size
        encoded = preprocessor.tokenizer(
            _expressions(datasets),
            truncation=True,
            max_length=preprocessor.input_spec.max_tokens,
        )
        # those of one length together: no padding is encoded
        self.ids = sorted(encoded['input_ids'], key=len)
        self.num_inputs = len(self.ids)

    def num_tokens(self, tower: Tower) -> int:
        return sum(map(len, self.ids))

    def __len__(self) -> int:
        return -(-len(self.ids) // self.batch_size)

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor]:
        start, device = number * self.batch_size, self.preprocessor.device
        ids = self.ids[start : start + self.batch_size]
        padded = self.preprocessor.tokenizer.pad(
            dict(input_ids=ids), return_tensors='pt'
        )
        return padded['input_ids'].to(device), padded['attention_mask'].to(device)


class _ViewBatches(Sequence):
    """Batches of images, each in all its views, as the vision tower takes them."""

    name = 'images'

    def __init__(self, preprocessor, datasets: list, batch_size: int) -> None:
        self.preprocessor = preprocessor
        self.batch_size = batch_size
        self.samples = []
        for dataset in datasets:
            pipelines, seen = _views(dataset), set()
            for index in range(len(dataset)):
                path = dataset.get_data_info(index)['img_path']
                if path not in seen:
                    seen.add(path)
                    self.samples += [(dataset, index, view) for view in pipelines]
        self.num_inputs = len(self.samples)

    def num_tokens(self, tower: Tower) -> int:
        return self.num_inputs * tower.grid[0] * tower.grid[1]

    def __len__(self) -> int:
        return -(-self.num_inputs // self.batch_size)

    @torch.no_grad()
    def __getitem__(self, number: int) -> tuple[Tensor, Tensor]:
        start = number * self.batch_size
        part = self.samples[start : start + self.batch_size]
        # steps draw numbers even where these decide nothing
        with seeded_generators(0):
            packed = [
                view(dataset.get_data_info(index)) for dataset, index, view in part
            ]
        batch = self.preprocessor(pseudo_collate(packed))['inputs']
        return batch['images'], batch['padding_mask']


def _views(dataset) -> list:
    try:
        return fixed_views(dataset.pipeline.transforms)
    except ValueError as error:
        raise ValueError(
            f'FeatureCacheHook keeps fixed views of images, and {error}. Take it out '
            "(with PadToCanvas: position='center'), or take vision out of "
            'default_hooks.feature_cache'
        ) from error


def _expressions(datasets: list) -> list[str]:
    """Distinct expressions in all forms that the pipeline may produce, sorted."""
    texts = set()
    for dataset in datasets:
        own = {
            text
            for index in range(len(dataset))
            for text in dataset.get_data_info(index)['text']
        }
        texts |= own
        if any(isinstance(s, RECRandomFlip) for s in _steps(dataset.pipeline)):
            texts |= {swap_left_right(text) for text in own}
    return sorted(texts)


def _steps(pipeline) -> Iterator:
    """All transforms of a pipeline, those inside wrappers too."""
    for step in getattr(pipeline, 'transforms', ()):
        yield step
        yield from _steps(step)
