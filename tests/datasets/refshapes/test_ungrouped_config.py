"""Two configs are compared on RefShapes of the quickstart's size."""

from pathlib import Path

import pytest
from mmdet.registry import DATASETS
from mmengine import Config

from m2ist_mm.datasets.refshapes import Recipe, make_refshapes

pytestmark = pytest.mark.slow

CONFIGS = Path(__file__).parents[3] / 'configs' / 'm2ist'


def test_ungrouped_config_has_the_expressions_of_the_grouped(tmp_path, monkeypatch):
    # Small images are drawn faster, and nobody looks at them here.
    recipe = Recipe(train_images=2500, val_images=1, test_images=1, image_size=96)
    make_refshapes(tmp_path / 'data', recipe)
    monkeypatch.setenv('REFSHAPES_ROOT', f'{tmp_path}/data/')
    expressions, steps = [], []
    for name in ('m2ist_tiny_refshapes.py', 'm2ist_tiny_refshapes_ungrouped.py'):
        loader = Config.fromfile(CONFIGS / name).train_dataloader
        dataset = DATASETS.build(loader.dataset)
        samples = [dataset.get_data_info(index) for index in range(len(dataset))]
        expressions.append(
            {(s['img_id'], number) for s in samples for number in s['sent_id']}
        )
        steps.append(len(dataset) / loader.batch_size)
    assert expressions[0] == expressions[1]
    assert steps[1] == pytest.approx(steps[0], rel=0.02)
