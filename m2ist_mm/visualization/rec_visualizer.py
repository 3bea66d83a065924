"""Images of expressions with their ground-truth and predicted boxes."""

import math
import textwrap
from collections.abc import Sequence

import cv2
import mmcv
import numpy as np
from mmdet.registry import VISUALIZERS
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import bbox_overlaps, get_box_tensor
from mmdet.visualization import DetLocalVisualizer
from mmengine.dist import master_only
from torch import Tensor

from ..structures import Expressions


@VISUALIZERS.register_module()
class RECVisualizer(DetLocalVisualizer):
    """Draw the expression below the image, and its boxes in one image.

    Ground-truth boxes are green, predicted ones orange. Where a sample has several
    expressions, numbers tell which box is whose: a box's label is the index of its
    expression. Small images are enlarged so that lines and letters stay readable.

    Args:
        name (str): Name of the instance.
        min_size (int): An image whose longer side has fewer pixels is enlarged
            by the smallest whole factor that reaches it. Defaults to 480.
        **kwargs: See mmdet's DetLocalVisualizer.
    """

    true_color = (0, 170, 0)
    predicted_color = (255, 110, 0)
    font_pixels = 15
    max_lines = 1000  # of expressions in a caption; more are cut

    def __init__(
        self, name: str = 'visualizer', *args, min_size: int = 480, **kwargs
    ) -> None:
        super().__init__(name, *args, **kwargs)
        self.min_size = min_size

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
        expressions, boxes = Expressions.of({}), {}
        if data_sample is not None:
            expressions = Expressions.of(data_sample)
            for kind, wanted in (('gt', draw_gt), ('pred', draw_pred)):
                instances = data_sample.get(f'{kind}_instances')
                if wanted and instances is not None and 'bboxes' in instances:
                    tensor = get_box_tensor(instances.bboxes).detach().float().cpu()
                    rows = expressions.rows(instances.labels.cpu())
                    boxes[kind] = [tensor[found] for found in rows]
        drawn = self._draw(image, expressions.texts, boxes)

        self.set_image(drawn)
        if show:
            self.show(drawn, win_name=name, wait_time=wait_time)
        if out_file is not None:
            mmcv.imwrite(drawn[..., ::-1], out_file)
        else:
            self.add_image(name, drawn, step)

    def _draw(
        self,
        image: np.ndarray,
        expressions: Sequence[str],
        boxes: dict[str, list[Tensor]],
    ) -> np.ndarray:
        """Draw boxes, numbers and caption.

        Args:
            image (np.ndarray): (H, W, 3) uint8, RGB.
            expressions (Sequence[str]): k expressions.
            boxes (dict[str, list[Tensor]]): Under 'gt' and 'pred', for each of the k
                expressions its boxes (n, 4) in xyxy pixels.

        Returns:
            np.ndarray: uint8, RGB, larger than ``image``.
        """
        height, width = image.shape[:2]
        scale = max(1, math.ceil(self.min_size / max(height, width)))
        height, width = height * scale, width * scale
        # A narrow image gets a margin: the caption needs room for words.
        canvas_width = max(width, self.min_size * 2 // 3)
        caption = self._caption(expressions, boxes, canvas_width)
        line_height = int(1.5 * self.font_pixels)
        canvas = np.full(
            (height + line_height * len(caption) + 6, canvas_width, 3), 255, np.uint8
        )
        canvas[:height, :width] = cv2.resize(
            image, (width, height), interpolation=cv2.INTER_LINEAR
        )

        self.set_image(canvas)
        for kind, color in (('gt', self.true_color), ('pred', self.predicted_color)):
            if kind in boxes:
                scaled = [part * scale for part in boxes[kind]]
                self._draw_boxes(scaled, color, (width, height))
        for row, (line, color) in enumerate(caption):
            self._write(line, (6, height + 4 + row * line_height), color)
        return self.get_image()

    def _draw_boxes(
        self, boxes: list[Tensor], color: tuple, size: tuple[int, int]
    ) -> None:
        """Draw boxes with their numbers; those that are not finite are left out."""
        numbers = {}  # of the expressions that share a box
        for number, part in enumerate(boxes, start=1):
            for box in part.tolist():
                if all(map(math.isfinite, box)):
                    numbers.setdefault(tuple(box), []).append(str(number))
        for box, shared in numbers.items():
            x1, x2 = sorted(np.clip(box[0::2], 1, size[0] - 1))
            y1, y2 = sorted(np.clip(box[1::2], 1, size[1] - 1))
            self.draw_bboxes(
                np.array([x1, y1, x2, y2]), edge_colors=color, line_widths=2, alpha=1
            )
            if len(boxes) > 1:
                # above the box, or inside where there is no room
                above = y1 - self.font_pixels - 4
                top = above if above > 0 else y1 + 2
                self._write(','.join(shared), (x1 + 2, top), color, 'white')

    def _caption(
        self, expressions: Sequence[str], boxes: dict[str, list[Tensor]], width: int
    ) -> list[tuple[str, tuple]]:
        """Lay out the caption: lines of text with their colour."""
        black = (0, 0, 0)
        # The mean letter of the default font is 0.6 of its size wide.
        letters = int((width - 12) / (0.6 * self.font_pixels))
        lines = []
        for number, expression in enumerate(expressions, start=1):
            prefix = f'{number}: ' if len(expressions) > 1 else ''
            lines += [
                (line, black) for line in textwrap.wrap(prefix + expression, letters)
            ]
        if left := len(lines[self.max_lines :]):
            lines[self.max_lines :] = [(f'... {left} more lines', black)]
        if 'gt' in boxes:
            lines.append(('ground truth', self.true_color))
        if 'pred' in boxes:
            line = 'predicted'
            if 'gt' in boxes:
                pairs = zip(boxes['gt'], boxes['pred'], strict=True)
                line += ', IoU ' + ', '.join(_best_overlap(*pair) for pair in pairs)
            lines += [
                (part, self.predicted_color) for part in textwrap.wrap(line, letters)
            ]
        return lines

    def _write(
        self, text: str, position: tuple, color: tuple, background: str | None = None
    ) -> None:
        """Write one line of text, its upper left corner at ``position``."""
        self.draw_texts(
            text.replace('$', r'\$'),  # matplotlib would read $...$ as a formula
            np.array(position),
            font_sizes=self.font_pixels * 72 / self.dpi,
            colors=color,
            bboxes=background
            and dict(facecolor=background, edgecolor='none', pad=1, alpha=0.8),
        )


def _best_overlap(truth: Tensor, predicted: Tensor) -> str:
    """Highest IoU of an expression's boxes, (n, 4) each; '-' where either has none."""
    if not len(truth) or not len(predicted):
        return '-'
    return f'{bbox_overlaps(truth, predicted).nan_to_num().max():.2f}'
