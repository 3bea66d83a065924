"""Warns of test images that the vision tower was trained on."""

import re

from mmdet.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch.utils.data import Dataset

from ...checkpoints.tuned_state import unwrap
from .epoch_seed_hook import leaf_datasets

# model zoos, the hub, and the files' names, wherever they lie
_STOCK = re.compile(
    r'openmmlab\.com/mmdetection/.*coco|fbaipublicfiles\.com/detr/'
    r'|facebook[/-]+detr-|(^|/)detr-r(50|101)(-\w+)?-[0-9a-f]{8}\.pth$'
    r'|(^|/)yolox_(nano|tiny|s|m|l|x)\b|(^|/)yolox_nano_'
    r'|_coco(_[\d_]+-[0-9a-f]{8})?\.pth$'
)
# RefCOCO, RefCOCO+ and RefCOCOg in REFER's, MDETR's and TransVG's files
_REFCOCO = re.compile(r'refcoco|(^|/)(unc|gref)')


@HOOKS.register_module()
class COCOLeakHook(Hook):
    """Warns where stock COCO weights are tested on RefCOCO, RefCOCO+ or RefCOCOg.

    Their val and test images are from COCO's train2014, on which detectors of model
    zoos were trained, so that results are too good.
    """

    def __init__(self) -> None:
        self._looked = False

    def before_val(self, runner: Runner) -> None:
        """Look at the datasets of the first validation."""
        if not self._looked:
            self._warn(runner, runner.val_dataloader.dataset)
        self._looked = True

    def before_test(self, runner: Runner) -> None:
        """Look at the datasets of the test."""
        self._warn(runner, runner.test_dataloader.dataset)

    def _warn(self, runner: Runner, dataset: Dataset) -> None:
        vision = getattr(
            getattr(unwrap(runner.model), 'backbone', None), 'vision', None
        )
        weights = getattr(vision, 'weights', None)
        if weights is None or not _STOCK.search(weights):
            return
        seen = [line for leaf in leaf_datasets(dataset) for line in _seen_by_coco(leaf)]
        if seen:
            runner.logger.warning(
                f'the vision tower {weights!r} was trained on all of COCO train, which '
                f'has the images of {", ".join(seen)}: results there are too good. '
                'docs/data.md, "Images that a detector has seen", has the filter'
            )


def _seen_by_coco(dataset: Dataset) -> list[str]:
    """Name and splits other than train, if the dataset has RefCOCO's images."""
    names = [getattr(dataset, name, None) for name in ('name', 'refs_file', 'ann_file')]
    splits = [split for split in getattr(dataset, 'splits', ()) if split != 'train']
    if splits and any(_REFCOCO.search(str(name).lower()) for name in names):
        return [f'{dataset.name or type(dataset).__name__} {", ".join(splits)}']
    return []
