"""Find in an image what sentences name: one box per sentence.

Runs the exported model in the folder of this file, on a CPU, and needs four packages:

    pip install onnxruntime numpy pillow tokenizers
    python predict.py photo.jpg "the left dog" "the man with a hat"

prints a box per sentence, x1 y1 x2 y2 in pixels of the image. From Python:

    from predict import Predictor

    predictor = Predictor()
    image = predictor.encode('photo.jpg')  # once per image
    boxes, truncated = predictor.ground(image, ['the left dog', 'the man with a hat'])

Image and boxes are those of m2ist_mm, where this file comes from.
"""

import argparse
import io
import json
import os
import sys
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

FORMAT = 1  # of the folder
# All others are refused, above all EPS, which Pillow hands to Ghostscript.
IMAGE_FORMATS = (
    'JPEG',
    'PNG',
    'WEBP',
    'AVIF',
    'BMP',
    'GIF',
    'TIFF',
    'PPM',
    'JPEG2000',
)
# sentences that go through the graph together; bounds the memory of its attention
BATCH = 16
MAX_CHARACTERS = 1000  # of an expression
# letters and symbols without ink: Hangul fillers, the empty Braille pattern
_INVISIBLE = frozenset('\u115f\u1160\u3164\uffa0\u2800')
_WITH_ALPHA = ('LA', 'La', 'PA', 'RGBA', 'RGBa')
_COEFFICIENT_BITS = 11  # of OpenCV's fixed-point numbers


@dataclass(frozen=True)
class Placed:
    """An image on the model's canvas.

    Attributes:
        pixels: Canvas (H, W, 3), uint8, RGB.
        region: Canvas pixels that show the image, ``xyxy``; the others are padding.
        size: (width, height) of the image as it was read.
    """

    pixels: np.ndarray
    region: tuple[int, int, int, int]
    size: tuple[int, int]

    def to_image(self, boxes: np.ndarray) -> np.ndarray:
        """Map boxes to pixels of the image, clipped to it.

        Args:
            boxes: (k, 4) ``cxcywh`` in [0, 1], relative to the canvas.

        Returns:
            (k, 4) ``xyxy``, float32.
        """
        centre, size = boxes[:, :2], boxes[:, 2:]
        height, width = self.pixels.shape[:2]
        corners = np.concatenate([centre - size / 2, centre + size / 2], axis=1)
        corners = corners * np.float32([width, height] * 2)
        left, top, right, bottom = self.region
        shown = np.float32([right - left, bottom - top] * 2)
        image = np.float32(self.size * 2)
        return ((corners - np.float32([left, top] * 2)) * image / shown).clip(0, image)


@dataclass(frozen=True)
class EncodedImage:
    """Output of the graph of the image side, without padding.

    Attributes:
        placed: The image on the canvas.
        tokens: (1, n, C) float32.
        positions: Which tokens of the canvas they are, (1, n) int64.
    """

    placed: Placed
    tokens: np.ndarray
    positions: np.ndarray


