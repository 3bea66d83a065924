"""Images of expressions with their ground-truth and predicted boxes."""

import math
from collections.abc import Sequence

import cv2
import mmcv
import numpy as np
from mmdet.registry import VISUALIZERS
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import get_box_tensor
from mmdet.visualization import DetLocalVisualizer
from mmengine.dist import master_only
from PIL import Image
from torch import Tensor

from ..structures import Expressions
from .box_drawing import LabelledBox, draw_boxes
from .caption import CaptionEntry, add_caption
from .colors import Color, expression_colors
from .font_stack import FontStack
from .sample_info import best_overlaps

_GREY = (90, 90, 90)


@VISUALIZERS.register_module()
class RECVisualizer(DetLocalVisualizer):
    """Draw the boxes of an image's expressions, and the expressions below it.

    Each expression has a colour, see :func:`expression_colors`. Lines of predicted
    boxes are solid, those of ground truth dashed. Where a sample has several
    expressions, their boxes carry the numbers that they have below the image: a box's
    label in the sample is the index of its expression.

    Small images are enlarged so that lines and letters stay readable; in large images
    lines and letters grow with the image.

    Args:
        name (str): Name of the instance.
        min_size (int): An image whose longer side has fewer pixels is enlarged
            by the smallest whole factor that reaches it. Defaults to 480.
        font (str, optional): TrueType or OpenType file whose letters are taken where
            it has them, see :class:`FontStack`. Defaults to None.
        **kwargs: See mmdet's DetLocalVisualizer.

    Raises:
        FileNotFoundError: The font is missing.
        ValueError: It is none.
    """

    # JPEG files end at 65,535 pixels
    max_caption_height = 20_000  # pixels; more lines are cut

    def __init__(
        self,
        name: str = 'visualizer',
        *args,
        min_size: int = 480,
        font: str | None = None,
        **kwargs,
    ) -> None:
        super().__init__(name, *args, **kwargs)
        self.min_size = min_size
        self._fonts = FontStack(font)

    @master_only
    def add_datasample(
        self,
        name: str,
        image: np.ndarray,
        data_sample: DetDataSample | None = None,
        draw_gt: bool = True,
        draw_pred: bool = True,
        show: bool = False,
        wait_time: float = 0,
        out_file: str | None = None,
        pred_score_thr: float = 0.0,
        step: int = 0,
    ) -> None:
        """Draw a sample and show it, write it, or hand it to the backends.

        Args:
            name (str): Name of the image.
            image (np.ndarray): (H, W, 3) uint8, RGB.
            data_sample (DetDataSample, optional): With ``text`` and, as far as
                they are to be drawn, ``gt_instances`` and ``pred_instances``
                with ``bboxes`` (n, 4) in xyxy pixels of ``image`` and ``labels``
                (n,).
            draw_gt (bool): Draw the ground-truth boxes. Defaults to True.
            draw_pred (bool): Draw the predicted boxes. Defaults to True.
            show (bool): Open a window. Defaults to False.
            wait_time (float): Seconds that the window stays. Defaults to 0:
                until a key is pressed.
            out_file (str, optional): Write the image here, and not to the
                backends.
            pred_score_thr (float): Ignored, mmdet's hook passes it: an
                expression's boxes are drawn whatever their scores.
            step (int): Step under which backends store the image.
        """
        image = image.clip(0, 255).astype(np.uint8)
        expressions, boxes, overlaps = Expressions.of({}), {}, None
        if data_sample is not None:
            expressions = Expressions.of(data_sample)
            for kind, wanted in (('gt', draw_gt), ('pred', draw_pred)):
                instances = data_sample.get(f'{kind}_instances')
                if wanted and instances is not None and 'bboxes' in instances:
                    tensor = get_box_tensor(instances.bboxes).detach().float().cpu()
                    rows = expressions.rows(instances.labels.cpu())
                    boxes[kind] = [tensor[found] for found in rows]
            if len(boxes) == 2:
                overlaps = best_overlaps(data_sample)
        drawn = self._draw(image, expressions.texts, boxes, overlaps)

        self.set_image(drawn)
        if show:
            self.show(drawn, win_name=name, wait_time=wait_time)
        if out_file is not None:
            mmcv.imwrite(drawn[..., ::-1], out_file)
        else:
            self.add_image(name, drawn, step)

    @master_only
    def get_image(self) -> np.ndarray:
        """Get the drawn image: (H, W, 3) uint8, RGB.

        Matplotlib takes seconds to draw a large one, and is asked only where MMEngine's
        ``draw_...`` have added something to it.
        """
        axes = self.ax_save
        added = [*axes.collections, *axes.lines, *axes.patches, *axes.texts]
        if added or len(axes.images) != 1:
            return super().get_image()
        return self._image.copy()

    def _draw(
        self,
        image: np.ndarray,
        expressions: Sequence[str],
        boxes: dict[str, list[Tensor]],
        overlaps: list[float | None] | None,
    ) -> np.ndarray:
        """Draw boxes, numbers and caption.

        Args:
            image (np.ndarray): (H, W, 3) uint8, RGB.
            expressions (Sequence[str]): k expressions.
            boxes (dict[str, list[Tensor]]): Under 'gt' and 'pred', for each of the k
                expressions its boxes (n, 4) in xyxy pixels.
            overlaps (list[float | None], optional): Their IoU, where it is to be said.

        Returns:
            np.ndarray: uint8, RGB, larger than ``image``.
        """
        height, width = image.shape[:2]
        scale = max(1, math.ceil(self.min_size / max(height, width)))
        size = width * scale, height * scale
        enlarged = Image.fromarray(cv2.resize(image, size))
        colors, labelled = expression_colors(len(expressions)), len(expressions) > 1
        left_out = draw_boxes(
            enlarged,
            [
                LabelledBox(
                    [scale * edge for edge in box],
                    colors[index],
                    dashed=kind == 'gt',
                    label=str(index + 1) if labelled else '',
                )
                for kind in ('pred', 'gt')
                for index, part in enumerate(boxes.get(kind, ()))
                for box in part.tolist()
                if all(map(math.isfinite, box))
            ],
            self._fonts,
        )
        caption = _caption(expressions, list(boxes), overlaps, colors, left_out)
        drawn = add_caption(enlarged, caption, self._fonts, self.max_caption_height)
        return np.array(drawn)


def _caption(
    expressions: Sequence[str],
    kinds: Sequence[str],
    overlaps: list[float | None] | None,
    colors: Sequence[Color],
    left_out: int,
) -> list[CaptionEntry]:
    """Say what is drawn: the expressions with their IoU, and the kinds of lines."""
    entries = []
    for index, text in enumerate(expressions):
        if overlaps is not None:
            overlap = overlaps[index]
            text += ' (IoU -)' if overlap is None else f' (IoU {overlap:.2f})'
        sign = LabelledBox((), colors[index], label=str(index + 1))
        entries.append(CaptionEntry(text, sign if len(expressions) > 1 else None))
    color = colors[0] if len(expressions) == 1 else _GREY
    for kind, name in (('pred', 'predicted'), ('gt', 'ground truth')):
        if kind in kinds:
            entries.append(CaptionEntry(name, LabelledBox((), color, kind == 'gt')))
    if left_out:
        entries.append(CaptionEntry(f'{left_out} numbers found no room in the image'))
    return entries
