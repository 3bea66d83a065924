"""Draw RefShapes: scenes of shapes with expressions that each name one of them.

The result lies on disk as RefCOCO does::

    OUT/train2014/COCO_train2014_000000000001.jpg ...   all splits' images
    OUT/refshapes/instances.json                        COCO annotations
    OUT/refshapes/refs(unc).p                           referents and expressions
    OUT/refshapes/detection_{train,val}.json            COCO annotations of a split
    OUT/refshapes/recipe.json                           the parameters used

so whatever reads RefCOCO reads it too. Two keys are added to RefCOCO's: each
sentence has its ``kind`` (attribute, place, order, superlative or relation) and
each annotation its ``texture``. A category is a colour and a kind of shape; in the
detection files, which pre-train vision towers, it is texture, colour and kind.

Splits (no scene is in two of them):

- train, val: 4 to 8 shapes, of the combinations of kind and colour not held out.
- testA: the same combinations, crowded: 7 to 9 shapes and three times the clutter.
- testB: every referent is of a held-out combination, which no other split shows
  anywhere; the other shapes of its scenes are of any combination.

Only numpy and opencv are needed. Same parameters, same seed: same data.
"""

import argparse
import json
import math
import os
import pickle
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

VERSION = 1  # raise it whenever the same parameters give other data

SHAPE_KINDS = ('circle', 'square', 'triangle', 'star', 'cross', 'ring')
COLOURS = {  # RGB, and whether the texture on it is light or dark
    'red': ((222, 34, 34), 'light'),
    'green': ((34, 168, 52), 'light'),
    'blue': ((36, 84, 232), 'light'),
    'yellow': ((250, 226, 30), 'dark'),
    'purple': ((138, 42, 190), 'light'),
    'orange': ((250, 132, 14), 'dark'),
    'pink': ((252, 158, 206), 'dark'),
    'white': ((250, 250, 250), 'dark'),
}
TEXTURES = ('plain', 'striped', 'dotted')
# One colour a kind and at most one kind a colour, so that train shows every kind
# and every colour, only never these six together.
HELD_OUT = frozenset(
    (kind, tuple(COLOURS)[(3 * i + 1) % len(COLOURS)])
    for i, kind in enumerate(SHAPE_KINDS)
)
COMBINATIONS = tuple((kind, colour) for kind in SHAPE_KINDS for colour in COLOURS)
SEEN = tuple(c for c in COMBINATIONS if c not in HELD_OUT)

# Share of each kind of expression that the writer steers to.
EXPRESSION_MIX = {
    'attribute': 0.30,
    'place': 0.15,
    'order': 0.15,
    'superlative': 0.20,
    'relation': 0.20,
}
REFERENTS_PER_IMAGE = 5
BASE_SIZE = 160  # all lengths below are pixels of an image of this size


@dataclass(frozen=True)
class SplitPlan:
    """What the scenes of one split are like."""

    name: str
    images: int
    num_shapes: tuple  # fewest and most
    clutter: int  # multiple of the ordinary amount
    held_out: bool  # referents of the held-out combinations, and only those


# --------------------------------------------------------------------- scenes


@dataclass(frozen=True)
class Shape:
    """One object of a scene; ``box`` is xywh in pixels, tight on its mask."""

    kind: str
    colour: str
    texture: str
    box: tuple

    @property
    def centre(self):
        """Centre of the box (x, y) in pixels."""
        x, y, w, h = self.box
        return x + w / 2, y + h / 2

    @property
    def side(self):
        """Longer side of the box in pixels."""
        return max(self.box[2:])

    @property
    def area(self):
        """Area of the box in square pixels."""
        return self.box[2] * self.box[3]


@dataclass(frozen=True)
class Scene:
    """The shapes of one square image of ``size`` pixels a side."""

    size: int
    shapes: tuple

    @property
    def unit(self):
        """Pixels of this image per pixel of an image of BASE_SIZE."""
        return self.size / BASE_SIZE


def pick(rng, items, weights=None):
    """One of ``items``; many times faster than ``Generator.choice``."""
    if weights is None:
        return items[int(rng.random() * len(items))]
    mark = rng.random() * sum(weights)
    for item, weight in zip(items, weights, strict=True):
        mark -= weight
        if mark < 0:
            return item
    return items[-1]


def outline(kind):
    """Corners of a kind of shape (n, 2), y down, within the unit circle or box."""
    if kind == 'square':
        points = [(-1, -1), (1, -1), (1, 1), (-1, 1)]
    elif kind == 'triangle':
        points = [(0, -0.9), (1, 0.85), (-1, 0.85)]
    elif kind == 'cross':
        a = 0.3
        points = [(-a, -1), (a, -1), (a, -a), (1, -a), (1, a), (a, a)]
        points += [(-x, -y) for x, y in points]
    else:  # star
        turns = np.arange(10) * math.pi / 5 - math.pi / 2
        radii = np.where(np.arange(10) % 2, 0.42, 1.0)
        points = np.stack([radii * np.cos(turns), radii * np.sin(turns)], 1)
    return np.array(points, np.float64)


