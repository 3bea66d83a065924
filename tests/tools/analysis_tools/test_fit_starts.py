import json
import runpy
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
TOOL = 'tools/analysis_tools/fit_starts.py'


@pytest.fixture
def tool(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / TOOL.rpartition('/')[0])
    return runpy.run_path(str(ROOT / TOOL))


def test_images_are_of_dev_and_of_one_split_each(tool, tmp_path):
    rows = [
        dict(image=f'{number % 800}.jpg', expression=str(number), split='train')
        for number in range(1600)
    ]
    rows.append(dict(image='other.jpg', expression='other', split='val'))
    text = '\n'.join(map(json.dumps, rows))
    (tmp_path / 'expressions.jsonl').write_text(text)
    drawn = []
    for name in 'ab':
        tool['draw'](tmp_path, tmp_path / name)
        drawn.append((tmp_path / name / 'rows.jsonl').read_text())
    assert drawn[0] == drawn[1]
    found = list(map(json.loads, drawn[0].splitlines()))
    splits = {row['image']: row['split'] for row in found}
    assert Counter(splits.values()) == dict(test=100, val=40, train=360)
    assert all(row['split'] == splits[row['image']] for row in found)
    assert len(found) == 1000 and 'other.jpg' not in splits


def write_run(tool, folder, start, seed, ious, **changes):
    rows = [
        dict(img_path=f'{n // 2}.jpg', sent_id=n, text=f'{n}', kind=None, iou=iou)
        for n, iou in enumerate(ious)
    ]
    run = dict(
        start=start,
        seed=seed,
        epochs=8,
        bits=32,
        chosen=[20.0, 40.0],
        val=tool['summarise'](rows),
        miou=100 * sum(ious) / len(ious),
    )
    folder.mkdir(exist_ok=True)
    (folder / f'{start}-{seed}.json').write_text(json.dumps(run | changes))


def test_page_has_means_and_paired_differences(tool, tmp_path):
    folder, page = tmp_path / 'runs', tmp_path / 'page.md'
    write_run(tool, folder, 'scratch', 0, [0.1, 0.9, 0.2, 0.2])
    write_run(tool, folder, 'scratch', 1, [0.1, 0.1, 0.2, 0.2])
    write_run(tool, folder, 'shipped', 0, [0.6, 0.9, 0.6, 0.7], before=61.83)
    tool['write_page'](folder, page)
    text = ' '.join(page.read_text().replace('|', ' ').split())
    assert 'shipped 1 100.0 70.0 61.8 20 40' in text
    assert 'scratch 2 12.5 ± 17.7 25.0 ± 14.1 20 40' in text
    assert 'shipped - scratch +87.5 (+75.0 … +100.0) above' in text
    assert '8 epochs in 32 bits' in text

    write_run(tool, folder, 'scratch', 2, [0.1, 0.1, 0.2, 0.2], epochs=17)
    with pytest.raises(ValueError, match='different .epochs'):
        tool['write_page'](folder, page)

    (folder / 'scratch-2.json').write_text((folder / 'scratch-1.json').read_text())
    with pytest.raises(ValueError, match='-1.json and .*-2.json are of the same start'):
        tool['write_page'](folder, page)

    (folder / 'scratch-2.json').write_text('{"start": "scratch"}')
    with pytest.raises(ValueError, match="scratch-2.json: has no 'seed'"):
        tool['write_page'](folder, page)


@pytest.mark.parametrize(
    ('starts', 'told'),
    [
        (['scratch=FILE'], 'there is a scratch already'),
        (['shipped=FILE'], 'there is a shipped already'),
        (['a=FILE', 'a=FILE'], 'there is a a already'),
        (['=FILE'], 'give NAME=FILE'),
        (['a/b=FILE'], 'give NAME=FILE'),
        (['FILE'], 'give NAME=FILE'),
        (['a=none.pth'], 'give NAME=FILE'),
    ],
)
def test_a_start_has_a_name_of_its_own_and_a_file(tool, tmp_path, starts, told):
    (tmp_path / 'a.pth').touch()
    given = [start.replace('FILE', str(tmp_path / 'a.pth')) for start in starts]
    with pytest.raises(ValueError, match=f'^--start .*{told}'):
        tool['read_starts'](given)
    assert tool['read_starts']([f'my-1_a={tmp_path / "a.pth"}']) == dict(
        shipped='shipped', scratch='scratch', **{'my-1_a': str(tmp_path / 'a.pth')}
    )


def test_wrong_input_is_one_line(run_tool, tmp_path, capsys):
    sys.modules.pop('comparison', None)
    assert run_tool(TOOL, tmp_path, '--out', tmp_path, '--page', tmp_path / 'p.md') == 1
    assert 'has no *.json' in capsys.readouterr().err
    assert run_tool(TOOL, tmp_path, '--page', tmp_path / 'p.svg') == 1
    assert 'p.svg: name a Markdown file' in capsys.readouterr().err
    work = ('--out', tmp_path / 'out', '--work-dir', tmp_path / 'work')
    assert run_tool(TOOL, tmp_path, *work) == 1
    assert 'expressions.jsonl: no such file' in capsys.readouterr().err
    for line, told in (
        ('[1]', 'line 2: is a list, not a dict'),
        ('{"image": "a.jpg"}', "line 2: has no 'split'"),
        ('{"ima', 'line 2 is not a complete JSON value'),
    ):
        text = f'{json.dumps(dict(image="a.jpg", split="val"))}\n{line}\n'
        (tmp_path / 'expressions.jsonl').write_text(text)
        assert run_tool(TOOL, tmp_path, *work) == 1
        assert f'expressions.jsonl: {told}' in capsys.readouterr().err
    for option in ('--out', '--work-dir'):
        file = tmp_path / 'expressions.jsonl'
        assert run_tool(TOOL, tmp_path, *work, option, file) == 1
        assert f'{option} {file}: no folder can be made' in capsys.readouterr().err
    assert run_tool(TOOL, tmp_path, '--epochs', '0') == 2
    assert run_tool(TOOL, tmp_path, '--seeds', '0') == 2
