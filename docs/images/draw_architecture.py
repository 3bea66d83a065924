"""Draw docs/images/architecture.svg: python docs/images/draw_architecture.py."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Rectangle

# fill and edge
FROZEN = '#dbe9f6', '#2b6cb0'
TRAINED = '#ffe3c9', '#d9660a'
PLAIN = '#f4f4f4', '#777777'
LINE = '#444444'

Point = tuple[float, float]


class Drawing:
    """Boxes and arrows on one page, in units of its own."""

    def __init__(self, width: float, height: float) -> None:
        self.figure = Figure(figsize=(width / 11, height / 11))
        self.axes = self.figure.add_axes((0, 0, 1, 1), xlim=(0, width))
        self.axes.set(ylim=(0, height), aspect='equal')
        self.axes.axis('off')

    def box(
        self,
        left: float,
        bottom: float,
        width: float,
        height: float,
        text: str = '',
        colors: tuple[str, str] = PLAIN,
        size: float = 9,
        **style,
    ) -> None:
        """Draw a box with its text in the middle."""
        fill, edge = colors
        style = dict(facecolor=fill, edgecolor=edge, linewidth=1.2) | style
        shape = 'round,pad=0,rounding_size=0.8'
        self.axes.add_patch(
            FancyBboxPatch((left, bottom), width, height, boxstyle=shape, **style)
        )
        self.text(left + width / 2, bottom + height / 2, text, size)

    def text(self, x: float, y: float, text: str, size: float = 8, **style) -> None:
        """Write text around a point."""
        self.axes.text(
            x, y, text, **(dict(ha='center', va='center', fontsize=size) | style)
        )

    def arrow(self, *points: Point, color: str = LINE, style: str = '-') -> None:
        """Draw a line through points, with a head at the last."""
        first = points[:-1]
        if len(first) > 1:
            self.axes.plot(
                *zip(*first, strict=True),
                style,
                color=color,
                lw=1,
                solid_capstyle='butt',
            )
        self.axes.annotate(
            '',
            points[-1],
            points[-2],
            arrowprops=dict(
                arrowstyle='-|>', color=color, lw=1, ls=style, shrinkA=0, shrinkB=0
            ),
        )

    def plus(self, x: float, y: float) -> None:
        """Draw a sum: a circle of radius 1.6."""
        self.axes.plot(x, y, 'o', color=LINE, markerfacecolor='white', markersize=17)
        self.text(x, y, '+', 13)


def draw() -> Figure:
    """Draw the model: frozen towers, side adapters between them, and the head."""
    page = Drawing(148, 68)
    columns, names = (25, 39, 60), ('1', '2', 'N')
    # side: 1 is up, -1 is down
    for middle, side, title, name, given, shape in (
        (53, 1, 'Vision tower', 'encode_image', 'image', '(I, 3, H, W)'),
        (13, -1, 'Language tower', 'encode_text', 'expression', '(E, L)'),
    ):
        page.box(1, middle - 4, 11, 8, f'{given}\n{shape}', size=8)
        page.box(17, middle - 6, 51, 12, colors=FROZEN, linewidth=1.6)
        page.text(42, middle + side * 4.3, title, 10, weight='bold')
        for x, layer in zip(columns, names, strict=True):
            page.box(
                x - 5, middle - 2.8, 10, 5.6, f'layer {layer}', ('white', FROZEN[1])
            )
        for start, end in ((12, 20), (30, 34), (44, 47), (52, 55), (65, 76.4)):
            page.arrow((start, middle), (end, middle))
        page.text(49.5, middle, '…', 12)
        page.plus(78, middle)
        # the tower's input tokens, past the tower
        outside = middle + side * 9
        page.arrow(
            (14.5, middle),
            (14.5, outside),
            (78, outside),
            (78, middle + side * 1.6),
            style=':',
        )
        page.text(42, outside + side * 1.5, 'input tokens', 8)
        page.arrow((79.6, middle), (84, middle))
        page.box(84, middle - 3, 10, 6, 'Linear', TRAINED)
        page.text(81, middle + side * 12, name, 9, family='monospace', ha='right')
    _experts(page, columns)
    _head(page)
    for y, colors, text in (
        (35, FROZEN, 'frozen'),
        (31, TRAINED, 'trained'),
    ):
        page.box(2, y - 1.1, 3.4, 2.2, colors=colors)
        page.text(6.4, y, text, 8.5, ha='left')
    return page.figure


def _experts(page: Drawing, columns: Sequence[float]) -> None:
    """Draw the side adapters, their taps and their sums."""
    page.box(17, 22, 51, 22, colors=('#fff8f1', TRAINED[1]), linewidth=1.6, zorder=0.5)
    page.text(49.5, 41.5, 'M³ISA', 10, weight='bold')
    for x in columns:
        page.box(x - 5.5, 36, 6.5, 4.4, 'VEA', TRAINED)
        page.box(x - 5.5, 30.8, 11, 4.4, 'IEA', TRAINED)
        page.box(x - 5.5, 25.6, 6.5, 4.4, 'LEA', TRAINED)
        for tap, end, language_end in ((-2.2, 40.4, 25.6), (3.2, 35.2, 30.8)):
            page.arrow((x + tap, 50.2), (x + tap, end), color=FROZEN[1])
            page.arrow((x + tap, 15.8), (x + tap, language_end), color=FROZEN[1])
    page.text(columns[1] - 3, 45.6, 'FFN', 7.5, ha='right')
    page.text(columns[1] + 4, 45.6, 'attention', 7.5, ha='left')
    page.text(columns[1] - 3, 20.4, 'FFN', 7.5, ha='right')
    page.text(columns[1] + 4, 20.4, 'attention', 7.5, ha='left')
    page.text(49.5, 33, '…', 12)
    page.text(49.2, 26.5, 'one S for\nboth sides', 7)
    for y, end, text in (
        (38.2, 51.4, 'Σ (VEA + IEA)'),
        (27.8, 14.6, 'Σ (LEA + IEA)'),
    ):
        page.arrow((68, y), (78, y), (78, end), color=TRAINED[1])
        page.text(73, y + 1.4, text, 7.5)


def _head(page: Drawing) -> None:
    """Draw what grounds: tokens, V-L encoder, REG token, box."""
    page.arrow((94, 53), (103.5, 53), (103.5, 47.2))
    page.arrow((94, 13), (103.5, 13), (103.5, 18.8))
    rows = [('#c6dcf1', 5), ('#cde8cf', 4), (TRAINED[0], 1)]  # vision, text, REG
    bottom = 19.0
    for color, count in reversed(rows):
        for _ in range(count):
            page.axes.add_patch(
                Rectangle(
                    (102, bottom), 3, 2.4, facecolor=color, edgecolor=LINE, lw=0.8
                )
            )
            bottom += 2.8
    page.text(101, 20.2, 'REG', 8, ha='right')
    page.text(101, 27.2, 'text', 8, ha='right')
    page.text(101, 39.8, 'vision', 8, ha='right')
    page.arrow((105, 33), (110, 33))
    page.box(110, 19, 15, 28, 'V-L encoder', TRAINED, 10)
    page.arrow((125, 20.2), (129, 20.2))
    page.text(127.2, 22.4, 'REG', 8)
    page.box(129, 17.2, 9, 6, 'MLP', TRAINED)
    page.arrow((133.5, 23.2), (133.5, 30))
    page.box(127, 30, 18, 7, 'box of each\nexpression (E, 4)', size=8)
    page.text(83, 65, 'ground', 9, family='monospace', ha='left')
    page.axes.plot([82, 82], [1, 67], '--', color='#bbbbbb', lw=1)


def main() -> None:
    """Write the figure beside this script."""
    # the same bytes from the same program, and letters as text
    matplotlib.rcParams.update({'svg.hashsalt': 'architecture', 'svg.fonttype': 'none'})
    path = Path(__file__).with_name('architecture.svg')
    draw().savefig(path, metadata={'Date': None})


if __name__ == '__main__':
    main()