OUTLINES = {k: outline(k) for k in ('square', 'triangle', 'cross', 'star')}
OVERSAMPLING = 4
RIM = 6  # oversampled pixels


def draw_shape(kind, colour, texture, side, rng):
    """Draw one shape on a patch of its own.

    Args:
        side (float): Width of the shape before rotation, pixels.

    Returns:
        tuple: Colours (n, n, 3) RGB and opacity (n, n), float32, 0 to 255 and
        0 to 1.
    """
    n = int(side * 1.3) + 4
    wide = n * OVERSAMPLING
    middle, radius = wide / 2, side * OVERSAMPLING / 2
    mask = np.zeros((wide, wide), np.uint8)
    if kind in OUTLINES:
        turn = math.radians(rng.uniform(-12, 12))
        rotation = np.array(
            [
                [math.cos(turn), math.sin(turn)],
                [-math.sin(turn), math.cos(turn)],
            ]
        )
        points = OUTLINES[kind] @ rotation * radius + middle
        cv2.fillPoly(mask, [np.round(points).astype(np.int32)], 255)
    else:
        centre = (round(middle), round(middle))
        cv2.circle(mask, centre, round(radius), 255, -1)
        if kind == 'ring':
            cv2.circle(mask, centre, round(radius * 0.52), 0, -1)
    rgb, tone = COLOURS[colour]
    shade = np.clip(np.array(rgb) * rng.uniform(0.93, 1.02), 0, 255)
    paint = np.broadcast_to(shade, (wide, wide, 3)).astype(np.float32)
    if texture != 'plain':
        paint = paint.copy()
        ink = (255, 255, 255) if tone == 'light' else shade * 0.25
        # A rim of plain colour keeps the outline clear on a ground like the ink.
        rim = np.ones((2 * RIM + 1, 2 * RIM + 1), np.uint8)
        inner = cv2.erode(mask, rim) > 0
        paint[inner & texture_mask(texture, side, wide, rng)] = ink
    paint = cv2.resize(paint, (n, n), interpolation=cv2.INTER_AREA)
    opacity = cv2.resize(mask, (n, n), interpolation=cv2.INTER_AREA) / 255
    return paint, opacity.astype(np.float32)


def texture_mask(texture, side, wide, rng):
    """Where a texture puts its ink on an oversampled patch, bool (wide, wide)."""
    turn = rng.uniform(0, math.pi)
    y, x = np.mgrid[:wide, :wide].astype(np.float32) / OVERSAMPLING
    u = x * math.cos(turn) + y * math.sin(turn)
    if texture == 'striped':
        period = max(5.0, side / 5.5)
        return u / period % 1 < 0.42
    v = y * math.cos(turn) - x * math.sin(turn)
    period = max(5.5, side / 5)
    return (u / period % 1 - 0.5) ** 2 + (v / period % 1 - 0.5) ** 2 < 0.29**2


def draw_background(size, clutter, rng):
    """A dull ground with specks and thin lines, float32 (size, size, 3) RGB.

    It stays darker than white and greyer than every colour of the shapes.
    """
    tint = rng.uniform(60, 120) + rng.uniform(-14, 14, 3)
    cells = int(rng.integers(2, 9))
    relief = rng.uniform(-1, 1, (cells, cells, 3)) * (1, 0.3, 0.3)
    relief[..., 1:] += relief[..., :1]  # grey for the most part
    relief = cv2.resize(
        relief.astype(np.float32), (size, size), interpolation=cv2.INTER_CUBIC
    )
    image = tint + rng.uniform(5, 26) * relief
    ramp = np.linspace(-1, 1, size)[:, None, None] * rng.uniform(-25, 25)
    image = image + (ramp if rng.random() < 0.5 else ramp.transpose(1, 0, 2))
    grain = rng.standard_normal((size, size), np.float32)[..., None]
    image = (image + rng.uniform(1, 6) * grain).astype(np.float32)
    unit = size / BASE_SIZE
    for _ in range(clutter * int(rng.integers(2, 9))):
        start = rng.uniform(0, size, 2)
        end = start + rng.uniform(-30, 30, 2) * unit
        cv2.line(image, as_pixel(start), as_pixel(end), dull(rng), 1, cv2.LINE_AA)
    for _ in range(clutter * int(rng.integers(4, 20))):
        centre = as_pixel(rng.uniform(0, size, 2))
        cv2.circle(image, centre, int(rng.integers(0, 2)), dull(rng), -1)
    return np.clip(image, 0, 170)


def as_pixel(point):
    """A point as opencv wants it."""
    return int(point[0]), int(point[1])


def dull(rng):
    """A greyish colour for clutter."""
    return tuple(float(c) for c in rng.uniform(25, 165) + rng.uniform(-25, 25, 3))


