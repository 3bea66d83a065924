"""An image after the vision side, ready for any number of expressions."""

from dataclasses import dataclass, is_dataclass
from typing import Any

import numpy as np
from mmdet.structures import DetDataSample
from torch import Tensor

from ..structures import TowerFeatures


@dataclass(frozen=True)
class EncodedImage:
    """Output of ``RECInferencer.encode_image``, input of its ``ground``.

    Attributes:
        features: Vision tokens (1, N, C_v) of the image; of an exported model what its
            image side gives.
        sample: The image's sample, without expressions; knows where the image lies on
            the canvas.
    """

    features: TowerFeatures | Any
    sample: DetDataSample

    @property
    def nbytes(self) -> int:
        """Bytes of the features."""
        return _count_bytes(self.features)


def _count_bytes(value: object) -> int:
    """Bytes of all tensors and arrays in a value."""
    if isinstance(value, np.ndarray | Tensor):
        return value.nbytes
    if is_dataclass(value):
        value = vars(value)
    if isinstance(value, dict):
        value = list(value.values())
    return sum(map(_count_bytes, value)) if isinstance(value, list | tuple) else 0