class Predictor:
    """The exported model of a folder. Several threads may share it.

    Args:
        folder: Folder that ``tools/export_onnx.py`` wrote; that of this file unless
            given.
        threads: Number of threads of onnxruntime; all cores unless given.

    Raises:
        FileNotFoundError: There is no exported model in the folder.
        ImportError: onnxruntime or tokenizers is not installed.
        ValueError: The model is damaged or of another format, or ``threads`` is not
            positive.
    """

    def __init__(
        self, folder: str | Path | None = None, threads: int | None = None
    ) -> None:
        try:
            # reading and placing an image does not need them
            import onnxruntime
            from tokenizers import Tokenizer
        except ImportError as error:
            raise ImportError(
                f'{error}: pip install onnxruntime numpy pillow tokenizers'
            ) from error
        if threads is not None and threads < 1:
            raise ValueError(f'threads must be at least 1, got {threads}')
        folder = Path(__file__).parent if folder is None else Path(folder)
        self.contract = _read_contract(folder)
        options = onnxruntime.SessionOptions()
        if threads is not None:
            options.intra_op_num_threads = threads
        # warnings are of no use to who asks for boxes
        options.log_severity_level = 3

        def open_graph(path: str) -> onnxruntime.InferenceSession:
            return onnxruntime.InferenceSession(
                path, options, providers=['CPUExecutionProvider']
            )

        self._image_side = _open_part(folder / 'image.onnx', open_graph)
        self._text_side = _open_part(folder / 'text.onnx', open_graph)
        self._tokenizer = _open_part(
            folder / 'tokenizer' / 'tokenizer.json', Tokenizer.from_file
        )

    def __call__(self, image: Any, texts: str | Sequence[str]) -> dict:
        """Find what sentences name.

        Args:
            image: See :meth:`encode`.
            texts: One sentence, or several.

        Returns:
            ``text``, the sentences as the model got them; ``bboxes`` (k, 4), lists of
            ``xyxy`` in pixels of the image; ``truncated``, for each sentence whether it
            was longer than the model reads.

        Raises:
            FileNotFoundError, ValueError: See :meth:`encode` and :meth:`ground`.
        """
        texts = self.read_texts(texts)
        boxes, truncated = self.ground(self.encode(image), texts)
        return dict(text=texts, bboxes=boxes.tolist(), truncated=truncated)

    def encode(self, image: Any) -> EncodedImage:
        """Read and encode an image, once for all sentences.

        Args:
            image: A file, a Pillow image, or an array (H, W, 3), uint8, RGB.

        Raises:
            FileNotFoundError: There is no such file.
            ValueError: It cannot be read, or does not fit the canvas.
        """
        name = 'the image'
        if isinstance(image, Image.Image):
            image = image_to_rgb(image)
        elif not isinstance(image, np.ndarray):
            name, image = image, read_rgb(image)
        elif image.dtype != np.uint8 or image.shape[2:] != (3,) or not image.size:
            raise ValueError(
                'an image as an array must be (H, W, 3) uint8 RGB, got '
                f'{image.shape} {image.dtype}'
            )
        try:
            placed = self.place(image)
        except ValueError as error:
            height, width = image.shape[:2]
            raise ValueError(
                f'{name} ({width}x{height} pixels) cannot be prepared: {error}'
            ) from error
        return self.encode_placed(placed)

    def place(self, image: np.ndarray) -> Placed:
        """Place an image (H, W, 3), uint8, RGB, on the canvas; see :func:`place`."""
        return place(image, self.contract['placement'])

    def encode_placed(self, placed: Placed) -> EncodedImage:
        """Encode an image on the canvas."""
        feed = dict(pixels=placed.pixels[None], region=np.int64([placed.region]))
        names = ['image_tokens', 'image_padding']
        tokens, padding = self._image_side.run(names, feed)
        kept = np.flatnonzero(~padding[0])
        return EncodedImage(placed, tokens[:, kept], kept[None].astype(np.int64))

    def read_texts(self, texts: str | Sequence[str]) -> list[str]:
        """Bring sentences into the form that the model was trained with.

        Raises:
            ValueError: See :func:`read_texts`.
        """
        texts = read_texts([texts] if isinstance(texts, str) else texts)
        return [text.lower() for text in texts] if self.contract['lowercase'] else texts

    def ground(
        self, image: EncodedImage, texts: str | Sequence[str]
    ) -> tuple[np.ndarray, list[bool]]:
        """Ask any number of sentences of an encoded image.

        Args:
            image: Output of :meth:`encode`.
            texts: One sentence, or several.

        Returns:
            Boxes (k, 4) ``xyxy`` in pixels of the image, float32, and for each sentence
            whether its end was left out.

        Raises:
            ValueError: See :meth:`read_texts`; or a box is not finite.
        """
        boxes, truncated = self.ask(image, self.read_texts(texts))
        if not np.isfinite(boxes).all():
            raise ValueError(
                'the model gives a box that is not finite; its weights are damaged, or '
                'it was trained until it diverged'
            )
        return image.placed.to_image(boxes), truncated

    def ask(
        self, image: EncodedImage, texts: Sequence[str]
    ) -> tuple[np.ndarray, list[bool]]:
        """Run the text side, as :meth:`ground` does.

        Returns:
            Boxes (k, 4) ``cxcywh`` in [0, 1], relative to the canvas, and for each
            sentence whether its end was left out.
        """
        boxes, truncated = [], []
        for first in range(0, len(texts), BATCH):
            encoded = self._tokenizer.encode_batch(list(texts[first : first + BATCH]))
            feed = dict(
                image_tokens=image.tokens,
                image_positions=image.positions,
                input_ids=np.int64([one.ids for one in encoded]),
                attention_mask=np.int64([one.attention_mask for one in encoded]),
            )
            boxes += self._text_side.run(['boxes'], feed)
            truncated += [bool(one.overflowing) for one in encoded]
        return np.concatenate(boxes), truncated


