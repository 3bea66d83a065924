"""First step of a pipeline: the image."""

from mmcv.transforms import BaseTransform
from mmdet.registry import TRANSFORMS

from ..image_reader import read_image


@TRANSFORMS.register_module()
class LoadRECImage(BaseTransform):
    """Read an image by :func:`read_image`.

    mmcv's LoadImageFromFile reads any format that its backend knows, cuts 16-bit grey
    at 255 and lays transparent pixels on black or grey.

    Required key: ``img_path``.
    Added keys: ``img`` (H, W, 3) uint8 BGR, ``img_shape`` and ``ori_shape`` (H, W).

    Args:
        backend_args (dict, optional): Where mmengine reads it.
    """

    deterministic = True

    def __init__(self, backend_args: dict | None = None) -> None:
        self.backend_args = backend_args

    def transform(self, results: dict) -> dict:
        """Read the image.

        Args:
            results (dict): Result dict of the pipeline.

        Returns:
            dict: The same dict with the image.

        Raises:
            FileNotFoundError: If it is missing.
            ValueError: If it cannot be read. Names the image.
        """
        img = read_image(results['img_path'], self.backend_args)
        results.update(img=img, img_shape=img.shape[:2], ori_shape=img.shape[:2])
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(backend_args={self.backend_args})'