def draw_scene(plan, size, rng):
    """Draw one scene.

    Args:
        plan (SplitPlan): What the split's scenes are like.
        size (int): Side of the image in pixels.
        rng (np.random.Generator): The only source of chance.

    Returns:
        tuple: The scene and its image, uint8 (size, size, 3) RGB.
    """
    fewest, most = plan.num_shapes
    while True:
        image = draw_background(size, plan.clutter, rng)
        taken = np.zeros((size, size), bool)
        shapes = []
        for kind, colour in draw_combinations(
            int(rng.integers(fewest, most + 1)), plan.held_out, rng
        ):
            shape = place_shape(kind, colour, image, taken, shapes, rng)
            if shape is not None:
                shapes.append(shape)
        # A scene that came out too empty is drawn again, never padded.
        if len(shapes) >= fewest and (not plan.held_out or any(map(unseen, shapes))):
            return Scene(size, tuple(shapes)), np.round(image).astype(np.uint8)


def unseen(shape):
    """Whether a shape is of a combination that train never shows."""
    return (shape.kind, shape.colour) in HELD_OUT


def draw_combinations(number, held_out, rng):
    """Kinds and colours of a scene's shapes, many alike in one or the other.

    Without look-alikes a bare attribute would nearly always be enough. With
    ``held_out`` about half are of the held-out combinations.
    """
    chosen = []
    while len(chosen) < number:
        pool = SEEN
        if held_out and len(chosen) % 2 == 0:
            pool = tuple(c for c in COMBINATIONS if c in HELD_OUT)
        if chosen:
            kind, colour = pick(rng, chosen)
            draw = rng.random()
            if draw < 0.40:
                pool = [c for c in pool if c[0] == kind] or pool
            elif draw < 0.62:
                pool = [c for c in pool if c[1] == colour] or pool
            elif draw < 0.72:
                pool = [c for c in pool if c == (kind, colour)] or pool
        chosen.append(pick(rng, pool))
    return chosen


def place_shape(kind, colour, image, taken, shapes, rng):
    """Draw a shape where there is room, or nothing after several attempts.

    Boxes overlap by an IoU of at most 0.05 and masks never, so every box is
    that of the visible shape.

    Args:
        image (np.ndarray): Drawn on in place.
        taken (np.ndarray): Pixels of the shapes before, with a rim; updated.
        shapes (list[Shape]): The shapes before.

    Returns:
        Shape | None: The shape, if there was room.
    """
    size = image.shape[0]
    unit = size / BASE_SIZE
    small = 16 if kind in ('star', 'cross', 'ring') else 14
    for attempt in range(10):
        # Log-uniform, and smaller as room runs out.
        ceiling = max(24, 52 - 6 * attempt)
        side = math.exp(rng.uniform(math.log(small), math.log(ceiling))) * unit
        texture = 'plain'
        # A texture needs room to be told from another.
        if side >= (24 if kind in ('circle', 'square') else 30) * unit:
            texture = pick(rng, TEXTURES, (2, 1.5, 1.5))
        paint, opacity = draw_shape(kind, colour, texture, side, rng)
        solid = opacity >= 0.5
        rows, columns = np.flatnonzero(solid.any(1)), np.flatnonzero(solid.any(0))
        top, bottom = int(rows[0]), int(rows[-1]) + 1
        left, right = int(columns[0]), int(columns[-1]) + 1
        width, height = right - left, bottom - top
        # The soft edge, one pixel around the box, is drawn too.
        patch = np.s_[top - 1 : bottom + 1, left - 1 : right + 1]
        touched = opacity[patch] > 0
        for _ in range(6):
            x = int(rng.integers(2, size - width - 1))
            y = int(rng.integers(2, size - height - 1))
            box = (x, y, width, height)
            window = np.s_[y - 1 : y + height + 1, x - 1 : x + width + 1]
            if (taken[window] & touched).any() or any(
                box_iou(box, other.box) > 0.05 for other in shapes
            ):
                continue
            alpha = opacity[patch][..., None]
            image[window] += alpha * (paint[patch] - image[window])
            rim = cv2.dilate(touched.astype(np.uint8), np.ones((3, 3), np.uint8))
            taken[window] |= rim.astype(bool)
            return Shape(kind, colour, texture, box)
    return None


def box_iou(a, b):
    """IoU of two xywh boxes."""
    w = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    h = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    if w <= 0 or h <= 0:
        return 0.0
    return w * h / (a[2] * a[3] + b[2] * b[3] - w * h)


# ------------------------------------------------------------------ semantics


@dataclass(frozen=True)
class Noun:
    """Attributes that describe shapes; None stands for any."""

    kind: str = None
    colour: str = None
    texture: str = None
    size: str = None  # 'small' or 'big'


@dataclass(frozen=True)
class Spec:
    """The meaning of an expression.

    ``word`` is the place, the superlative, the relation or the side counted
    from; ``rank`` counts from 1; ``anchors`` are the objects a relation is to.
    """

    form: str
    noun: Noun
    word: str = ''
    rank: int = 0
    anchors: tuple = ()


def matches(spec, scene, strict):
    """Shapes of a scene that an expression can be taken to mean.

    An expression is safe when both readings give the same one shape.

    Args:
        spec (Spec): The meaning.
        scene (Scene): The scene.
        strict (bool): Whether doubtful shapes are left out (a narrow reading
            of "small", "on the left", "above") or let in (a wide one).

    Returns:
        list[Shape]: The shapes; in both readings more than one where the
        lead of the best over the next is within the margin.
    """
    return MATCHERS[spec.form](spec, scene, strict)