# ------------------------------------------------------------------------- texts


def read_texts(texts: Sequence[str]) -> list[str]:
    """Read expressions that are asked of an image; gives them without blanks around.

    Raises:
        ValueError: There is none, or one is no text, says nothing or is too long.
    """
    if not is_list(texts):
        raise ValueError(
            f'texts are an expression or a list of them, not {type(texts).__name__}'
        )
    for text in texts:
        if not isinstance(text, str):
            raise ValueError(f'an expression must be text, not {type(text).__name__}')
    texts = [text.strip() for text in texts]
    if not texts or not all(texts):
        raise ValueError('an expression is empty: say in words what to look for')
    for text in texts:
        wrong = wrong_text(text)
        if wrong is not None:
            raise ValueError(f'{wrong}: say in words what to look for')
    longest = max(texts, key=len)
    if len(longest) > MAX_CHARACTERS:
        raise ValueError(
            f'an expression has {len(longest)} characters, and at most '
            f'{MAX_CHARACTERS} are taken: {longest[:40]}...'
        )
    return texts


def is_list(value: object) -> bool:
    """Whether a value is a list or tuple, or like one; text and bytes are not."""
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def wrong_text(text: str) -> str | None:
    """Say it if an expression has nothing to read; ``None`` if it has."""
    if not text:
        return 'the expression is empty'
    if has_lone_surrogate(text):
        return f'the expression {text!a:.80} has half of a surrogate pair'
    # letters, numbers, punctuation and symbols; not controls, formats, spaces, marks
    if not any(
        unicodedata.category(letter)[0] in 'LNPS' and letter not in _INVISIBLE
        for letter in text
    ):
        return f'the expression {text!a:.80} has no visible character'
    return None


def has_lone_surrogate(text: str) -> bool:
    """Whether a text has half of a surrogate pair, which no file or log can hold."""
    return any('\ud800' <= letter <= '\udfff' for letter in text)


# ------------------------------------------------------------------------ images


def read_rgb(path: str | Path) -> np.ndarray:
    """Read an image file; see :func:`image_to_rgb`.

    Raises:
        FileNotFoundError: It is missing.
        ValueError: It is none of ``IMAGE_FORMATS``, broken, of more pixels than Pillow
            takes for an attack, or has pixels of an unknown range. Names the image.
    """
    with naming(path):
        with open(path, 'rb') as file:
            return image_to_rgb(open_image(io.BytesIO(file.read())))


