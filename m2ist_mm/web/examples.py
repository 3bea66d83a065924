"""Images with sentences to begin with."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ..datasets.image_reader import IMAGE_SUFFIXES, read_image
from ..datasets.refshapes.expression_writer import ExpressionWriter
from ..datasets.refshapes.random_source import Random
from ..datasets.refshapes.scene import BASE_SIZE
from ..datasets.refshapes.scene_sampling import sample_referents, sample_scene
from ..datasets.refshapes.split import SPLITS
from ..standalone.predict import read_texts
from .limits import Limits

PHOTOGRAPHS = Path(__file__).parent / 'photographs'  # terms: NOTICE.md there
THUMBNAIL_PIXELS = 96  # of the shorter side


@dataclass(frozen=True)
class Example:
    """An image with sentences.

    Attributes:
        name: What it is called.
        image: (H, W, 3) uint8, BGR.
        sentences: Sentences to ask of it.
        drawn: Whether it is a scene of RefShapes.
    """

    name: str
    image: np.ndarray
    sentences: tuple[str, ...]
    drawn: bool = False

    @property
    def thumbnail(self) -> np.ndarray:
        """The middle of the image, a small square, uint8 RGB."""
        height, width = self.image.shape[:2]
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        square = self.image[top : top + side, left : left + side, ::-1]
        size = (THUMBNAIL_PIXELS, THUMBNAIL_PIXELS)
        return cv2.resize(
            np.ascontiguousarray(square), size, interpolation=cv2.INTER_AREA
        )


def draw_examples(count: int = 4) -> list[Example]:
    """Draw scenes of RefShapes, with three sentences each; always the same."""
    split, examples = SPLITS[1], []
    for number in range(count):
        rng = Random([number])
        scene, image = sample_scene(split, BASE_SIZE, rng)
        referents = sample_referents(split, scene, rng)[:3]
        written = ExpressionWriter(1).write(scene, referents, rng)
        sentences = tuple(text for texts in written.values() for _, text in texts)
        name = f'scene {number + 1}'
        examples.append(Example(name, image[..., ::-1], sentences, drawn=True))
    return examples


def read_examples(folder: str | Path, limits: Limits | None = None) -> list[Example]:
    """Read images and their sentences: of ``dog.jpg`` those of ``dog.txt``, one a line.

    Args:
        folder: The folder.
        limits: Bounds of the page that shows them; the usual ones unless given.

    Raises:
        ValueError: There is no image, one cannot be read, or its sentences are none, or
            not within the limits.
        FileNotFoundError: There is no such folder, or no sentences beside an image.
    """
    limits, examples = limits or Limits(), []
    for path in sorted(Path(folder).iterdir()):
        if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith('.'):
            file = path.with_suffix('.txt')
            try:
                text = file.read_text(encoding='utf-8-sig')
            except UnicodeDecodeError as error:
                raise ValueError(f'{file} is no text in UTF-8: {error}') from error
            if not text.strip():
                raise ValueError(f'{file} has no sentence')
            try:
                sentences = read_texts(limits.split_sentences(text))
            except ValueError as error:
                raise ValueError(f'{file}: {error}') from error
            examples.append(Example(path.stem, read_image(path), tuple(sentences)))
    if not examples:
        raise ValueError(f'no image in the folder {folder}')
    return examples
