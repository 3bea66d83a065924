"""The images of all users, within a number of bytes."""

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass

from ..apis import EncodedImage


@dataclass(frozen=True)
class OpenedImage:
    """An image that was read and encoded.

    Attributes:
        key: Names it in the memory, and in the address of its preview: a hash that
            nobody but its user can know.
        user: Whose it is, see :class:`.Session`.
        name: What it is called.
        size: Width and height in pixels.
        preview: The image, downsized to be shown, a JPEG file.
        encoded: Output of the inferencer's ``encode_image``.
        seconds: Time of reading and encoding.
        attention: The attention that was drawn last, a JPEG file; empty before.
    """

    key: str
    user: str
    name: str
    size: tuple[int, int]
    preview: bytes
    encoded: EncodedImage
    seconds: float
    attention: bytes = b''

    @property
    def nbytes(self) -> int:
        """Bytes of what is encoded and of the JPEG files."""
        return self.encoded.nbytes + len(self.preview) + len(self.attention)


class ImageMemory:
    """The images of all users; those used longest ago are forgotten first.

    Several threads may share it.

    Args:
        max_bytes: Most bytes of all images; the last one stays though it be larger.
        images: Most images of a user.
        idle_seconds: Time after its last use until an image is forgotten.
    """

    def __init__(self, max_bytes: int, images: int, idle_seconds: float) -> None:
        self.max_bytes = max_bytes
        self.images = images
        self.idle_seconds = idle_seconds
        self._lock = threading.Lock()
        # last used last, with the time of its last use
        self._kept: OrderedDict[str, tuple[OpenedImage, float]] = OrderedDict()

    @property
    def nbytes(self) -> int:
        """Bytes of all images."""
        return sum(image.nbytes for image, _ in list(self._kept.values()))

    def find(self, key: str | None) -> OpenedImage | None:
        """The image of a key, unless it is forgotten; it is used by that."""
        self.forget_idle()
        with self._lock:
            if key not in self._kept:
                return None
            image, _ = self._kept.pop(key)
            self._kept[key] = image, time.monotonic()
            return image

    def keep(self, image: OpenedImage) -> None:
        """Keep an image, in place of that of its key, and forget what is too much."""
        with self._lock:
            self._kept.pop(image.key, None)
            self._kept[image.key] = image, time.monotonic()
            own = [
                key for key, (one, _) in self._kept.items() if one.user == image.user
            ]
            for key in own[: -self.images]:
                del self._kept[key]
            while self.nbytes > self.max_bytes and len(self._kept) > 1:
                self._kept.popitem(last=False)

    def forget_idle(self) -> None:
        """Forget the images that were not used for ``idle_seconds``."""
        oldest = time.monotonic() - self.idle_seconds
        with self._lock:
            for key, (_, used) in list(self._kept.items()):
                if used < oldest:
                    del self._kept[key]