def image_to_rgb(image: Image.Image) -> np.ndarray:
    """Convert a Pillow image to (H, W, 3) uint8, RGB, as the model gets it.

    Upright, as its EXIF orientation says; of an animation the first frame. 16-bit
    integers are scaled by 1/257, transparent pixels are laid on white, CMYK and other
    colour spaces are converted.

    Raises:
        ValueError: It has no pixels, or its pixels are floats or 32-bit integers, whose
            range is unknown.
    """
    if not all(image.size):
        raise ValueError(f'an image of {image.width} x {image.height} pixels is none')
    source = image.format
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith('I;16') or (
        image.mode == 'I' and source in ('PNG', 'PPM')  # as older versions of Pillow do
    ):
        levels = np.asarray(image).astype(np.uint32)
        grey = ((levels + 128) // 257).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=2)
    if image.mode[0] in 'IF':
        kind = 'floating-point' if image.mode == 'F' else '32-bit'
        raise ValueError(
            f'its pixels are {kind} numbers, whose range is not known; convert it to 8 '
            'or 16 bits'
        )
    if image.mode in _WITH_ALPHA or 'transparency' in image.info:
        image = image.convert('RGBA')
        white = Image.new('RGBA', image.size, 'white')
        image = Image.alpha_composite(white, image)
    return np.asarray(image.convert('RGB'))


def open_image(file: BinaryIO) -> Image.Image:
    """Open an image of one of ``IMAGE_FORMATS``; its pixels are not decoded yet."""
    Image.init()
    # older versions of Pillow have no AVIF
    return Image.open(
        file, formats=[name for name in IMAGE_FORMATS if name in Image.OPEN]
    )


@contextmanager
def naming(path: str | Path) -> Iterator[None]:
    """Name the image in what goes wrong with it.

    Raises:
        FileNotFoundError: It is missing.
        ValueError: It cannot be read, or is a device or a pipe, which may never end.
    """
    if os.path.exists(path) and not os.path.isfile(path):
        raise ValueError(f'{path} cannot be read as an image: it is no ordinary file')
    try:
        yield
    except FileNotFoundError as error:
        raise FileNotFoundError(f'there is no image {path}') from error
    except UnidentifiedImageError as error:
        raise ValueError(
            f'{path} cannot be read as an image: it is none of the formats '
            f'{", ".join(IMAGE_FORMATS)}'
        ) from error
    except Exception as error:
        raise ValueError(f'{path} cannot be read as an image: {error}') from error


def place(image: np.ndarray, placement: dict) -> Placed:
    """Place an image on the canvas.

    Args:
        image: (H, W, 3), uint8, RGB.
        placement: ``canvas`` (h, w), and ``resize``: the (w, h) into which the image is
            fitted in its aspect ratio, or ``None`` if it keeps its size.

    Raises:
        ValueError: It does not fit, or is too narrow: see :func:`scale_to_fit`.
    """
    height, width = image.shape[:2]
    canvas_height, canvas_width = placement['canvas']
    shape = width, height
    if placement['resize'] is not None:
        most_wide, most_high = placement['resize']
        scale = scale_to_fit(width, height, most_wide, most_high)
        shape = int(width * scale + 0.5), int(height * scale + 0.5)
    if shape[0] > canvas_width or shape[1] > canvas_height:
        raise ValueError(
            f'it does not fit the canvas of {canvas_width}x{canvas_height} pixels; '
            'make it smaller'
        )
    left, top = (canvas_width - shape[0]) // 2, (canvas_height - shape[1]) // 2
    right, bottom = left + shape[0], top + shape[1]
    pixels = np.zeros((canvas_height, canvas_width, 3), np.uint8)
    pixels[top:bottom, left:right] = resize(image, *shape)
    return Placed(pixels, (left, top, right, bottom), (width, height))


def scale_to_fit(width: int, height: int, most_wide: int, most_high: int) -> float:
    """Scale at which an image is as large as fits a rectangle.

    Raises:
        ValueError: It is so narrow that less than half a pixel is left of a side.
    """
    scale = min(most_wide / width, most_high / height)
    if scale * min(width, height) < 0.5:
        raise ValueError(
            f'resized to fit {most_wide}x{most_high} pixels, nothing is left of '
            f'its {"width" if width < height else "height"}; crop it'
        )
    return scale


def resize(image: np.ndarray, width: int, height: int) -> np.ndarray:
    """Resize an image (H, W, C), uint8, as ``cv2.resize`` with ``INTER_LINEAR`` does.

    In OpenCV's own fixed-point numbers: Pillow's bilinear filter averages more pixels
    when it shrinks an image, and differs by several grey levels.
    """
    if (width, height) == image.shape[1::-1]:
        return image
    left, right, columns = _neighbours(image.shape[1], width)
    above, below, rows = _neighbours(image.shape[0], height)
    # at the left and right edge OpenCV takes the pixel itself, at the others a mixture
    # of it with itself, which is rounded
    columns[left == right] = 0
    columns = [part[None, :, None] for part in _fixed_point(columns)]
    rows = [part[:, None, None] for part in _fixed_point(rows)]
    total = 2
    for neighbour, row in zip((above, below), rows, strict=True):
        lines = image[neighbour]
        mixed = lines[:, left] * columns[0] + lines[:, right] * columns[1]
        total = total + (((mixed >> 4) * row) >> 16)
    return (total >> 2).astype(np.uint8)


def _neighbours(old: int, new: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each new pixel the two old ones beside its centre, and its way between."""
    centre = ((np.arange(new) + 0.5) * (old / new) - 0.5).astype(np.float32)
    first = np.floor(centre)
    between = centre - first
    first = first.astype(np.int64)
    return first.clip(0, old - 1), (first + 1).clip(0, old - 1), between


def _fixed_point(between: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights of the two neighbours."""
    one = np.float32(1 << _COEFFICIENT_BITS)
    return tuple(
        np.rint(part * one).astype(np.int32) for part in (1 - between, between)
    )


# ------------------------------------------------------------------------ folder


def _read_contract(folder: Path) -> dict:
    """Read ``model.json``."""
    path = folder / 'model.json'
    try:
        contract = json.loads(path.read_text(encoding='utf-8'))
        found = contract['format']
    except (FileNotFoundError, NotADirectoryError) as error:
        raise FileNotFoundError(
            f'there is no exported model in {folder}: {path.name} is missing; write '
            'one with tools/export_onnx.py'
        ) from error
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f'{path} is damaged: {error!r}') from error
    if found != FORMAT:
        raise ValueError(
            f'{path} has the format {found!r}, and {FORMAT} is read: export the model '
            'again'
        )
    return contract


def _open_part(path: Path, open_it: Callable[[str], Any]) -> Any:
    if not path.is_file():
        raise FileNotFoundError(f'{path} is missing: export the model again')
    try:
        return open_it(str(path))
    except Exception as error:  # of onnxruntime and tokenizers, of many types
        reason = str(error).partition('\n')[0]
        raise ValueError(f'{path} cannot be opened: {reason}') from error


# ---------------------------------------------------------------------- command line


def main() -> int:
    """Print a box for each sentence."""
    parser = argparse.ArgumentParser(
        description='Find in an image what each sentence names. Prints a box for each, '
        'x1 y1 x2 y2 in pixels of the image.',
        epilog='example: python predict.py photo.jpg "the left dog" "the brown dog"',
    )
    parser.add_argument('image', help='image file')
    parser.add_argument('sentences', nargs='+', metavar='SENTENCE')
    parser.add_argument(
        '--threads', type=int, metavar='N', help='threads to compute in (default: all)'
    )
    args = parser.parse_args()
    try:
        result = Predictor(threads=args.threads)(args.image, args.sentences)
    except (ImportError, OSError, ValueError) as error:
        print(f'error: {error}', file=sys.stderr)
        return 1
    columns = result['text'], result['bboxes'], result['truncated']
    for text, bbox, truncated in zip(*columns, strict=True):
        box = ' '.join(f'{number:.1f}' for number in bbox)
        note = ' (longer than the model reads: its end was left out)'
        print(f'{args.image}: {text}: {box}{note if truncated else ""}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
