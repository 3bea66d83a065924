"""In whose pixels the ground truth of a sample is."""

from collections.abc import Mapping
from typing import Any

import torch
from mmdet.structures import DetDataSample
from torch import Tensor

from .placement import Placement

# of a pipeline's dict and of a packed sample: 'image' or 'canvas'
BOX_FRAME_KEY = 'box_frame'
_PIXELS_OF = dict(image='the original image', canvas='the canvas')
_REMEDIES = dict(
    image='load it last, right before PackRECInputs',
    canvas='load it first, before the transforms that move boxes',
)
_NEAR = 0.5  # pixels


def find_box_frame(boxes: Tensor, in_image: Tensor, placement: Placement) -> str | None:
    """Find in whose pixels the boxes at the end of a pipeline are.

    Args:
        boxes: (n, 4) ``xyxy``; each is one of ``in_image``, as it was loaded, or moved
            and clipped with the image.
        in_image: (m, 4) ``xyxy``, the sample's boxes in pixels of the original image.
        placement: Where the image lies on the canvas.

    Returns:
        ``'image'``: pixels of the original image; ``'canvas'``: pixels of the canvas;
        ``None`` where both are the same.

    Raises:
        ValueError: Neither; the boxes were loaded between transforms that move them.
    """
    boxes, in_image = boxes.double(), in_image.double()
    left, top, right, bottom = placement.to_canvas(torch.tensor([placement.window]))[0]
    low, high = (torch.stack(edges * 2) for edges in ([left, top], [right, bottom]))
    on_canvas = placement.to_canvas(in_image)
    clipped = on_canvas.clamp(low, high)
    if _are_among(boxes, in_image):
        same = _are_among(boxes, torch.cat([on_canvas, clipped]))
        return None if same else 'image'
    if _are_among(boxes.clamp(low, high), clipped):
        return 'canvas'
    raise ValueError(
        'the boxes are neither in pixels of the original image nor of the canvas: load '
        'the ground truth before all transforms that move boxes (training) or after '
        'them (validation, test); a transform that changes boxes on purpose sets '
        f"results['{BOX_FRAME_KEY}'] to 'image' or 'canvas'"
    )


def check_box_frame(sample: DetDataSample | Mapping[str, Any], wanted: str) -> None:
    """Refuse ground truth in the pixels of another frame.

    Args:
        sample: A packed sample or its dict. Nothing is refused if it does not say in
            whose pixels its boxes are.
        wanted: ``'image'`` or ``'canvas'``.

    Raises:
        ValueError: The boxes are in pixels of the other.
    """
    frame = sample.get(BOX_FRAME_KEY)
    if frame not in (None, wanted):
        raise ValueError(
            f'{sample.get("img_path")}: the ground truth is in pixels of '
            f'{_PIXELS_OF[frame]}, and is needed in those of {_PIXELS_OF[wanted]}: '
            f'{_REMEDIES[wanted]}'
        )


def _are_among(boxes: Tensor, known: Tensor) -> bool:
    """Whether each of boxes (n, 4) is one of the known boxes (m, 4)."""
    distances = (boxes[:, None] - known).abs().amax(dim=2)
    return bool((distances < _NEAR).any(dim=1).all())
