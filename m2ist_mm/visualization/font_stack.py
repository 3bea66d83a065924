"""Text in any script, with the fonts that this computer has."""

import logging
import unicodedata
from collections.abc import Iterator
from functools import cache, lru_cache
from itertools import groupby
from pathlib import Path

import matplotlib
from matplotlib.font_manager import findSystemFonts
from matplotlib.ft2font import FT2Font
from mmengine.logging import print_log
from PIL import ImageDraw, ImageFont

from .colors import Color

_STYLES = 'bold italic oblique black light thin medium condensed mono serif'.split()


class FontStack:
    """Measures and writes lines of text; each character by the first font that has it.

    The fonts are the chosen one, DejaVu Sans (Latin, Greek, Cyrillic and more; it comes
    with matplotlib) and, for other characters, those of the system. Characters that
    none has are drawn as boxes, and a warning names them once.

    Args:
        file: The chosen font, a TrueType or OpenType file.

    Raises:
        FileNotFoundError: The font is missing.
        ValueError: It is none.
    """

    def __init__(self, file: str | None = None) -> None:
        default = Path(matplotlib.get_data_path(), 'fonts', 'ttf', 'DejaVuSans.ttf')
        self._chosen = file
        self._files = [str(default)]
        self._missing: set[str] = set()
        if file is not None:
            if not Path(file).is_file():
                raise FileNotFoundError(f'there is no font {file}')
            if not _characters(file):
                raise ValueError(f'{file} is no font: take a TrueType or OpenType file')
            self._files.insert(0, file)

    def width(self, text: str, size: int) -> float:
        """Width of a line of text, in pixels; ``size`` in pixels."""
        return sum(_font(file, size).getlength(run) for file, run in self._runs(text))

    def write(
        self,
        draw: ImageDraw.ImageDraw,
        position: tuple[float, float],
        text: str,
        size: int,
        color: Color,
    ) -> None:
        """Write a line of text.

        Args:
            draw: What to draw on.
            position: Left and top of the line, which is ``1.2 * size`` high.
            text: The text, without line breaks.
            size: Of the letters, in pixels.
            color: Their colour.
        """
        left, top = position
        for file, run in self._runs(text):
            font = _font(file, size)
            # on one base line, whatever the font
            draw.text((left, top + 0.95 * size), run, color, font, anchor='ls')
            left += font.getlength(run)

    def wrap(self, text: str, size: int, width: float) -> list[str]:
        """Break text into lines of at most ``width`` pixels.

        Between words, or, where a word alone is longer, between characters.
        """
        lines, line, used = [], '', 0.0
        for word in _words(text):
            length = self.width(word, size)
            if line and used + length > width:
                lines.append(line)
                line, used = '', 0.0
            if length > width:
                *whole, word = self._cut(word, size, width)
                lines += whole
                length = self.width(word, size)
            line, used = line + word, used + length
        lines.append(line)
        return [line for line in map(str.strip, lines) if line]

    def _cut(self, word: str, size: int, width: float) -> list[str]:
        parts, used = [''], 0.0
        for character in word:
            length = self.width(character, size)
            if parts[-1] and used + length > width:
                parts.append('')
                used = 0.0
            parts[-1] += character
            used += length
        return parts

    def _runs(self, text: str) -> Iterator[tuple[str, str]]:
        """Parts of the text with the file of the font that has them."""
        self._provide(text)
        files, file = [], self._files[0]
        for character in text:
            # marks and blanks go with what is before them
            if not (_goes_along(character) and character in _characters(file)):
                file = self._file_of(character)
            files.append(file)
        for file, run in groupby(zip(files, text, strict=True), key=lambda one: one[0]):
            yield file, ''.join(character for _, character in run)

    def _file_of(self, character: str) -> str:
        for file in self._files:
            if character in _characters(file):
                return file
        return self._files[0]

    def _provide(self, text: str) -> None:
        """Find fonts of the system for what the fonts so far lack; warn of the rest."""
        lacking = {one for one in text if _is_visible(one)} - self._missing
        lacking.difference_update(*map(_characters, self._files))
        while lacking:
            file = _best_system_font(frozenset(lacking))
            if file is None:
                break
            self._files.append(file)
            lacking -= _characters(file)
        if lacking:
            self._missing |= lacking
            named = ', '.join(
                f'{one} ({unicodedata.name(one, f"U+{ord(one):04X}")})'
                for one in sorted(lacking)[:3]
            )
            where = 'no font of this system has'
            if self._chosen is not None:
                where = f'neither {self._chosen} nor a font of this system has'
            print_log(
                f'{where} {len(lacking)} of the characters to be drawn: {named}'
                f'{", ..." if len(lacking) > 3 else ""}; they are drawn as boxes. '
                'Install a font for them (Noto Sans has most scripts: Debian packages '
                'fonts-noto-core and fonts-noto-cjk), or choose a font file: '
                'visualizer.font=FILE, image_demo.py --font FILE',
                logger='current',
                level=logging.WARNING,
            )


def _words(text: str) -> Iterator[str]:
    """Words, each with the blank behind it."""
    return (f'{word} ' for word in text.split())


def _is_visible(character: str) -> bool:
    return unicodedata.category(character)[0] not in 'CZ' and not (
        '\ufe00' <= character <= '\ufe0f'  # variation selectors
    )


def _goes_along(character: str) -> bool:
    return unicodedata.category(character)[0] in 'CMZ'


@lru_cache(maxsize=64)  # sizes grow with images
def _font(file: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(file, size)


@cache
def _characters(file: str) -> frozenset[str]:
    """Characters that a font has; none if it cannot be drawn with."""
    try:
        ImageFont.truetype(file, 16)  # fonts of bitmaps have other sizes
        return frozenset(map(chr, FT2Font(file).get_charmap()))
    except (OSError, RuntimeError, ValueError):
        return frozenset()


@cache
def _best_system_font(lacking: frozenset[str]) -> str | None:
    """The system's font that has most of the characters; a plain one of several."""

    def rank(file: str) -> tuple:
        name = Path(file).name.lower()
        return (
            -len(lacking & _characters(file)),
            sum(style in name for style in _STYLES),
            file,
        )

    best = min(findSystemFonts(), key=rank, default=None)
    return best if best is not None and lacking & _characters(best) else None