def names_only(spec, scene, target):
    """Whether an expression means the target and nothing else, however read."""
    return all(matches(spec, scene, s) == [target] for s in (True, False))


def described(noun, scene, strict):
    """Shapes that have a noun's attributes."""
    return [
        s
        for s in scene.shapes
        if noun.kind in (None, s.kind)
        and noun.colour in (None, s.colour)
        and noun.texture in (None, s.texture)
        and (noun.size is None or is_of_size(s, noun.size, scene.unit, strict))
    ]


def is_of_size(shape, size, unit, strict):
    """Whether a shape is small (up to 22 to 27 pixels) or big (from 31 to 36)."""
    if size == 'small':
        return shape.side <= (22 if strict else 27) * unit
    return shape.side >= (36 if strict else 31) * unit


def match_attribute(spec, scene, strict):
    """The red circle: whatever has the attributes."""
    return described(spec.noun, scene, strict)


def match_place(spec, scene, strict):
    """The circle on the left: in that part of the image."""
    return [
        s
        for s in described(spec.noun, scene, strict)
        if is_at(s, spec.word, scene.size, strict)
    ]


def is_at(shape, place, size, strict):
    """Whether a shape's centre lies at a place, such as 'top left'."""
    x, y = (c / size for c in shape.centre)
    if place == 'middle':
        return max(abs(x - 0.5), abs(y - 0.5)) < (0.12 if strict else 0.24)
    reach = {'left': x, 'right': 1 - x, 'top': y, 'bottom': 1 - y}
    return all(reach[w] < (0.38 if strict else 0.56) for w in place.split())


# Coordinate and sign: what grows with the distance from a side.
FROM_SIDE = {'left': (0, 1), 'right': (0, -1), 'top': (1, 1), 'bottom': (1, -1)}


def match_order(spec, scene, strict):
    """The second square from the left: counted by centres."""
    axis, sign = FROM_SIDE[spec.word]
    ranked = sorted(
        (sign * s.centre[axis], i, s)
        for i, s in enumerate(described(spec.noun, scene, strict))
    )
    if spec.rank > len(ranked):
        return []
    here = ranked[spec.rank - 1][0]
    return [s for at, _, s in ranked if abs(at - here) < 7 * scene.unit]


def match_superlative(spec, scene, strict):
    """The leftmost circle, the biggest star.

    Outermost is by centre and by outer edge: where the two disagree, both
    shapes match. Size is the box's area, with a wider margin across kinds,
    which fill their boxes differently.
    """
    found = described(spec.noun, scene, strict)
    if not found:
        return []
    if spec.word in ('biggest', 'smallest'):
        sign = -1 if spec.word == 'biggest' else 1
        readings = [[sign * math.log(s.area) for s in found]]
        margin = math.log(1.4 if spec.noun.kind else 1.8)
    else:
        axis, sign = FROM_SIDE[spec.word]
        readings = [
            [sign * s.centre[axis] for s in found],
            [sign * s.centre[axis] - s.box[2 + axis] / 2 for s in found],
        ]
        margin = 6 * scene.unit
    return [
        s
        for i, s in enumerate(found)
        if any(values[i] < min(values) + margin for values in readings)
    ]


def match_relation(spec, scene, strict):
    """The circle left of the red square, closest to it, or between two."""
    anchors = []
    for noun in spec.anchors:
        found = described(noun, scene, False)
        if len(found) != 1:
            return []
        anchors += found
    found = [s for s in described(spec.noun, scene, strict) if s not in anchors]
    if spec.word == 'between':
        return [s for s in found if is_between(s, *anchors, strict)]
    if spec.word == 'closest':
        return closest(found, anchors[0], scene.unit)
    return [s for s in found if is_beside(s, anchors[0], spec.word, scene.unit, strict)]


def is_beside(shape, anchor, side, unit, strict):
    """Whether a shape is to one side ('left', 'top', ...) of another.

    Narrowly: clear of it and within 45 degrees of straight; widely: its
    centre is on that side of the other's, or nearly so.
    """
    axis, sign = FROM_SIDE[side]
    ahead = sign * (anchor.centre[axis] - shape.centre[axis])
    if not strict:
        return ahead > -4 * unit
    aside = abs(anchor.centre[1 - axis] - shape.centre[1 - axis])
    gap = ahead - (shape.box[2 + axis] + anchor.box[2 + axis]) / 2
    return gap > -2 * unit and aside <= ahead


def closest(found, anchor, unit):
    """Shapes nearest to another, by centres or by the gap between the boxes."""
    if not found:
        return []
    distances = [math.dist(s.centre, anchor.centre) for s in found]
    gaps = [
        math.hypot(
            *(
                max(
                    0,
                    abs(s.centre[k] - anchor.centre[k])
                    - (s.box[2 + k] + anchor.box[2 + k]) / 2,
                )
                for k in (0, 1)
            )
        )
        for s in found
    ]
    return [
        s
        for s, distance, gap in zip(found, distances, gaps, strict=True)
        if distance < 1.3 * min(distances) or gap < min(gaps) + 5 * unit
    ]


