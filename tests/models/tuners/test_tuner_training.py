"""A tuner from the first step to the test, by the programs."""

import json
import runpy
from pathlib import Path

import pytest
import torch

pytestmark = pytest.mark.slow

NANO = Path(__file__).parents[2] / 'nano_config.py'
CONFIG = """
_base_ = './nano.py'
model = dict(backbone=dict(tuner=dict(type='{tuner}')), neck=None)
train_cfg = dict(max_epochs=1)
"""


@pytest.mark.parametrize('tuner', ['LoRATuner', 'BitFitTuner'])
def test_training_saves_what_is_tuned_and_the_test_finds_it(
    run_tool, tmp_path, mini_refcoco, tuner
):
    path = runpy.run_path(str(NANO))['write_nano_config'](tmp_path, mini_refcoco)
    config = path.with_name('tuned.py')
    config.write_text(CONFIG.format(tuner=tuner))
    train = '--cfg-options', f'experiment_name=train-{tuner}'
    assert run_tool('tools/train.py', config, *train) == 0
    checkpoint = tmp_path / 'work' / 'epoch_1.pth'
    state = torch.load(checkpoint, weights_only=True)['state_dict']
    tuned = 'lora_' if tuner == 'LoRATuner' else 'bias'
    inside = [name for name in state if name.startswith('backbone.')]
    assert inside
    assert all(tuned in name for name in inside)

    (log,) = (tmp_path / 'work').glob('*/vis_data/scalars.json')
    trained = [json.loads(line) for line in log.read_text().splitlines()][-1]
    out = tmp_path / 'tested'
    test = '--cfg-options', f'experiment_name=test-{tuner}'
    code = run_tool('tools/test.py', config, checkpoint, '--work-dir', out, *test)
    assert code == 0
    (metrics,) = out.glob('*/*.json')
    tested = json.loads(metrics.read_text())
    assert tested['rec/mIoU'] == pytest.approx(trained['rec/mIoU'], abs=1e-4)
