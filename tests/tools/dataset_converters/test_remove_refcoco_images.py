import json
import pickle

import pytest

TOOL = 'tools/dataset_converters/remove_refcoco_images.py'


class System:
    def __reduce__(self):
        return print, ('code was run',)


def write_refs(path, **splits):
    refs = [
        dict(ref_id=i, ann_id=i, image_id=image_id, split=split, sentences=[])
        for split, images in splits.items()
        for i, image_id in enumerate(images)
    ]
    path.write_bytes(pickle.dumps(refs, protocol=2))
    return path


@pytest.fixture
def files(tmp_path):
    content = dict(
        info=dict(year=2017),
        images=[dict(id=i, file_name=f'{i:012d}.jpg') for i in range(10)],
        annotations=[dict(id=100 + i, image_id=i // 2) for i in range(20)],
        categories=[dict(id=1, name='person')],
    )
    instances = tmp_path / 'instances_train2017.json'
    instances.write_text(json.dumps(content))
    unc = write_refs(tmp_path / 'refs(unc).p', train=[0, 1, 2], val=[3], testA=[4])
    # what one trains with another tests with
    umd = write_refs(tmp_path / 'refs(umd).p', train=[3, 5], test=[1, 77])
    return instances, unc, umd, tmp_path / 'out' / 'kept.json'


def test_takes_out_what_any_of_them_tests_with(run_tool, files, capsys):
    instances, *_, out = files
    before = instances.read_bytes()
    assert run_tool(TOOL, *files) == 0
    kept = json.loads(out.read_text())
    assert [image['id'] for image in kept['images']] == [0, 2, 5, 6, 7, 8, 9]
    assert {a['image_id'] for a in kept['annotations']} == {0, 2, 5, 6, 7, 8, 9}
    assert len(kept['annotations']) == 14
    assert kept['info'] == dict(year=2017)
    assert kept['categories'] == [dict(id=1, name='person')]
    assert instances.read_bytes() == before
    text = capsys.readouterr().out
    assert 'refs(umd).p: 2 val and test images, 1 of them in the COCO file' in text
    assert 'kept.json: 7 of 10 images, 14 of 20 annotations' in text


def check_refused(run_tool, capsys, files, message):
    assert run_tool(TOOL, *files) == 1
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1
    assert not files[-1].exists()


def test_refs_of_other_images_are_refused(run_tool, files, capsys):
    write_refs(files[1], train=[1], val=[1001, 1002])
    message = 'none of its 2 val and test images is in the COCO file'
    check_refused(run_tool, capsys, files, message)


def test_refs_without_test_splits_are_refused(run_tool, files, capsys):
    write_refs(files[1], train=[1])
    check_refused(run_tool, capsys, files, 'has no split but train')


def test_refs_that_would_run_code_are_refused(run_tool, files, capsys):
    files[1].write_bytes(pickle.dumps([System()]))
    check_refused(run_tool, capsys, files, 'nothing in it was run')
    assert 'code was run' not in capsys.readouterr().out


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        ('{"images": [', 'not a complete JSON file'),
        ('[]', "has no list 'images'"),
        ('{"images": [{"id": 1}]}', "has no list 'annotations'"),
        ('{"images": [{"name": 1}], "annotations": []}', "has no 'id'"),
    ],
)
def test_wrong_coco_file_is_one_line(run_tool, files, capsys, content, message):
    files[0].write_text(content)
    check_refused(run_tool, capsys, files, message)


def test_source_is_not_overwritten(run_tool, files, capsys):
    before = files[0].read_bytes()
    assert run_tool(TOOL, files[0], files[1], files[0]) == 1
    assert 'would be overwritten' in capsys.readouterr().err
    assert files[0].read_bytes() == before