def is_between(shape, a, b, strict):
    """Whether a shape lies near the line from one to another, off its ends."""
    start, end, point = (np.array(s.centre) for s in (a, b, shape))
    line = end - start
    length = float(np.hypot(*line))
    offset = point - start
    along = float(offset @ line) / length**2
    aside = abs(float(offset[0] * line[1] - offset[1] * line[0])) / length**2
    if strict:
        return 0.25 <= along <= 0.75 and aside <= 0.2
    return 0 < along < 1 and aside <= 0.45


MATCHERS = {
    'attribute': match_attribute,
    'place': match_place,
    'order': match_order,
    'superlative': match_superlative,
    'relation': match_relation,
}


# ---------------------------------------------------------------- expressions

# Which attributes a noun names, and how often it is tried.
ATTRIBUTE_NOUNS = {
    ('kind',): 1,
    ('colour',): 1.5,
    ('texture',): 1,
    ('colour', 'kind'): 3,
    ('texture', 'kind'): 1.5,
    ('texture', 'colour'): 1,
    ('size', 'kind'): 1.5,
    ('size', 'colour'): 1.5,
    ('texture', 'colour', 'kind'): 1,
    ('size', 'colour', 'kind'): 1.5,
}
OTHER_NOUNS = {
    (): 1,
    ('kind',): 3,
    ('colour',): 1.5,
    ('colour', 'kind'): 1.5,
    ('texture',): 0.4,
    ('texture', 'kind'): 0.4,
    ('size',): 0.3,
    ('size', 'kind'): 0.3,
}
ANCHOR_NOUNS = {
    ('colour', 'kind'): 4,
    ('kind',): 2,
    ('colour',): 1,
    ('texture', 'kind'): 1,
    ('texture', 'colour', 'kind'): 0.5,
}
PLACES = {  # and the group of PLACE_WORDS
    'left': 'side',
    'right': 'side',
    'top': 'level',
    'bottom': 'level',
    'middle': 'middle',
    'top left': 'corner',
    'top right': 'corner',
    'bottom left': 'corner',
    'bottom right': 'corner',
}
SUPERLATIVES = ('left', 'right', 'top', 'bottom', 'biggest', 'smallest')
ORDINALS = {2: 'second', 3: 'third', 4: 'fourth'}


def draw_noun(shape, unit, choices, rng):
    """A noun that is true of a shape, or None if the drawn one cannot be."""
    named = pick(rng, tuple(choices), tuple(choices.values()))
    attributes = {name: getattr(shape, name) for name in named if name != 'size'}
    if 'size' in named:
        sizes = [s for s in ('small', 'big') if is_of_size(shape, s, unit, True)]
        if not sizes:
            return None
        attributes['size'] = sizes[0]
    return Noun(**attributes)


def draw_spec(form, scene, target, rng):
    """A meaning of a form that may fit a target, or None; not yet checked."""
    choices = ATTRIBUTE_NOUNS if form == 'attribute' else OTHER_NOUNS
    noun = draw_noun(target, scene.unit, choices, rng)
    if noun is None or not worth_saying(noun, scene):
        return None
    if form == 'attribute':
        return Spec(form, noun)
    rivals = described(noun, scene, True)
    if len(rivals) < 2:
        return None  # the noun alone would do
    if form == 'place':
        fitting = [p for p in PLACES if is_at(target, p, scene.size, True)]
        return Spec(form, noun, pick(rng, fitting)) if fitting else None
    if form == 'superlative':
        return Spec(form, noun, pick(rng, SUPERLATIVES))
    if form == 'order':
        side = pick(rng, tuple(FROM_SIDE))
        axis, sign = FROM_SIDE[side]
        at = sign * target.centre[axis]
        rank = 1 + sum(sign * s.centre[axis] < at for s in rivals)
        # The first and the last have plainer names.
        if rank not in ORDINALS or rank == len(rivals):
            return None
        return Spec(form, noun, side, rank)
    others = [s for s in scene.shapes if s != target]
    first = others.pop(int(rng.random() * len(others)))
    if rng.random() < 0.3:
        word, anchors = 'between', (first, pick(rng, others))
    else:
        sides = [s for s in FROM_SIDE if is_beside(target, first, s, scene.unit, True)]
        word, anchors = pick(rng, ['closest', *sides]), (first,)
    nouns = tuple(draw_noun(a, scene.unit, ANCHOR_NOUNS, rng) for a in anchors)
    if not all(worth_saying(n, scene) for n in nouns):
        return None
    return Spec(form, noun, word, anchors=nouns)


def worth_saying(noun, scene):
    """Whether 'plain', 'small' or 'big' tells shapes apart; else nobody says it."""
    if noun.texture != 'plain' and noun.size is None:
        return True
    plainer = replace(
        noun, size=None, texture=None if noun.texture == 'plain' else noun.texture
    )
    return len(described(plainer, scene, False)) > len(described(noun, scene, False))


