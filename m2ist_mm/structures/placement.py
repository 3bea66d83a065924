"""Placement of an image on the model's canvas."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from mmdet.structures import DetDataSample
from torch import Tensor

# of the pipeline's dict: the part of the original image that steps have left, xyxy
WINDOW_KEY = 'image_window'


@dataclass(frozen=True)
class Placement:
    """Position of an image on the canvas that the model sees.

    Each axis has a scale and an offset, ``canvas = scale * image + offset``, into which
    any chain of resizes, flips, crops and paddings composes. mmdet's ``Resize``,
    ``RandomFlip`` and ``RandomCrop`` write theirs into the pipeline's
    ``homography_matrix``; so do :meth:`crop` and :meth:`pad`.

    Attributes:
        ori_shape: (height, width) of the image as it was read.
        canvas: (height, width) of the canvas.
        scale: Canvas pixels per image pixel, (x, y); negative where mirrored.
        offset: Canvas position of the image's point (0, 0), (x, y).
        window: Part of the image that is on the canvas: ``xyxy`` in image pixels.

    Examples:
        >>> placement = Placement.identity((60, 160)).pad(10, 50, (160, 180))
        >>> placement.region
        (10, 50, 170, 110)
    """

    ori_shape: tuple[int, int]
    canvas: tuple[int, int]
    scale: tuple[float, float]
    offset: tuple[float, float]
    window: tuple[float, float, float, float]

    @classmethod
    def identity(cls, shape: tuple[int, int]) -> 'Placement':
        """Placement of an image (height, width) that is its own canvas."""
        height, width = shape
        window = (0.0, 0.0, float(width), float(height))
        return cls((height, width), (height, width), (1.0, 1.0), (0.0, 0.0), window)

    @classmethod
    def of(cls, sample: DetDataSample) -> 'Placement':
        """Placement of a packed sample.

        Raises:
            ValueError: It has none.
        """
        placement = sample.get('placement')
        if placement is None:
            raise ValueError(
                f'{sample.get("img_path", "a sample")}: it is not known where the '
                'image lies on the canvas; end the pipeline with PackRECInputs, whose '
                "meta_keys include 'placement'"
            )
        return placement

    @classmethod
    def read(cls, results: dict) -> 'Placement':
        """Compose what the steps of a pipeline have recorded so far.

        Args:
            results: Result dict of the pipeline, with ``img`` and ``ori_shape``.

        Raises:
            ValueError: A step has transformed the image without a record, or by a
                rotation or shear.
        """
        shape = tuple(results['img'].shape[:2])
        whole = cls.identity(tuple(results['ori_shape'][:2]))
        matrix = results.get('homography_matrix')
        if matrix is None:
            if shape != whole.canvas or results.get('flip', False):
                raise ValueError(
                    f'an image of {_size(whole.canvas)} pixels became one of '
                    f'{_size(shape)} (flip: {results.get("flip", False)}) and no step '
                    "recorded how; take mmdet's Resize and RandomFlip instead of mmcv's"
                )
            matrix = np.eye(3)
        (x_scale, *_), (_, y_scale, _) = matrix[:2].tolist()
        if np.any(matrix[[0, 1, 2, 2], [1, 0, 0, 1]]) or not x_scale or not y_scale:
            raise ValueError(
                'the pipeline rotates or shears the image, so that boxes do not stay '
                'boxes; only crop, resize, flip and padding can be placed on a canvas'
            )
        placed = cls(
            whole.ori_shape,
            shape,
            (x_scale, y_scale),
            tuple(matrix[:2, 2].tolist()),
            results.get(WINDOW_KEY, whole.window),
        )
        outside = placed._window_on_canvas() - placed._cut()._window_on_canvas()
        if 'pad_shape' in results and outside.abs().max() > 1:
            raise ValueError(
                "after a crop mmdet's Pad leaves it open which pixels are padding; "
                'take PadToCanvas instead'
            )
        return placed._cut()

    def write(self, results: dict) -> None:
        """Record this placement in a pipeline's dict, for the steps that follow."""
        (x_scale, y_scale), (left, top) = self.scale, self.offset
        results['homography_matrix'] = np.array(
            [[x_scale, 0, left], [0, y_scale, top], [0, 0, 1]]
        )
        results[WINDOW_KEY] = self.window

    def crop(self, left: int, top: int, shape: tuple[int, int]) -> 'Placement':
        """Keep the part (height, width) of the canvas that begins at (left, top)."""
        return self.pad(-left, -top, shape)._cut()

    def pad(self, left: int, top: int, canvas: tuple[int, int]) -> 'Placement':
        """Place this canvas on a larger one (height, width), at (left, top)."""
        x, y = self.offset
        return replace(self, canvas=tuple(canvas), offset=(x + left, y + top))

    def to_canvas(self, boxes: Tensor) -> Tensor:
        """Map boxes (..., 4) ``xyxy`` from image pixels to canvas pixels.

        Integer boxes become float32, others keep their type.
        """
        boxes = _floating(boxes)
        return _ordered(
            boxes * boxes.new_tensor(self.scale * 2) + boxes.new_tensor(self.offset * 2)
        )

    def to_image(self, boxes: Tensor, clip: bool = False) -> Tensor:
        """Map boxes from canvas pixels to pixels of the image as it was read.

        Args:
            boxes: (..., 4) ``xyxy``; integer boxes become float32, others keep their
                type.
            clip: Whether boxes are clipped to the image.
        """
        boxes = _floating(boxes)
        boxes = _ordered(
            (boxes - boxes.new_tensor(self.offset * 2))
            / boxes.new_tensor(self.scale * 2)
        )
        if not clip:
            return boxes
        height, width = self.ori_shape
        return boxes.clamp(min=0).minimum(boxes.new_tensor([width, height] * 2))

    @property
    def region(self) -> tuple[int, int, int, int]:
        """Canvas pixels that show the image, ``xyxy``; the others are padding."""
        return tuple(self._window_on_canvas().round().int().tolist())

    def _window_on_canvas(self) -> Tensor:
        return self.to_canvas(torch.tensor(self.window, dtype=torch.float64))

    def _cut(self) -> 'Placement':
        """The placement with its window clipped to the canvas."""
        height, width = self.canvas
        seen = self.to_image(torch.tensor([0, 0, width, height], dtype=torch.float64))
        window = torch.tensor(self.window, dtype=torch.float64)
        first = window[:2].maximum(seen[:2])
        last = window[2:].minimum(seen[2:]).maximum(first)  # empty, and not turned over
        return replace(self, window=(*first.tolist(), *last.tolist()))


def _floating(boxes: Tensor) -> Tensor:
    return boxes if boxes.is_floating_point() else boxes.float()


def _ordered(boxes: Tensor) -> Tensor:
    """Reorder the corners of boxes that a flip may have swapped, as ``xyxy``."""
    first, second = boxes[..., :2], boxes[..., 2:]
    return torch.cat([first.minimum(second), first.maximum(second)], dim=-1)


def _size(shape: tuple[int, int]) -> str:
    return f'{shape[1]}x{shape[0]}'
