"""Padding to the model's fixed input size."""

import numpy as np
from mmcv.transforms import BaseTransform
from mmdet.registry import TRANSFORMS
from mmdet.structures.bbox import autocast_box_type

from ...structures import Placement


@TRANSFORMS.register_module()
class PadToCanvas(BaseTransform):
    """Place the image on a black canvas and record its position.

    mmcv's Pad adds pixels at the right and the bottom only and leaves boxes
    alone; here the image lies at random (training) or in the centre
    (testing).

    Required keys: ``img``, ``ori_shape``, ``gt_bboxes`` (optional).
    Modified keys: ``img``, ``img_shape`` (that of the canvas), ``gt_bboxes``, and
    the record of the image's ``Placement``.

    Args:
        size (tuple[int, int]): (width, height) of the canvas in pixels.
        position (str): 'random': uniform over all places where the image
            fits; 'center': with d pixels left over, ``d // 2`` of them before
            the image, which is the reference code's ``round(d / 2 - 0.1)``.
    """

    def __init__(self, size: tuple[int, int], position: str = 'center') -> None:
        if position not in ('random', 'center'):
            raise ValueError(
                f"PadToCanvas: position must be 'random' or 'center', got {position!r}"
            )
        self.size = tuple(size)
        self.position = position

    @property
    def deterministic(self) -> bool:
        """Whether every image gets the same place at every call."""
        return self.position == 'center'

    def _offset(self, spare: int) -> int:
        """Number of the ``spare`` pixels that come before the image."""
        if self.position == 'random':
            return np.random.randint(spare + 1)
        return spare // 2

    @autocast_box_type()
    def transform(self, results: dict) -> dict:
        """Pad the image and move the boxes with it.

        Args:
            results (dict): Result dict of the pipeline.

        Returns:
            dict: The same dict, padded.

        Raises:
            ValueError: If the image is larger than the canvas, or it is not known
                where the steps before have put it.
        """
        img = results['img']
        height, width = img.shape[:2]
        canvas_width, canvas_height = self.size
        if width > canvas_width or height > canvas_height:
            raise ValueError(
                f'PadToCanvas: an image of {width}x{height} does not fit the '
                f'canvas of {canvas_width}x{canvas_height}; place a Resize to the '
                'canvas before it'
            )
        left = self._offset(canvas_width - width)
        top = self._offset(canvas_height - height)

        placement = Placement.read(results)
        placement.pad(left, top, (canvas_height, canvas_width)).write(results)
        canvas = np.zeros((canvas_height, canvas_width, *img.shape[2:]), img.dtype)
        canvas[top : top + height, left : left + width] = img
        results['img'] = canvas
        results['img_shape'] = (canvas_height, canvas_width)
        if results.get('gt_bboxes') is not None:
            results['gt_bboxes'].translate_((left, top))
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(size={self.size}, position={self.position!r})'
