"""An exported folder, run where only the four packages it needs can be imported."""

import json
import re
import subprocess
import sys
from importlib.metadata import packages_distributions, requires

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from PIL import Image

from m2ist_mm.apis import RECInferencer

pytestmark = pytest.mark.slow  # the export
NEEDED = ('onnxruntime', 'numpy', 'pillow', 'tokenizers')
NARROW = r'line\.png \(1x5000 pixels\) cannot be prepared: .* of its width; crop it'
# refuses the import of every other package, then runs predict.py
PROGRAM = """
import json, runpy, sys

allowed = set(json.loads(sys.argv[1]))
class Refusal:
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] not in allowed | sys.stdlib_module_names:
            raise ModuleNotFoundError(f'refused: {name}')
sys.meta_path.insert(0, Refusal())
for name in ('torch', 'mmdet', 'cv2', 'transformers', 'm2ist_mm'):
    try:
        __import__(name)
    except ModuleNotFoundError:
        continue
    raise SystemExit(f'{name} can be imported')
sys.argv[:] = sys.argv[2:]
runpy.run_path(sys.argv[0], run_name='__main__')
"""


def importable(distributions):
    """Names of the modules of distributions and of what they require."""
    todo, seen = list(distributions), set()
    while todo:
        name = canonicalize_name(todo.pop())
        if name in seen:
            continue
        seen.add(name)
        try:
            needs = map(Requirement, requires(name) or ())
        except ModuleNotFoundError:  # not on this platform
            continue
        todo += [n.name for n in needs if n.marker is None or n.marker.evaluate()]
    return [
        module
        for module, owners in packages_distributions().items()
        if seen & {canonicalize_name(owner) for owner in owners}
    ]


def run_predict(folder, *arguments, allowed=NEEDED):
    command = [sys.executable, '-c', PROGRAM, json.dumps(importable(allowed))]
    return subprocess.run(
        [*command, str(folder / 'predict.py'), *map(str, arguments)],
        cwd=folder.parent,
        env={},
        capture_output=True,
        text=True,
    )


def test_folder_runs_without_torch_and_gives_the_model_s_boxes(exported, nano, images):
    texts = ['left block', 'pink one']
    done = run_predict(exported, images[0], *texts)
    assert done.returncode == 0, done.stderr
    inferencer = RECInferencer(*nano, device='cpu')
    (expected,) = inferencer(images[0], texts)['predictions']
    lines = done.stdout.splitlines()
    for line, text, box in zip(lines, texts, expected['bboxes'], strict=True):
        prefix = f'{images[0]}: {text}: '
        assert line.startswith(prefix)
        found = map(float, line.removeprefix(prefix).split())
        for number, wanted in zip(found, box, strict=True):
            assert abs(number - wanted) <= 0.5
    assert done.stderr == ''


def test_errors_are_one_line(exported, images, tmp_path):
    Image.new('RGB', (1, 5000)).save(tmp_path / 'line.png')
    Image.new('F', (9, 9)).save(tmp_path / 'float.tif')
    for arguments, allowed, reason in (
        ([tmp_path / 'nope.jpg', 'dog'], NEEDED, r'there is no image .*nope\.jpg'),
        ([tmp_path / 'float.tif', 'dog'], NEEDED, r'float\.tif cannot be read .*range'),
        ([images[0], ' '], NEEDED, 'an expression is empty'),
        ([images[0], '\u3164'], NEEDED, 'no visible character: say in words'),
        ([images[0], 'left \udcff'], NEEDED, r"'left \\udcff' has half of a surr"),
        ([images[0], 'a' * 1001], NEEDED, '1001 characters, and at most 1000'),
        ([tmp_path / 'line.png', 'dog'], NEEDED, NARROW),
        ([images[0], 'dog'], ['numpy', 'pillow'], 'refused.*: pip install onnxruntime'),
    ):
        done = run_predict(exported, *arguments, allowed=allowed)
        assert done.returncode == 1
        assert re.fullmatch(f'error: .*{reason}.*\n', done.stderr), done.stderr
        assert done.stdout == ''
