"""Random crop that keeps every referent."""

import math

import numpy as np
from mmcv.transforms import BaseTransform
from mmdet.registry import TRANSFORMS
from mmdet.structures.bbox import autocast_box_type

from ...structures import Placement


@TRANSFORMS.register_module()
class ReferentCrop(BaseTransform):
    """Crop a random window that holds the centre of every referent's box.

    Width and height are drawn separately and uniformly from
    [``min_size``, ``max_size``] pixels, cut to the image's own; then the
    window's place, uniformly among those that hold the centres. Where the
    centres of several referents lie further apart than the drawn size, the
    window grows to reach them. Boxes are clipped to the window.

    mmdet's RandomCrop keeps any part of any box, and drops samples; here each
    expression must keep its referent.

    Required keys: ``img``, ``ori_shape``, ``gt_bboxes``.
    Modified keys: ``img``, ``img_shape``, ``gt_bboxes``, and the record of the image's
    ``Placement``.

    Args:
        min_size (int): Smallest side of the window in pixels. Defaults to 384.
        max_size (int): Largest side of the window in pixels. Defaults to 600.
    """

    def __init__(self, min_size: int = 384, max_size: int = 600) -> None:
        if not 0 < min_size <= max_size:
            raise ValueError(
                f'ReferentCrop needs 0 < min_size <= max_size, got '
                f'{min_size} and {max_size}'
            )
        self.min_size = min_size
        self.max_size = max_size

    def _draw_window(self, length: int, centres: np.ndarray) -> tuple[int, int]:
        """Draw the window along one axis.

        Args:
            length (int): The image's length in pixels.
            centres (np.ndarray): (k,) centres of the boxes in pixels.

        Returns:
            tuple[int, int]: First pixel and number of pixels.
        """
        low, high = float(centres.min()), float(centres.max())
        size = np.random.randint(
            min(self.min_size, length), min(self.max_size, length) + 1
        )
        size = max(size, min(length, math.ceil(high) - math.floor(low)))
        first = max(0, math.ceil(high) - size)
        last = min(math.floor(low), length - size)
        return np.random.randint(first, last + 1), size

    @autocast_box_type()
    def transform(self, results: dict) -> dict:
        """Crop image and boxes.

        Args:
            results (dict): Result dict of the pipeline.

        Returns:
            dict: The same dict, cropped.
        """
        height, width = results['img'].shape[:2]
        boxes = results['gt_bboxes']
        centres = boxes.centers.numpy()
        left, crop_width = self._draw_window(width, centres[:, 0])
        top, crop_height = self._draw_window(height, centres[:, 1])

        placement = Placement.read(results)
        placement.crop(left, top, (crop_height, crop_width)).write(results)
        results['img'] = results['img'][
            top : top + crop_height, left : left + crop_width
        ]
        results['img_shape'] = (crop_height, crop_width)
        boxes.translate_((-left, -top))
        boxes.clip_((crop_height, crop_width))
        return results

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(min_size={self.min_size}, max_size={self.max_size})'
        )
