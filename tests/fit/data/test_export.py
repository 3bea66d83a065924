"""Marks written back into the format that came in."""

import csv
import json

import pytest

from m2ist_mm.fit.data import export_rows, prepare_data


def marks_of(folder):
    """Mark the first expression of the train split."""
    summary = folder.prepare()
    row = summary.rows('train')[0]
    return row, {row['sent_id']: dict(suspicion=0.75, reason='near miss')}


def export(folder, tmp_path):
    row, marks = marks_of(folder)
    return row, *export_rows(folder.work_dir, marks, tmp_path / 'out')


def test_marked_files_are_read_as_before(folder, tmp_path):
    labels = folder.labels()
    _, *written = export(folder, tmp_path)
    assert len({path.name for path in written}) == len(written)
    copied = prepare_data(
        written[0].parent,
        tmp_path / 'again',
        image_root=folder.root,
        # the reason is a text too
        text_field='what is meant' if folder.files('annotations/*') else None,
    )
    found = sorted(
        (row['image'].rpartition('/')[2], row['expression'], row['bbox'])
        for split in ('train', 'val', 'test')
        for row in copied.rows(split)
    )
    assert [label[:2] for label in found] == [label[:2] for label in labels]


@pytest.mark.parametrize('case', ['json', 'jsonl'])
def test_rows_get_keys(make_folder, tmp_path, case):
    row, path = export(make_folder(case), tmp_path)
    text = path.read_text()
    rows = json.loads(text) if case == 'json' else map(json.loads, text.splitlines())
    (marked,) = [r for r in rows if 'suspicion' in r]
    assert marked['expression'] == row['expression']
    assert marked['reason'] == 'near miss'


def test_a_table_gets_columns(make_folder, tmp_path):
    folder = make_folder('csv_of_a_spreadsheet')
    row, path = export(folder, tmp_path)
    with open(path, encoding='utf-8', newline='') as file:
        rows = list(csv.DictReader(file, delimiter=';'))
    (marked,) = [r for r in rows if r['suspicion']]
    assert (marked['suspicion'], marked['reason']) == ('0.75', 'near miss')
    assert marked['expression'] == row['expression']
    assert len(rows) == 24 and list(rows[0])[:3] == ['image', 'expression', 'x']


def test_label_studio_shows_the_mark_at_the_region(make_folder, tmp_path):
    row, path = export(make_folder('label_studio'), tmp_path)
    tasks = json.loads(path.read_text())
    (task,) = [task for task in tasks if 'suspicion' in task['data']]
    assert task['data']['suspicion'] == 0.75
    marked = [r for r in task['annotations'][0]['result'] if 'meta' in r]
    assert [r['type'] for r in marked] == ['rectanglelabels', 'textarea']
    assert marked[1]['value']['text'] == [row['expression']]
    assert marked[0]['meta'] == {'text': ['suspicion: 0.75, reason: near miss']}


@pytest.mark.parametrize('case', ['coco', 'cvat_coco'])
def test_coco_annotations_get_the_mark(make_folder, tmp_path, case):
    row, path = export(make_folder(case), tmp_path)
    annotations = json.loads(path.read_text())['annotations']
    places = [a['attributes'] if case == 'cvat_coco' else a for a in annotations]
    (marked,) = [place for place in places if 'suspicion' in place]
    assert row['expression'] in marked.values()


def test_other_formats_become_rows(make_folder, tmp_path):
    row, path = export(make_folder('cvat'), tmp_path)
    assert path.name == 'marked.jsonl'
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert [r['sent_id'] for r in rows if 'suspicion' in r] == [row['sent_id']]


def test_the_annotations_are_never_replaced(make_folder):
    folder = make_folder('json')
    _, marks = marks_of(folder)
    with pytest.raises(ValueError, match='mine.json: would be replaced; name another'):
        export_rows(folder.work_dir, marks, folder.root)


def test_notes_of_annotators_stay_and_older_marks_do_not_count(make_folder, tmp_path):
    folder = make_folder('label_studio')
    (path,) = folder.root.glob('*.json')
    tasks = json.loads(path.read_text())
    for task in tasks:
        task['data']['suspicion'] = 1.4
        for result in task['annotations'][0]['result']:
            result['meta'] = dict(text=['ask Ann'])
    path.write_text(json.dumps(tasks))
    _, written = export(folder, tmp_path)
    (task,) = [t for t in json.loads(written.read_text()) if t['data']['suspicion'] < 1]
    assert task['data']['suspicion'] == 0.75
    assert task['annotations'][0]['result'][0]['meta']['text'] == [
        'ask Ann',
        'suspicion: 0.75, reason: near miss',
    ]


def test_of_two_sentences_of_an_annotation_the_first_mark_counts(make_folder, tmp_path):
    folder = make_folder('coco')
    (path,) = folder.root.glob('*.json')
    content = json.loads(path.read_text())
    for annotation in content['annotations']:
        (name,) = [k for k, v in annotation.items() if isinstance(v, str)]
        annotation[name] = [annotation[name], f'{annotation[name]}, again']
    path.write_text(json.dumps(content))
    rows = folder.prepare().rows('train')
    first = rows[0]
    (second,) = [r for r in rows if r['origin'] == first['origin'] and r != first]
    marks = {second['sent_id']: dict(score=2), first['sent_id']: dict(score=1)}
    (written,) = export_rows(folder.work_dir, marks, tmp_path / 'out')
    annotations = json.loads(written.read_text())['annotations']
    assert [a['score'] for a in annotations if 'score' in a] == [2]


@pytest.mark.parametrize('case', ['json', 'coco'])
def test_faulty_entries_that_were_left_out_are_copied(make_folder, tmp_path, case):
    folder = make_folder(case)
    (path,) = folder.root.glob('*.json')
    content = json.loads(path.read_text())
    faulty = ['no entry', {'expression': 'half a pair \ud83d'}]
    (content['annotations'] if case == 'coco' else content).extend(faulty)
    path.write_text(json.dumps(content))
    row = folder.prepare(skip_faulty=True).rows('train')[0]
    marks = {row['sent_id']: dict(suspicion=0.75)}
    (written,) = export_rows(folder.work_dir, marks, tmp_path / 'out')
    copied = json.loads(written.read_text())
    entries = copied['annotations'] if case == 'coco' else copied
    assert entries[-2:] == faulty
    assert sum('suspicion' in entry for entry in entries[:-2]) == 1
