import hashlib

import cv2
import numpy as np
import pytest

from m2ist_mm.datasets.refshapes import Recipe, make_refshapes
from m2ist_mm.datasets.refshapes.refcoco_files import RefCOCOFiles

FEW = dict(train_images=2, val_images=1, test_images=1)


def contents(root):
    return {p.name: p.read_bytes() for p in root.rglob('*') if p.is_file()}


def test_same_parameters_give_the_data_that_they_always_gave(root, tmp_path):
    """Whatever changes these needs a new VERSION, and new figures of all models."""
    make_refshapes(tmp_path / 'out', Recipe(seed=3, **FEW))
    digests = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()[:16]
        for path in (tmp_path / 'out' / 'refshapes').iterdir()
    }
    assert digests == {
        'detection_train.json': 'a422adf16741022e',
        'detection_val.json': 'ca3aa57a38c93f57',
        'instances.json': '1745c965a711dd04',
        'recipe.json': 'db4e56f68a5d5904',
        'refs(unc).p': '1d47b96acb3abbc8',
    }
    # Encoders of JPEG differ between versions of a library.
    image = cv2.imread(str(root / 'train2014' / 'COCO_train2014_000000000001.jpg'))
    thumbnail = cv2.resize(image, (4, 4), interpolation=cv2.INTER_AREA)
    expected = [
        [91.3, 106.7, 89.0, 95.3],
        [84.3, 88.0, 89.0, 87.0],
        [82.3, 89.3, 98.0, 92.0],
        [81.7, 91.3, 103.0, 98.7],
    ]
    np.testing.assert_allclose(thumbnail.mean(-1), expected, atol=2)


def test_same_seed_gives_the_same_bytes_and_another_seed_others(tmp_path):
    for name, seed in (('a', 3), ('b', 3), ('c', 4)):
        make_refshapes(tmp_path / name, Recipe(seed=seed, **FEW))
    a, b, c = (contents(tmp_path / name) for name in 'abc')
    assert a == b
    assert not any(a[name] == c[name] for name in a)


def test_a_scene_does_not_depend_on_how_many_are_drawn(root, tmp_path):
    make_refshapes(tmp_path / 'few', Recipe(**FEW))
    for n in (1, 2):
        name = f'train2014/COCO_train2014_{n:012d}.jpg'
        assert (tmp_path / 'few' / name).read_bytes() == (root / name).read_bytes()


def test_same_parameters_again_return_at_once(root, small_recipe):
    before = {p: p.stat().st_mtime_ns for p in root.rglob('*')}
    assert not make_refshapes(root, small_recipe)
    assert {p: p.stat().st_mtime_ns for p in root.rglob('*')} == before


@pytest.mark.parametrize('recipe', [None, b'{', b'[]', b'\xff'])
def test_other_parameters_are_refused_unless_overwriting(tmp_path, recipe):
    out = tmp_path / 'out'
    make_refshapes(out, Recipe(**FEW))
    if recipe is not None:
        (out / 'refshapes' / 'recipe.json').write_bytes(recipe)
    before = contents(out)
    with pytest.raises(FileExistsError, match='--overwrite'):
        make_refshapes(out, Recipe(seed=1, **FEW))
    assert contents(out) == before
    assert make_refshapes(out, Recipe(seed=1, **FEW), overwrite=True)
    assert contents(out) != before
    assert [p.name for p in tmp_path.iterdir()] == ['out']


@pytest.mark.parametrize('overwrite', [False, True])
def test_a_folder_of_something_else_is_never_touched(tmp_path, overwrite):
    (tmp_path / 'mine.txt').write_text('mine')
    with pytest.raises(FileExistsError, match='not RefShapes'):
        make_refshapes(tmp_path, Recipe(), overwrite)
    assert contents(tmp_path) == {'mine.txt': b'mine'}


def test_an_interrupted_run_leaves_nothing(tmp_path, monkeypatch):
    add, added = RefCOCOFiles.add, []

    def stop_at_third(*arguments):
        added.append(add(*arguments))
        if len(added) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(RefCOCOFiles, 'add', stop_at_third)
    with pytest.raises(KeyboardInterrupt):
        make_refshapes(tmp_path / 'out', Recipe(**FEW))
    assert len(added) == 3
    assert list(tmp_path.iterdir()) == []
