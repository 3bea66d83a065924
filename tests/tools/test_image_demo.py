import json
import re

import pytest
import torch
from mmdet.registry import MODELS

from m2ist_mm.config import load_config_file

TOOL = 'tools/image_demo.py'


@pytest.fixture(scope='module')
def nano(nano_path):
    """Options that name a tiny model and a checkpoint that nothing has trained."""
    state = MODELS.build(load_config_file(nano_path).model).state_dict()
    checkpoint = nano_path.with_name('start.pth')
    torch.save(dict(state_dict=state, meta={}), checkpoint)
    return '--config', nano_path, '--checkpoint', checkpoint, '--device', 'cpu'


@pytest.fixture
def image(mini_refcoco):
    return mini_refcoco / 'train2014' / 'COCO_train2014_000000000003.jpg'


def test_box_of_every_sentence_is_printed_and_drawn(
    run_tool, nano, image, tmp_path, capsys
):
    texts = ('left block', 'Pink one', 'one ' * 9)
    assert run_tool(TOOL, image, *texts, *nano, '--out-dir', tmp_path) == 0
    lines = [
        line for line in capsys.readouterr().out.splitlines() if str(image) in line
    ]
    number = r'(-?\d+\.\d)'
    pattern = rf'{re.escape(str(image))}: (.+): {" ".join([number] * 4)}(.*)'
    found = [re.fullmatch(pattern, line).groups() for line in lines]
    assert [(one[0], bool(one[5])) for one in found] == [
        ('left block', False),
        ('pink one', False),
        (('one ' * 9).strip(), True),
    ]
    written = json.loads((tmp_path / 'preds' / f'{image.stem}.json').read_text())
    for one, bbox in zip(found, written['bboxes'], strict=True):
        assert [float(text) for text in one[1:5]] == pytest.approx(bbox, abs=0.051)
    assert (tmp_path / 'vis' / image.name).is_file()


def test_nothing_is_written_unless_wanted(run_tool, nano, image, tmp_path):
    options = ('--out-dir', tmp_path / 'out', '--no-save-vis', '--no-save-pred')
    assert run_tool(TOOL, image, 'left block', *nano, *options) == 0
    assert not (tmp_path / 'out').exists()


def test_wrong_input_is_one_line(run_tool, nano, image, tmp_path, capsys):
    for arguments, message in (
        ((tmp_path / 'nope.jpg', 'one', *nano), 'there is no image'),
        ((image, ' ', *nano), 'an expression is empty'),
        ((image, 'one', *nano, '--batch-size', 0), '--batch-size 0'),
        ((image, 'one', *nano, '--config', 'nope'), 'there is no config file nope'),
    ):
        assert run_tool(TOOL, *arguments, '--out-dir', tmp_path / 'out') == 1
        lines = [
            line for line in capsys.readouterr().err.splitlines() if 'error: ' in line
        ]
        assert len(lines) == 1
        assert message in lines[0]
