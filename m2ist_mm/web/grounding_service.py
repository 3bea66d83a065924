"""What the page does, without the page."""

import hashlib
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from ..structures import Placement
from ..visualization import draw_attention
from .examples import Example
from .image_memory import ImageMemory, OpenedImage
from .jpeg import from_jpeg, to_jpeg
from .limits import Limits
from .session import Answer, Session
from .upload_reader import read_upload

PREVIEW_PIXELS = 1280  # of the longer side


class GroundingService:
    """Opens images and answers sentences, for any number of users at once.

    Args:
        inferencer: ``RECInferencer``, or another with ``encode_image`` and ``ground``.
        limits: Bounds on what is taken and kept.

    Attributes:
        memory: The images of all users.
    """

    def __init__(self, inferencer, limits: Limits | None = None) -> None:
        self.inferencer = inferencer
        self.limits = limits or Limits()
        self.memory = ImageMemory(
            self.limits.memory_bytes, self.limits.images, self.limits.idle_seconds
        )

    def open_upload(self, session: Session, path: str | Path) -> OpenedImage:
        """Read and encode an upload.

        It is not deleted here: it is one file for all users who send the same. An image
        of this user that is still in the memory is not encoded again.

        Raises:
            ValueError, OSError: It cannot be read or is too large; the session then has
                no image.
        """
        session.image = session.answer = None
        path, begin = Path(path), time.perf_counter()
        image = read_upload(path, self.limits.pixels)
        return self._open(session, image, path.name, begin)

    def open_example(self, session: Session, example: Example) -> OpenedImage:
        """Encode an example's image, unless this user's is still in the memory."""
        session.image = session.answer = None
        return self._open(session, example.image, example.name, time.perf_counter())

    def ask(self, session: Session, text: str) -> Answer:
        """Find what sentences name in the session's image.

        Args:
            session: A session with an image.
            text: The sentences, one per line.

        Raises:
            ValueError: There is no image, or the sentences are not within the limits.
        """
        session.answer = None
        sentences = self.limits.split_sentences(text)
        image = self._require_image(session)
        begin = time.perf_counter()
        found = self.inferencer.ground(image.encoded, sentences)
        seconds = time.perf_counter() - begin
        session.answer = Answer(sentences, found['bboxes'], found['truncated'], seconds)
        return session.answer

    def attend(
        self, session: Session, number: int, layer: int, head: int
    ) -> tuple[OpenedImage, str]:
        """Draw what the REG token attends to in the image.

        Args:
            session: A session with an answer.
            number: The sentence, from 1.
            layer: The layer of the V-L encoder, from 1.
            head: The head, from 1; 0 is the mean over the heads.

        Returns:
            The image with its ``attention``, and what that shows.

        Raises:
            ValueError: There is no such sentence, layer or head, or no attention.
        """
        image, answer = self._require_image(session), session.answer
        if answer is None:
            raise ValueError('Ask a sentence first: its attention is shown afterwards.')
        if not _is_within(number, 1, len(answer.sentences)):
            raise ValueError(f'There are sentences 1 to {len(answer.sentences)}.')
        sentence = answer.sentences[number - 1]
        found = self.inferencer.ground(image.encoded, [sentence], return_attention=True)
        layers = found['attention'][0]
        if not (
            _is_within(layer, 1, len(layers)) and _is_within(head, 0, len(layers[0]))
        ):
            raise ValueError(
                f'There are layers 1 to {len(layers)} and heads 1 to {len(layers[0])}.'
            )
        heads = layers[layer - 1]
        shown = heads[head - 1] if head else heads.mean(0)
        preview = from_jpeg(image.preview)
        placement = _resized(found['placement'], preview.shape[:2])
        drawn = to_jpeg(draw_attention(preview, shown, placement))
        image = replace(image, attention=drawn)
        self.memory.keep(image)
        which = f'head {head}' if head else 'mean of the heads'
        return image, f'"{sentence}", layer {layer}, {which}'

    def attention_shape(self, example: Example) -> tuple[int, int] | None:
        """Number of layers and heads, by a trial; ``None`` where there is no attention.

        Raises:
            ValueError: The model does not take the image.
        """
        encoded = self.inferencer.encode_image(example.image)
        texts = list(example.sentences)
        self.inferencer.ground(encoded, texts)
        try:
            found = self.inferencer.ground(encoded, texts, return_attention=True)
        except ValueError:
            return None
        return found['attention'].shape[1:3]

    def _open(
        self, session: Session, image: np.ndarray, name: str, begin: float
    ) -> OpenedImage:
        height, width = image.shape[:2]
        digest = hashlib.sha256(f'{session.user} {width}x{height}'.encode())
        digest.update(np.ascontiguousarray(image))
        key = digest.hexdigest()
        opened = self.memory.find(key)
        if opened is None:
            encoded = self.inferencer.encode_image(image)
            seconds = time.perf_counter() - begin
            size, preview = (width, height), _preview(image)
            opened = OpenedImage(
                key, session.user, name, size, preview, encoded, seconds
            )
        opened = replace(opened, name=name)
        self.memory.keep(opened)
        session.image = key
        return opened

    def _require_image(self, session: Session) -> OpenedImage:
        image = self.memory.find(session.image)
        if image is None:
            minutes = self.limits.idle_seconds // 60
            raise ValueError(
                f'Choose an image first (images are forgotten after {minutes} minutes '
                'without a question, and earlier when many are asked).'
            )
        return image


def _is_within(value: object, low: int, high: int) -> bool:
    """Whether a value that anyone may have sent is an integer in a range."""
    return type(value) is int and low <= value <= high


def _resized(placement: Placement, shape: tuple[int, int]) -> Placement:
    """Placement of the same image after a resize to (height, width)."""
    (height, width), (x_scale, y_scale) = placement.ori_shape, placement.scale
    x, y = shape[1] / width, shape[0] / height
    return replace(
        placement,
        ori_shape=shape,
        scale=(x_scale / x, y_scale / y),
        window=tuple(
            edge * factor
            for edge, factor in zip(placement.window, (x, y, x, y), strict=True)
        ),
    )


def _preview(image: np.ndarray) -> bytes:
    height, width = image.shape[:2]
    scale = min(1, PREVIEW_PIXELS / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return to_jpeg(cv2.cvtColor(small, cv2.COLOR_BGR2RGB))