def say_noun(noun, rng, may_trail=True):
    """Words for a noun, without article; ``may_trail`` allows 'with dots'."""
    words = []
    if noun.size:
        words.append(
            pick(
                rng, {'small': ('small', 'little'), 'big': ('big', 'large')}[noun.size]
            )
        )
    tail = ''
    if noun.texture:
        nouns = {'striped': ' with stripes', 'dotted': ' with dots'}
        if may_trail and noun.texture in nouns and rng.random() < 0.5:
            tail = nouns[noun.texture]
        else:
            words.append(noun.texture)
    if noun.colour:
        words.append(noun.colour)
    words.append(noun.kind or pick(rng, ('thing', 'object', 'shape')))
    return ' '.join(words) + tail


PLACE_WORDS = {
    'side': ('{n} on the {w}', '{n} on the {w} side', '{w} {n}', '{n} at the {w}'),
    'level': ('{n} at the {w}', '{n} near the {w}', '{w} {n}'),
    'corner': ('{n} in the {w} corner', '{w} {n}', '{n} at the {w}'),
    'middle': ('{n} in the middle', '{n} in the middle of the image'),
}
ORDER_WORDS = (
    '{o} {n} from the {w}',
    '{n} that is {o} from the {w}',
    '{o} {n} counting from the {w}',
)
SUPERLATIVE_WORDS = {
    'left': ('leftmost {n}', 'far left {n}', '{n} farthest to the left'),
    'right': ('rightmost {n}', 'far right {n}', '{n} farthest to the right'),
    'top': ('highest {n}', 'topmost {n}', '{n} nearest to the top'),
    'bottom': ('lowest {n}', '{n} nearest to the bottom'),
    'biggest': ('biggest {n}', 'largest {n}'),
    'smallest': ('smallest {n}', 'tiniest {n}'),
}
RELATION_WORDS = {
    'left': ('{n} left of the {a}', '{n} to the left of the {a}'),
    'right': ('{n} right of the {a}', '{n} to the right of the {a}'),
    'top': ('{n} above the {a}', '{n} higher than the {a}'),
    'bottom': ('{n} below the {a}', '{n} under the {a}', '{n} lower than the {a}'),
    'closest': ('{n} closest to the {a}', '{n} nearest to the {a}'),
    'between': ('{n} between the {a} and the {b}',),
}


def say(spec, rng):
    """An English expression for a meaning, lower case."""
    noun = spec.noun
    if spec.form == 'attribute':
        if noun == Noun(kind=noun.kind, colour=noun.colour) and (
            noun.kind and noun.colour and rng.random() < 0.15
        ):
            text = f'{noun.kind} that is {noun.colour}'
        elif noun == Noun(colour=noun.colour) and rng.random() < 0.25:
            text = f'{noun.colour} one'
        else:
            text = say_noun(noun, rng)
    else:
        n = say_noun(noun, rng, may_trail=False)
        if spec.form == 'place':
            group = PLACES[spec.word]
            text = pick(rng, PLACE_WORDS[group]).format(n=n, w=spec.word)
        elif spec.form == 'order':
            words = pick(rng, ORDER_WORDS)
            text = words.format(n=n, w=spec.word, o=ORDINALS[spec.rank])
        elif spec.form == 'superlative':
            text = pick(rng, SUPERLATIVE_WORDS[spec.word]).format(n=n)
        else:
            anchors = [say_noun(a, rng) for a in spec.anchors]
            words = pick(rng, RELATION_WORDS[spec.word])
            text = words.format(n=n, a=anchors[0], b=anchors[-1])
    return f'the {text}' if rng.random() < 0.45 else text


def write_expressions(scene, target, limit, counts, used, rng):
    """Expressions for one referent, steered to EXPRESSION_MIX.

    Args:
        limit (int): At most so many.
        counts (dict[str, int]): Expressions of each kind so far; updated.
        used (set[Spec]): Meanings expressed in this scene so far; updated.

    Returns:
        list[tuple[str, str]]: Kind and text of each; at most two of a kind.
    """
    written = []
    room = dict.fromkeys(EXPRESSION_MIX, 2)
    while len(written) < limit and room:
        total = sum(counts.values()) + 1
        form = max(room, key=lambda f: EXPRESSION_MIX[f] * total - counts[f])
        spec = find_spec(form, scene, target, used, rng)
        room[form] -= 1
        if spec is None or room[form] == 0:
            del room[form]
        if spec is not None:
            written.append((form, say(spec, rng)))
            counts[form] += 1
            used.add(spec)
    return written


def find_spec(form, scene, target, used, rng, attempts=40):
    """A meaning of a form, not used before, that names only the target, or None."""
    for _ in range(attempts):
        spec = draw_spec(form, scene, target, rng)
        if spec and spec not in used and names_only(spec, scene, target):
            return spec
    return None


# ---------------------------------------------------------------------- files


