"""Resizing to a canvas that need not be square."""

from mmdet.datasets.transforms import Resize
from mmdet.registry import TRANSFORMS

from ...standalone.predict import scale_to_fit


@TRANSFORMS.register_module()
class ResizeToFit(Resize):
    """Resize an image to the largest size of its aspect ratio that fits a rectangle.

    mmdet's ``Resize(keep_ratio=True)`` fits the longer edge of the image to the longer
    side of ``scale``, so that a portrait image exceeds a landscape canvas. For a square
    both give the same pixels.

    Args:
        scale (tuple[int, int]): (width, height) of the rectangle in pixels.
        **kwargs: Other arguments of mmdet's ``Resize``.

    Raises:
        ValueError: An image is so narrow that less than half a pixel is left of a side.
    """

    deterministic = True

    def __init__(self, scale: tuple[int, int], **kwargs) -> None:
        super().__init__(scale=scale, keep_ratio=True, **kwargs)

    def _resize_img(self, results: dict) -> None:
        height, width = results['img'].shape[:2]
        results['scale'] = scale_to_fit(width, height, *self.scale)
        super()._resize_img(results)
