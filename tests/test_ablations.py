"""The table of docs/ablations.md: rows build, have their sizes and differ."""

import argparse
import re
import shlex
from pathlib import Path

import pytest
import torch
from mmdet.registry import MODELS

from m2ist_mm.config import load_config
from m2ist_mm.engine.program import add_config_arguments

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / 'docs/ablations.md').read_text(encoding='utf-8')
ROWS = re.findall(r'^\| (.+?) \| (?:`(.+)`)? ?\| ([\d,]+) \|$', PAGE, re.MULTILINE)
# a pair of layers of 256 and 768 channels, h = 128 (arXiv 2407.01131, section 3.3)
EXPERTS = dict(
    vision=2 * 256 * 128 + 128 + 256 + 2 * 256,
    language=2 * 768 * 128 + 128 + 768 + 2 * 768,
    interaction=(256 + 768) * 128 + 2 * 128 + 768 * (128 + 1),
)


def load(options):
    parser = argparse.ArgumentParser()
    add_config_arguments(parser)
    path = str(ROOT / 'configs/m2ist/m2ist_r50_refcoco.py')
    arguments = ['--cfg-options', *shlex.split(options)] if options else []
    return load_config(parser.parse_args([path, *arguments])).model


@pytest.fixture(scope='module')
def towers():
    backbone = load('').backbone
    backbone.vision.weights = backbone.language.weights = None
    with torch.device('meta'):
        return MODELS.build(backbone).towers


def test_table_is_read_whole():
    assert len(ROWS) == PAGE.count('\n| ') - 1 == 19


@pytest.mark.slow
@pytest.mark.parametrize(('what', 'options', 'size'), ROWS)
def test_row_builds_and_has_its_size(towers, what, options, size):
    model = load(options)
    assert model.backbone == load('').backbone  # the side networks alone differ
    neck = MODELS.build(model.neck, default_args=dict(towers=towers))
    size = int(size.replace(',', ''))
    assert sum(parameter.numel() for parameter in neck.parameters()) == size
    kind, _, experts = what.partition(': ')
    if kind == 'experts':
        named = [name for name in EXPERTS if name in experts]
        assert size == 6 * sum(EXPERTS[name] for name in named)
    elif what.startswith('width'):
        width = int(what.split()[-1])
        assert size == 6 * ((2 * 1024 + 1024 + 768 + 4) * width + 3 * 1024 + 768)


def test_no_two_rows_are_alike():
    necks = [str(sorted(load(options).neck.items())) for _, options, _ in ROWS]
    assert len(set(necks)) == len(ROWS)
