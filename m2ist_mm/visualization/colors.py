"""Colours of drawings."""

import colorsys

Color = tuple[int, int, int]

# bright enough for dark images, and dark enough for white paper and white letters
_PALETTE = (
    (255, 110, 0),  # orange
    (0, 114, 255),  # blue
    (0, 160, 70),  # green
    (230, 0, 150),  # magenta
    (125, 60, 225),  # purple
    (0, 165, 185),  # cyan
    (215, 20, 35),  # red
    (135, 135, 0),  # olive
    (150, 85, 35),  # brown
    (20, 50, 140),  # navy
)
_MAX_LUMA = 145
_GOLDEN_ANGLE = 0.618034  # of a circle of 1: hues that never come close


def expression_colors(k: int) -> list[Color]:
    """Give each of k expressions a colour.

    The colours of the first expressions stay as they are when others follow.

    Args:
        k: Number of expressions.

    Returns:
        k colours (r, g, b), 0 to 255, on which white letters can be read; the first
        ten are easy to tell apart.
    """
    colors = list(_PALETTE[:k])
    for index in range(len(colors), k):
        hue, light = index * _GOLDEN_ANGLE % 1, (0.35, 0.5, 0.42)[index % 3]
        red, green, blue = (255 * one for one in colorsys.hls_to_rgb(hue, light, 0.9))
        dark = min(1, _MAX_LUMA / (0.299 * red + 0.587 * green + 0.114 * blue))
        colors.append((round(dark * red), round(dark * green), round(dark * blue)))
    return colors
