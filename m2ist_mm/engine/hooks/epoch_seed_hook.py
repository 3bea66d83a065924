"""Seeds each iteration, so that a resumed training draws the same numbers."""

from collections.abc import Iterator

from mmdet.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.runner import EpochBasedTrainLoop, Runner

from ...seeding import seed_generators


@HOOKS.register_module()
class EpochSeedHook(Hook):
    """Seeds every iteration and tells the dataset its epoch.

    Before each iteration the generators of Python, numpy and torch are seeded from
    (seed, iteration, rank): what dropout draws does not depend on earlier draws. Before
    each epoch ``set_epoch(epoch)`` is called on the datasets that have it
    (``RECDataset`` seeds each sample from its seed, the epoch and the index). Together,
    a training that was killed and resumed ends with the same weights as one that was
    not, bit-identical where the arithmetic itself is deterministic (on a CPU; on a GPU
    with ``randomness.deterministic=True``).

    In iteration-based training an epoch is one pass over the data; samples that workers
    fetch in advance around the end of a pass may still be drawn with the number of the
    pass before, so that there the augmentation of these few, unlike their order, can
    differ after a resume if ``num_workers`` is not 0.
    """

    # after all other hooks: what they draw must not matter
    priority = 'LOWEST'

    def before_train(self, runner: Runner) -> None:
        """Give the sampler the seed of the training that is resumed."""
        sampler = runner.train_dataloader.batch_sampler.sampler
        if hasattr(sampler, 'seed') and not runner._randomness_cfg.get(
            'diff_rank_seed', False
        ):
            sampler.seed = runner.seed

    def before_train_epoch(self, runner: Runner) -> None:
        """Set the datasets' epoch, before the workers start on it."""
        seed_generators(runner.seed, runner.iter, runner.rank)
        self._epoch = None
        self._set_epoch(runner)

    def before_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None
    ) -> None:
        """Seed the iteration; in iteration-based training, count the passes."""
        seed_generators(runner.seed, runner.iter, runner.rank)
        if not isinstance(runner.train_loop, EpochBasedTrainLoop):
            self._set_epoch(runner)

    def _set_epoch(self, runner: Runner) -> None:
        loader = runner.train_dataloader
        if isinstance(runner.train_loop, EpochBasedTrainLoop):
            epoch = runner.epoch
        else:
            batch_size = getattr(loader.batch_sampler, 'batch_size', 1)
            samples = runner.iter * batch_size * runner.world_size
            epoch = samples // len(loader.dataset)
        if epoch != self._epoch:
            self._epoch = epoch
            set_epoch(loader.dataset, epoch)


def set_epoch(dataset, epoch: int) -> None:
    """Call ``set_epoch`` of a dataset, or of those that it wraps."""
    if hasattr(dataset, 'set_epoch'):
        dataset.set_epoch(epoch)
        return
    for inner in _wrapped(dataset):
        set_epoch(inner, epoch)


def leaf_datasets(dataset) -> Iterator:
    """The datasets in wrappers such as ``ConcatDataset``, or the dataset itself."""
    inner = _wrapped(dataset)
    if not inner:
        yield dataset
    for part in inner:
        yield from leaf_datasets(part)


def _wrapped(dataset) -> list:
    """The datasets directly in a wrapper; else none."""
    inner = getattr(dataset, 'datasets', [getattr(dataset, 'dataset', None)])
    return [part for part in inner if part is not None]
