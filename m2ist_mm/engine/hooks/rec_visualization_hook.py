"""Draws the predictions of a test."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmdet.registry import HOOKS
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmengine.structures import BaseDataElement

from ...datasets.image_reader import read_image
from ...report import contact_sheet
from ...structures import Expressions
from ...visualization import best_overlaps, require_display, sample_name


@HOOKS.register_module()
class RECVisualizationHook(Hook):
    """Draws expressions with ground-truth and predicted boxes during a test.

    mmdet's hook names an image after its image alone, so that an image's expressions
    would overwrite one another. Does nothing unless one of the first two is given. In a
    distributed test, only the first process draws its samples.

    Args:
        out_dir: Folder for the images, named by dataset, split, image and ``sent_id``,
            and for a page that shows them, the lowest IoU first:
            ``contact_sheet.html``.
        show: Show each image in a window.
        wait_time: Seconds that a shown image stays; 0 = until a key is pressed.
        interval: Draw every ``interval``-th sample.

    Raises:
        ValueError: ``show`` without a display.
    """

    max_cards = 400  # on the page

    def __init__(
        self,
        out_dir: str | None = None,
        show: bool = False,
        wait_time: float = 0.0,
        interval: int = 1,
    ) -> None:
        if show:
            require_display()
        self.out_dir = out_dir
        self.show = show
        self.wait_time = wait_time
        self.interval = interval

    def before_test_epoch(self, runner: Runner) -> None:
        """Forget the samples of an earlier test."""
        self._count = 0
        self._drawn: dict[str, dict[str, Any]] = {}  # name of the file: card

    def after_test_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: list[BaseDataElement] | None = None,
    ) -> None:
        """Draw a batch's samples, in original-image pixels."""
        if (self.out_dir is None and not self.show) or not is_main_process():
            return
        for sample in outputs:
            self._count += 1
            if (self._count - 1) % self.interval == 0:
                self._draw(runner, sample)

    def after_test_epoch(
        self, runner: Runner, metrics: dict[str, float] | None = None
    ) -> None:
        """Write the page of the drawn samples."""
        if self.out_dir is None or not self._drawn:
            return
        order = sorted(self._drawn, key=lambda name: self._drawn[name]['rank'])
        shown = order[: self.max_cards]
        count = f'{len(shown)} of {len(order)}' if shown != order else str(len(order))
        path = Path(self.out_dir, 'contact_sheet.html')
        title = f'{count} samples, lowest IoU first'
        contact_sheet(path, title, self._cards(shown))
        runner.logger.info(f'page of the drawn samples: {path}')

    def _draw(self, runner: Runner, sample: BaseDataElement) -> None:
        stem = name = sample_name(sample)
        number = 1
        while f'{name}.jpg' in self._drawn:  # datasets without names or ids
            name, number = f'{stem}_{number}', number + 1
        name += '.jpg'
        runner.visualizer.add_datasample(
            name,
            read_image(sample.img_path)[..., ::-1],
            data_sample=sample,
            show=self.show,
            wait_time=self.wait_time,
            out_file=None if self.out_dir is None else str(Path(self.out_dir, name)),
        )
        self._drawn[name] = _card(sample)

    def _cards(self, names: list[str]) -> Iterator[dict[str, Any]]:
        """Cards of the page; each image is read when its turn has come."""
        for name in names:
            card = self._drawn[name]
            image = read_image(Path(self.out_dir, name))[..., ::-1]
            yield dict(image=image, title=card['title'], lines=[name, *card['lines']])


def _card(sample: BaseDataElement) -> dict[str, Any]:
    """Title, lines and rank of a sample: those of its expression of the lowest IoU."""
    expressions = Expressions.of(sample)
    ranks = [2 if iou is None else iou for iou in best_overlaps(sample)]
    rank, text, kind = min(
        zip(ranks, expressions.texts, expressions.kinds, strict=True),
        key=lambda row: row[0],
    )
    title = f'IoU {rank:.2f}: {text}' if rank <= 1 else text
    return dict(rank=rank, title=title, lines=[] if kind is None else [str(kind)])