def make_refshapes(
    out,
    seed=0,
    train_images=3000,
    val_images=250,
    test_images=150,
    image_size=BASE_SIZE,
    expressions_per_object=4,
    overwrite=False,
):
    """Make the dataset, unless it is there already.

    Args:
        out (str | Path): Folder to make.
        seed (int): Seed, 0 or more.
        train_images (int): Images of train.
        val_images (int): Images of val.
        test_images (int): Images of testA, and of testB.
        image_size (int): Side of the images in pixels, 96 to 1024.
        expressions_per_object (int): At most so many for a referent, 1 to 10.
        overwrite (bool): Whether to replace a RefShapes of other parameters.

    Returns:
        bool: Whether it was made now.

    Raises:
        ValueError: If a parameter is out of range.
        FileExistsError: If ``out`` holds something else.
    """
    recipe = dict(
        version=VERSION,
        seed=seed,
        train_images=train_images,
        val_images=val_images,
        test_images=test_images,
        image_size=image_size,
        expressions_per_object=expressions_per_object,
    )
    check_recipe(recipe)
    # The folder a link points to is replaced, not the link.
    out = Path(out).resolve()
    if is_made(out, recipe, overwrite):
        print(f'{out}: already made with these parameters, nothing to do.')
        return False
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f'.{out.name}.') as tmp:
        fresh = Path(tmp) / 'fresh'
        write_files(fresh, recipe)
        if out.exists():
            os.replace(out, Path(tmp) / 'replaced')
        os.replace(fresh, out)
    return True


def check_recipe(recipe):
    """Raise ValueError, naming the parameter, if one is out of range."""
    ranges = dict(
        seed=(0, 2**32 - 1),
        train_images=(1, 10**6),
        val_images=(1, 10**6),
        test_images=(1, 10**6),
        image_size=(96, 1024),
        expressions_per_object=(1, 2 * len(EXPRESSION_MIX)),
    )
    for name, (low, high) in ranges.items():
        if not low <= recipe[name] <= high:
            raise ValueError(f'{name} is {recipe[name]}: give {low} to {high}.')


