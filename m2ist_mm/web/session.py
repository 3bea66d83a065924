"""What the server remembers of one user."""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass
class OpenedImage:
    """An image that was read and encoded.

    Attributes:
        name: What it is called.
        size: Width and height in pixels.
        preview: The image, downsized to be shown, (H, W, 3) uint8 RGB.
        encoded: What the inferencer's ``encode_image`` gave.
        seconds: Time of reading and encoding.
    """

    name: str
    size: tuple[int, int]
    preview: np.ndarray
    encoded: Any
    seconds: float


@dataclass
class Answer:
    """Boxes of the sentences that were asked of an image together.

    Attributes:
        sentences: The k sentences.
        bboxes: (k, 4) ``xyxy`` in pixels of the image.
        truncated: Whether each sentence was longer than what the model reads.
        seconds: Time of all sentences.
    """

    sentences: list[str]
    bboxes: list[list[float]]
    truncated: list[bool]
    seconds: float


@dataclass
class Session:
    """The images of one user, the last ones first to stay, and the last answer.

    Attributes:
        image: The image that is asked.
        answer: What was answered about it.
    """

    image: OpenedImage | None = None
    answer: Answer | None = None
    _images: OrderedDict[str, OpenedImage] = field(default_factory=OrderedDict)

    def find(self, key: str) -> OpenedImage | None:
        """An image that was opened before, by the hash of its content."""
        if key in self._images:
            self._images.move_to_end(key)
        return self._images.get(key)

    def keep(self, key: str, image: OpenedImage, capacity: int) -> None:
        """Keep an image, and forget the one used longest ago of more than that many."""
        self._images[key] = image
        if len(self._images) > capacity:
            self._images.popitem(last=False)
