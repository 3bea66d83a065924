"""An image after the vision side, ready for any number of expressions."""

from dataclasses import dataclass
from typing import Any

from mmdet.structures import DetDataSample

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
