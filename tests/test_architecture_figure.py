import re
import runpy
from html import unescape
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / 'docs/images'


def test_figure_in_the_docs_is_the_one_that_the_script_draws():
    figure = runpy.run_path(str(FOLDER / 'draw_architecture.py'))['draw']()
    said = [text.get_text() for text in figure.axes[0].texts]
    lines = sorted(line for text in said for line in text.split('\n') if line)
    svg = (FOLDER / 'architecture.svg').read_text('utf-8')
    drawn = re.findall(r'<(?:text|tspan)[^>]*>([^<]+)</', svg)
    assert sorted(map(unescape, map(str.strip, drawn))) == lines
