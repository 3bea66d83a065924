import re
import shutil
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from PIL import Image, ImageDraw

from m2ist_mm.visualization import font_stack
from m2ist_mm.visualization.font_stack import FontStack

FONTS = Path(matplotlib.get_data_path(), 'fonts', 'ttf')
PLAIN, OTHER = FONTS / 'DejaVuSans.ttf', FONTS / 'STIXGeneral.ttf'
# a letter in a circle, which DejaVu Sans does not have, and a Chinese character
STIX_ONLY, CHINESE = '\u24b6', '\u72ac'


@pytest.fixture(autouse=True)
def system(monkeypatch):
    """A system with one font."""

    def install(*files):
        monkeypatch.setattr(
            font_stack, 'findSystemFonts', lambda: list(map(str, files))
        )
        font_stack._best_system_font.cache_clear()

    install(FONTS / 'STIXGeneralBol.ttf', OTHER)
    yield install
    font_stack._best_system_font.cache_clear()


@pytest.fixture
def warnings(monkeypatch):
    lines = []
    monkeypatch.setattr(
        font_stack, 'print_log', lambda line, *args, **kwargs: lines.append(line)
    )
    return lines


def written(fonts, text, size=40):
    image = Image.new('L', (200, 60), 255)
    fonts.write(ImageDraw.Draw(image), (5, 5), text, size, 0)
    return np.asarray(image)


def test_characters_come_from_the_plain_font_of_the_system_that_has_them(warnings):
    fonts = FontStack()
    runs = [(Path(file), run) for file, run in fonts._runs(f'dog {STIX_ONLY} a')]
    assert runs == [(PLAIN, 'dog '), (OTHER, f'{STIX_ONLY} '), (PLAIN, 'a')]
    assert warnings == []
    assert (written(fonts, STIX_ONLY) != written(fonts, CHINESE)).any()


def test_chosen_font_comes_first(warnings):
    chosen, plain = FontStack(str(OTHER)), FontStack()
    assert (written(chosen, 'dog') != written(plain, 'dog')).any()
    assert [Path(file) for file, _ in chosen._runs('д\u0181')] == [OTHER, PLAIN]
    assert warnings == []


def test_characters_of_no_font_are_named_once(warnings):
    fonts = FontStack()
    for _ in range(2):
        assert (written(fonts, CHINESE) < 255).any()  # a box
    FontStack(str(OTHER)).width(f'{CHINESE}\u732b', 10)
    first, second = warnings
    assert re.match(
        'no font of this system has 1 of the characters .*: \u72ac '
        r'\(CJK UNIFIED IDEOGRAPH-72AC\); .* fonts-noto-cjk.*--font FILE',
        first,
    )
    assert second.startswith(f'neither {OTHER} nor a font of this system has 2 of')


def test_blanks_and_invisible_characters_need_no_font(warnings):
    FontStack().width('a\u00a0b\u200dc\ufe0f\u3000', 10)
    assert warnings == []


def test_broken_font_of_the_system_is_passed_over(system, tmp_path, warnings):
    broken = tmp_path / 'a.ttf'
    broken.write_bytes(PLAIN.read_bytes()[:1000])
    system(broken, OTHER)
    assert [Path(file) for file, _ in FontStack()._runs(STIX_ONLY)] == [OTHER]
    system()
    FontStack().width(STIX_ONLY, 10)
    assert len(warnings) == 1


def test_chosen_font_must_be_one(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'there is no font .*a\.ttf'):
        FontStack(str(tmp_path / 'a.ttf'))
    shutil.copy(__file__, tmp_path / 'a.ttf')
    with pytest.raises(ValueError, match=r'a\.ttf is no font: take a TrueType'):
        FontStack(str(tmp_path / 'a.ttf'))


def test_lines_are_broken_between_words_and_in_long_ones():
    fonts = FontStack()
    text = 'the dog at the left ' + 'w' * 30 + ' and so on'
    lines = fonts.wrap(text, 15, 100)
    assert max(fonts.width(line, 15) for line in lines) <= 100
    assert ''.join(lines).replace(' ', '') == text.replace(' ', '')
    assert lines[0] == 'the dog at'
    assert fonts.wrap(' ', 15, 100) == []
    assert fonts.wrap('ww', 15, 1) == ['w', 'w']
