"""Encodes the training set before the training."""

from collections.abc import Callable, Iterable, Iterator

from mmcv.transforms import Compose
from mmdet.registry import HOOKS
from mmengine.dataset import pseudo_collate
from mmengine.hooks import Hook
from mmengine.runner import Runner

from ..checkpoints.tuned_state import unwrap
from ..datasets.transforms import RECRandomFlip, fixed_views, swap_left_right
from ..engine.hooks.epoch_seed_hook import wrapped_datasets
from ..models.backbones.side_tuning_backbone import text_keys


@HOOKS.register_module()
class FeatureCacheHook(Hook):
    """Fills the backbone's caches with all that the training will ask for.

    Of texts these are the distinct expressions of the training set and, if its
    pipeline flips, their mirrored forms; of images the one or two views (plain and
    flipped) that a pipeline without other random steps gives. Size and time are logged;
    what is on the disk already is not encoded again. Under DDP the ranks share the work
    for caches in memory; for those on disk one rank does it and the others wait. A
    cache in memory that is too small for all is left to fill as the training goes.

    Args:
        batch_size: Number of images or expressions that are encoded together.

    Raises:
        ValueError: Images are to be cached, and the pipeline has a random step.
        OSError: The disk has no room for them.
    """

    def __init__(self, batch_size: int = 32) -> None:
        self.batch_size = batch_size

    def before_train(self, runner: Runner) -> None:
        """Build the caches."""
        model = unwrap(runner.model)
        datasets = list(_leaves(runner.train_dataloader.dataset))
        for name, kind in (('language', _TextBatches), ('vision', _ViewBatches)):
            cache = getattr(getattr(model, 'backbone', None), f'{name}_cache', None)
            if cache is None:
                continue
            batches = kind(model, datasets, self.batch_size)
            if cache.folder is not None or cache.max_entries >= batches.num_inputs:
                device = model.data_preprocessor.device
                cache.build(batches, device, batches.num_tokens, kind.name)


class _TextBatches:
    """Batches of expressions as :meth:`FeatureCache.build` takes them."""

    name = 'expressions'

    def __init__(self, model, datasets: list, batch_size: int) -> None:
        tokenizer = model.data_preprocessor.tokenizer
        limit = model.data_preprocessor.max_tokens
        self.model = model
        self.batch_size = batch_size
        # those of one length together: no padding is encoded
        encoded = tokenizer(_expressions(datasets), truncation=True, max_length=limit)[
            'input_ids'
        ]
        self.ids = sorted(encoded, key=len)
        self.num_inputs = len(self.ids)
        self.num_tokens = sum(map(len, self.ids))

    def __len__(self) -> int:
        return -(-len(self.ids) // self.batch_size)

    def __getitem__(self, number: int) -> tuple[list[bytes], Callable]:
        preprocessor, start = self.model.data_preprocessor, number * self.batch_size
        part = self.ids[start : start + self.batch_size]
        padded = preprocessor.tokenizer.pad(dict(input_ids=part), return_tensors='pt')
        ids = padded['input_ids'].to(preprocessor.device)
        mask = padded['attention_mask'].to(ids.device)
        encode = self.model.backbone.encode_texts
        return text_keys(ids, mask), lambda rows: encode(ids[rows], mask[rows])


class _ViewBatches:
    """Batches of images, each in all its views."""

    name = 'images'

    def __init__(self, model, datasets: list, batch_size: int) -> None:
        self.model = model
        self.batch_size = batch_size
        self.samples = []
        for dataset in datasets:
            pipelines, seen = _fixed_pipelines(dataset.pipeline), set()
            for index in range(len(dataset)):
                path = dataset.get_data_info(index)['img_path']
                if path not in seen:
                    seen.add(path)
                    self.samples += [
                        (dataset, index, pipeline) for pipeline in pipelines
                    ]
        self.num_inputs = len(self.samples)
        self.num_tokens = self.num_inputs * model.bbox_head.num_vision_tokens

    def __len__(self) -> int:
        return -(-self.num_inputs // self.batch_size)

    def __getitem__(self, number: int) -> tuple[list[bytes], Callable]:
        start = number * self.batch_size
        packed = [
            pipeline(dataset.get_data_info(index))
            for dataset, index, pipeline in self.samples[
                start : start + self.batch_size
            ]
        ]
        batch = self.model.data_preprocessor(pseudo_collate(packed))['inputs']
        images, mask = batch['images'], batch['padding_mask']
        encode = self.model.backbone.encode_images
        return batch['image_keys'], lambda rows: encode(images[rows], mask[rows])


def _leaves(dataset) -> Iterator:
    """The datasets in a wrapper, or the dataset itself."""
    inner = wrapped_datasets(dataset)
    if not inner:
        yield dataset
    for part in inner:
        yield from _leaves(part)


def _steps(transforms: Iterable) -> Iterator:
    """All transforms of a pipeline, those inside wrappers too."""
    for step in transforms:
        yield step
        yield from _steps(getattr(step, 'transforms', ()))


def _expressions(datasets: list) -> list[str]:
    """Distinct expressions in all forms in which they can come, sorted."""
    texts = set()
    for dataset in datasets:
        own = {
            text
            for index in range(len(dataset))
            for text in dataset.get_data_info(index)['text']
        }
        texts |= own
        if _flips(dataset.pipeline):
            texts |= {swap_left_right(text) for text in own}
    return sorted(texts)


def _flips(pipeline: Compose) -> list[RECRandomFlip]:
    return [s for s in _steps(pipeline.transforms) if isinstance(s, RECRandomFlip)]


def _fixed_pipelines(pipeline: Compose) -> list[Compose]:
    """A pipeline for each view of an image."""
    try:
        return fixed_views(pipeline.transforms)
    except ValueError as error:
        raise ValueError(
            f'vision_cache keeps fixed views, and {error}. Take it out (with '
            "PadToCanvas: position='center'), or train with vision_cache=None"
        ) from error
