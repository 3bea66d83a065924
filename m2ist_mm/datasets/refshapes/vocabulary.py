"""What shapes can look like, and which combinations only testB shows."""

SHAPE_KINDS = ('circle', 'square', 'triangle', 'star', 'cross', 'ring')
COLORS = {  # RGB
    'red': (222, 34, 34),
    'green': (34, 168, 52),
    'blue': (36, 84, 232),
    'yellow': (250, 226, 30),
    'purple': (138, 42, 190),
    'orange': (250, 132, 14),
    'pink': (252, 158, 206),
    'white': (250, 250, 250),
}
# Too light for white stripes and dots: theirs are dark.
LIGHT_COLORS = ('yellow', 'orange', 'pink', 'white')
TEXTURES = {'plain': 2.0, 'striped': 1.5, 'dotted': 1.5}  # how often each is tried

COMBINATIONS = tuple((kind, color) for kind in SHAPE_KINDS for color in COLORS)
# One color per kind and at most one kind per color, so that train shows every kind and
# every color, only never these six together.
HELD_OUT = tuple(
    (kind, tuple(COLORS)[(3 * i + 1) % len(COLORS)])
    for i, kind in enumerate(SHAPE_KINDS)
)
SEEN = tuple(c for c in COMBINATIONS if c not in HELD_OUT)
