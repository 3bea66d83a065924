"""Draws the predictions of a test."""

from pathlib import Path

from mmdet.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmengine.structures import BaseDataElement

from ...datasets.image_reader import read_image
from ...visualization import require_display


@HOOKS.register_module()
class RECVisualizationHook(Hook):
    """Draws expressions with ground-truth and predicted boxes during a test.

    mmdet's hook names an image after its image alone, so that an image's expressions
    would overwrite one another. Does nothing unless one of the first two is given. In a
    distributed test, only the first process draws its samples.

    Args:
        out_dir: Folder for the images, named ``<image>_<sent_id>.jpg``.
        show: Show each image in a window.
        wait_time: Seconds that a shown image stays; 0 = until a key is pressed.
        interval: Draw every ``interval``-th sample.

    Raises:
        ValueError: ``show`` without a display.
    """

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
        self._count = 0

    def before_test_epoch(self, runner: Runner) -> None:
        """Restart the count of samples."""
        self._count = 0

    def after_test_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: list[BaseDataElement] | None = None,
    ) -> None:
        """Draw a batch's samples, in original-image pixels."""
        if self.out_dir is None and not self.show:
            return
        for sample in outputs:
            self._count += 1
            if (self._count - 1) % self.interval == 0:
                self._draw(runner, sample)

    def _draw(self, runner: Runner, sample: BaseDataElement) -> None:
        ids = sample.sent_id if isinstance(sample.sent_id, tuple) else (sample.sent_id,)
        name = f'{Path(sample.img_path).stem}_{"-".join(map(str, ids))}.jpg'
        image = read_image(sample.img_path)[..., ::-1]
        runner.visualizer.add_datasample(
            name,
            image,
            data_sample=sample,
            show=self.show,
            wait_time=self.wait_time,
            out_file=None if self.out_dir is None else str(Path(self.out_dir, name)),
        )
