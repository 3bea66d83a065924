import io
import json
import pickle
from collections import defaultdict

import pytest

from m2ist_mm.datasets.refshapes import Recipe, make_refshapes
from m2ist_mm.datasets.refshapes.scene import Scene
from m2ist_mm.datasets.refshapes.shape import Shape


class NoGlobals(pickle.Unpickler):
    def find_class(self, module, name):
        raise pickle.UnpicklingError(f'{module}.{name}')


@pytest.fixture(scope='session')
def small_recipe():
    return Recipe(train_images=60, val_images=12, test_images=12)


@pytest.fixture(scope='session')
def root(tmp_path_factory, small_recipe):
    """A small RefShapes, to be read only."""
    out = tmp_path_factory.mktemp('data') / 'refshapes'
    assert make_refshapes(out, small_recipe)
    return out


@pytest.fixture(scope='session')
def instances(root):
    return json.loads((root / 'refshapes' / 'instances.json').read_text())


@pytest.fixture(scope='session')
def refs(root):
    data = (root / 'refshapes' / 'refs(unc).p').read_bytes()
    return NoGlobals(io.BytesIO(data)).load()


@pytest.fixture(scope='session')
def objects(instances):
    """Per image, its objects as the annotations have them: words and geometry."""
    names = {c['id']: c['name'].split() for c in instances['categories']}
    scenes = defaultdict(list)
    for a in instances['annotations']:
        x, y, w, h = a['bbox']
        scenes[a['image_id']].append(
            dict(
                id=a['id'],
                words={*names[a['category_id']], a['texture']},
                x=x + w / 2,
                y=y + h / 2,
                side=max(w, h),
                area=w * h,
            )
        )
    return scenes


@pytest.fixture(scope='session')
def make_scene():
    """Make a scene of 160 pixels from boxes, of red plain squares unless told."""

    def make(*boxes, kinds=None):
        kinds = kinds or ['square'] * len(boxes)
        shapes = (
            Shape(kind, 'red', 'plain', box)
            for kind, box in zip(kinds, boxes, strict=True)
        )
        return Scene(160, tuple(shapes))

    return make
