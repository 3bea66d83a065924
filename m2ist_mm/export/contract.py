"""What has to be known beside the graphs to run them: ``model.json``."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace

from ..datasets.transforms import PackRECInputs, PadToCanvas, ResizeToFit
from ..models.grounders import SideTunedGrounder
from ..standalone.predict import FORMAT
from ..version import __version__
from .image_side import ImageSide
from .text_side import TextSide


def describe(
    name: str,
    model: SideTunedGrounder,
    pipeline: Sequence[Callable],
    lowercase: bool,
) -> dict:
    """Describe an exported model.

    Args:
        name: Its config.
        model: The grounder.
        pipeline: Steps of the test pipeline after the reading of an image.
        lowercase: Whether the dataset lowers capitals.

    Returns:
        What goes into ``model.json``: ``format``, ``model``, ``m2ist_mm`` (version),
        ``input_spec`` (see :class:`InputSpec`), ``lowercase``, ``placement`` (see
        :func:`read_placement`) and ``graphs``, with inputs and outputs of each.

    Raises:
        ValueError: See :func:`read_placement`.
    """
    spec = model.data_preprocessor.input_spec
    height, width = spec.size
    tokens = model.backbone.vision.grid[0] * model.backbone.vision.grid[1]
    return dict(
        format=FORMAT,
        model=name,
        m2ist_mm=__version__,
        # its own name may be a path on this machine
        input_spec=asdict(replace(spec, tokenizer='tokenizer/tokenizer.json')),
        lowercase=lowercase,
        placement=read_placement(pipeline, spec.size),
        graphs=dict(
            image=_graph(
                ImageSide,
                f'the canvas, uint8 (1, {height}, {width}, 3), RGB; mean, std, '
                'channel_order and pad_value of input_spec are in the graph',
                'canvas pixels that show the image, x1 y1 x2 y2, int64 (1, 4)',
                f'float32 (1, {tokens}, C)',
                f'bool (1, {tokens}), true = padding',
            ),
            text=_graph(
                TextSide,
                'those of image.onnx that are no padding, float32 (1, n, C)',
                f'which of the {tokens} they are, from 0, int64 (1, n)',
                f'int64 (E, L): E sentences of at most {spec.max_tokens} tokens',
                'int64 (E, L), 1 = token, 0 = padding on the right',
                'float32 (E, 4): cx, cy, width, height in [0, 1] of the canvas',
            ),
        ),
    )


def _graph(side: type, *meanings: str) -> dict:
    meanings = iter(meanings)
    return dict(
        inputs={name: next(meanings) for name in side.inputs},
        outputs={name: next(meanings) for name in side.outputs},
    )


def read_placement(pipeline: Sequence[Callable], canvas: tuple[int, int]) -> dict:
    """Read how a test pipeline places an image on the canvas.

    Args:
        pipeline: Steps after the reading of an image.
        canvas: (h, w) in pixels.

    Returns:
        ``resize``, (w, h): the image is resized to the largest size of its aspect ratio
        that fits it, by ``interpolation``, or ``None``; ``canvas`` (h, w), in whose
        centre it lies (``position``).

    Raises:
        ValueError: A step does something else.
    """
    *place, pack = pipeline
    size = None
    if place and type(place[0]) is ResizeToFit:
        step, *place = place
        if (step.backend, step.interpolation) == ('cv2', 'bilinear'):
            size = list(step.scale)
        else:
            place.insert(0, step)
    good = (
        len(place) == 1
        and type(place[0]) is PadToCanvas
        and place[0].deterministic
        and place[0].size == canvas[::-1]
        and isinstance(pack, PackRECInputs)
    )
    if not good:
        steps = ', '.join(type(step).__name__ for step in pipeline)
        raise ValueError(
            f'the test pipeline ({steps}) cannot be exported: after the image is read '
            'it may only ResizeToFit (bilinear), PadToCanvas to the canvas '
            f"{canvas[1]}x{canvas[0]} with position='center', and PackRECInputs"
        )
    return dict(
        resize=size,
        interpolation='bilinear, without antialiasing, as OpenCV',
        canvas=list(canvas),
        position='center',
    )