def is_made(out, recipe, overwrite):
    """Whether ``out`` holds just this; raise if it holds what must not be lost."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return False
    there = None
    if (out / 'refshapes' / 'recipe.json').is_file():
        try:
            there = json.loads((out / 'refshapes' / 'recipe.json').read_text())
        except ValueError:
            there = {}
    if there is None:
        raise FileExistsError(
            f'{out} holds something that is not RefShapes, which is never '
            'overwritten: give another folder or empty this one.'
        )
    if all(there.get(k) == v for k, v in recipe.items()):
        return True
    if not overwrite:
        raise FileExistsError(
            f'{out} holds RefShapes made with other parameters: give another '
            'folder, or --overwrite to replace it.'
        )
    return False


def write_files(root, recipe):
    """Draw all splits and write the whole dataset under a new folder."""
    images_dir, texts_dir = root / 'train2014', root / 'refshapes'
    images_dir.mkdir(parents=True)
    texts_dir.mkdir()
    tests = recipe['test_images']
    plans = (
        SplitPlan('train', recipe['train_images'], (4, 8), 1, False),
        SplitPlan('val', recipe['val_images'], (4, 8), 1, False),
        SplitPlan('testA', tests, (7, 9), 3, False),
        SplitPlan('testB', tests, (4, 8), 1, True),
    )
    categories = {c: i for i, c in enumerate(COMBINATIONS, start=1)}
    images, annotations, refs = [], [], []
    sent_id = 0
    for number, plan in enumerate(plans):
        start = time.monotonic()
        counts = dict.fromkeys(EXPRESSION_MIX, 0)
        for index in range(plan.images):
            # A scene of its own seed does not change with the number of others.
            rng = np.random.default_rng([recipe['seed'], number, index])
            scene, pixels = draw_scene(plan, recipe['image_size'], rng)
            image_id = len(images) + 1
            stem = f'COCO_train2014_{image_id:012d}'
            write_image(images_dir / f'{stem}.jpg', pixels)
            images.append(
                dict(
                    id=image_id,
                    file_name=f'{stem}.jpg',
                    height=scene.size,
                    width=scene.size,
                    license=1,
                )
            )
            referents = choose_referents(plan, scene, rng)
            used = set()
            for shape in scene.shapes:
                ann_id = len(annotations) + 1
                category_id = categories[shape.kind, shape.colour]
                annotations.append(
                    describe_annotation(shape, ann_id, image_id, category_id)
                )
                if shape not in referents:
                    continue
                written = write_expressions(
                    scene,
                    shape,
                    recipe['expressions_per_object'],
                    counts,
                    used,
                    rng,
                )
                if not written:
                    continue
                sentences = [
                    dict(
                        tokens=text.split(),
                        raw=text,
                        sent_id=sent_id + i,
                        sent=text,
                        kind=form,
                    )
                    for i, (form, text) in enumerate(written)
                ]
                sent_id += len(sentences)
                refs.append(
                    dict(
                        sent_ids=[s['sent_id'] for s in sentences],
                        file_name=f'{stem}_{ann_id}.jpg',
                        ann_id=ann_id,
                        ref_id=len(refs),
                        image_id=image_id,
                        split=plan.name,
                        sentences=sentences,
                        category_id=category_id,
                    )
                )
            if (index + 1) % 500 == 0:
                seconds = time.monotonic() - start
                print(
                    f'{plan.name}: {index + 1} of {plan.images} images, '
                    f'{seconds:.0f} s',
                    flush=True,
                )
        print(describe_mix(plan, counts), flush=True)
    instances = dict(
        info=dict(description='RefShapes', version=str(VERSION)),
        licenses=[dict(id=1, name='as the program that drew it', url='')],
        images=images,
        annotations=annotations,
        categories=[
            dict(id=i, name=f'{colour} {kind}', supercategory=kind)
            for (kind, colour), i in categories.items()
        ],
    )
    (texts_dir / 'instances.json').write_text(json.dumps(instances))
    for split in ('train', 'val'):
        of_split = {ref['image_id'] for ref in refs if ref['split'] == split}
        (texts_dir / f'detection_{split}.json').write_text(
            json.dumps(as_detection(instances, of_split))
        )
    with open(texts_dir / 'refs(unc).p', 'wb') as file:
        # Without memo the bytes depend on the values alone, not on which equal
        # strings happen to be one object.
        pickler = pickle.Pickler(file, protocol=2)
        pickler.fast = True
        pickler.dump(refs)
    held_out = sorted(f'{colour} {kind}' for kind, colour in HELD_OUT)
    (texts_dir / 'recipe.json').write_text(
        json.dumps(dict(recipe, held_out=held_out), indent=2) + '\n'
    )


def as_detection(instances, image_ids):
    """The scenes of one split for a detector, by texture, colour and kind."""
    names = {
        (texture, category['id']): f'{texture} {category["name"]}'
        for category in instances['categories']
        for texture in TEXTURES
    }
    ids = {key: i for i, key in enumerate(names, start=1)}
    return dict(
        instances,
        images=[image for image in instances['images'] if image['id'] in image_ids],
        annotations=[
            dict(shape, category_id=ids[shape['texture'], shape['category_id']])
            for shape in instances['annotations']
            if shape['image_id'] in image_ids
        ],
        categories=[dict(id=ids[key], name=name) for key, name in names.items()],
    )


def choose_referents(plan, scene, rng):
    """Shapes that get expressions: some of any, or all the held-out ones."""
    if plan.held_out:
        return list(filter(unseen, scene.shapes))
    chosen = rng.permutation(len(scene.shapes))[:REFERENTS_PER_IMAGE]
    return [scene.shapes[i] for i in chosen]


def write_image(path, pixels):
    """Write RGB pixels as JPEG, colour at full resolution so that it survives."""
    options = [
        cv2.IMWRITE_JPEG_QUALITY,
        95,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    ]
    if not cv2.imwrite(str(path), pixels[..., ::-1], options):
        raise OSError(f'{path} could not be written.')


def describe_annotation(shape, ann_id, image_id, category_id):
    """A COCO annotation; its segmentation is the box, as polygon."""
    x, y, w, h = shape.box
    return dict(
        id=ann_id,
        image_id=image_id,
        category_id=category_id,
        bbox=[x, y, w, h],
        area=w * h,
        iscrowd=0,
        segmentation=[[x, y, x + w, y, x + w, y + h, x, y + h]],
        texture=shape.texture,
    )


def describe_mix(plan, counts):
    """One line: a split's expressions, and the share of each kind."""
    total = sum(counts.values())
    mix = ', '.join(
        f'{form} {100 * n / max(total, 1):.1f} %' for form, n in counts.items()
    )
    return f'{plan.name}: {plan.images} images, {total} expressions: {mix}'


def parse_args(argv=None):
    """Command line; its options are the parameters of make_refshapes."""
    parser = argparse.ArgumentParser(
        description='Draw RefShapes, a synthetic dataset in the layout of RefCOCO.'
    )
    parser.add_argument('out', help='folder to make')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--train-images', type=int, default=3000, metavar='N')
    parser.add_argument('--val-images', type=int, default=250, metavar='N')
    parser.add_argument(
        '--test-images',
        type=int,
        default=150,
        metavar='N',
        help='images of testA, and of testB',
    )
    parser.add_argument(
        '--image-size', type=int, default=BASE_SIZE, metavar='PIXELS', help='96 to 1024'
    )
    parser.add_argument(
        '--expressions-per-object',
        type=int,
        default=4,
        metavar='N',
        help='at most so many expressions for one referent',
    )
    parser.add_argument(
        '--overwrite',
        action='store_true',
        help='replace a RefShapes made with other parameters',
    )
    return parser.parse_args(argv)


def main(argv=None):
    """Run from the command line; exit code 1 and one line on bad input."""
    try:
        make_refshapes(**vars(parse_args(argv)))
    except (ValueError, OSError) as error:
        sys.exit(f'make_refshapes: {error}')


if __name__ == '__main__':
    main()
