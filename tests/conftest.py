"""A tiny dataset in REFER's layout, and what all tests need."""

import gc
import json
import os
import pickle
import runpy
import sys
from collections import OrderedDict
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmdet.registry import MODELS
from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope

import m2ist_mm  # noqa: F401  registers everything
from m2ist_mm.checkpoints.identity import tower_identity
from m2ist_mm.checkpoints.tuned_state import frozen_state_keys
from m2ist_mm.config import load_config_file
from m2ist_mm.fit.memory import release_memory

ROOT = Path(__file__).resolve().parents[1]
SPLITS = ('train', 'train', 'train', 'val', 'val', 'testA', 'testB')


def pytest_configure(config):
    """Several processes of tests (pytest -n) have a thread each."""
    if hasattr(config, 'workerinput'):
        os.environ['OMP_NUM_THREADS'] = '1'
        torch.set_num_threads(1)


def pytest_collection_finish():
    """Keep what imports made out of later collections: MMEngine collects often."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope='module', autouse=True)
def freed_memory():
    """Give back what a file's models held: glibc keeps the pages of freed weights."""
    yield
    pages = int(Path('/proc/self/statm').read_text().split()[1])
    if pages * os.sysconf('SC_PAGE_SIZE') > 2 * 10**9:
        release_memory()


@pytest.fixture(autouse=True)
def mmdet_scope():
    init_default_scope('mmdet')


@pytest.fixture
def run_tool(monkeypatch):
    """Run a program of tools/ as from the command line; gives its exit code."""

    def run(path, *arguments):
        # a new process has no log file yet
        monkeypatch.setattr(MMLogger, '_instance_dict', OrderedDict())
        monkeypatch.setattr(sys, 'argv', [path, *map(str, arguments)])
        monkeypatch.syspath_prepend((ROOT / path).parent)  # as Python does
        with pytest.raises(SystemExit) as stop:
            runpy.run_path(str(ROOT / path), run_name='__main__')
        return stop.value.code or 0

    return run


def write_refer(root):
    """Write 7 images with 2 objects each and 2 expressions an object."""
    (root / 'refcoco').mkdir(parents=True)
    (root / 'train2014').mkdir()
    generator = np.random.default_rng(0)
    images, annotations, refs = [], [], []
    for number, split in enumerate(SPLITS):
        width, height = 160 + 20 * number, 240 - 20 * number
        image = generator.integers(0, 90, (height, width, 3)).astype(np.uint8)
        name = f'COCO_train2014_{number:012d}.jpg'
        for side in range(2):
            x, y, w, h = side * width // 2 + 8, 20 + number, width // 3, height // 2
            image[y : y + h, x : x + w] = (0, 255, 255) if side else (255, 0, 255)
            ann_id = 100 + len(refs)
            annotations.append(
                dict(id=ann_id, image_id=number, bbox=[x, y, w, h], category_id=1)
            )
            word = ('left', 'right')[side]
            first = 2 * len(refs)
            sentences = [
                dict(sent_id=first, sent=f'{word} block', raw=f'{word.upper()} block'),
                dict(sent_id=first + 1, sent=('pink', 'yellow')[side] + ' one'),
            ]
            refs.append(
                dict(
                    ref_id=len(refs),
                    ann_id=ann_id,
                    image_id=number,
                    split=split,
                    sentences=sentences,
                    sent_ids=[first, first + 1],
                    file_name=name,
                    category_id=1,
                )
            )
        cv2.imwrite(str(root / 'train2014' / name), image)
        images.append(dict(id=number, file_name=name, width=width, height=height))
    content = dict(images=images, annotations=annotations, categories=[])
    (root / 'refcoco' / 'instances.json').write_text(json.dumps(content))
    (root / 'refcoco' / 'refs(unc).p').write_bytes(pickle.dumps(refs, protocol=2))


@pytest.fixture(scope='session')
def mini_refcoco(tmp_path_factory):
    """Folder of a sound little RefCOCO, to be read only.

    28 expressions: train 12, val 8, testA 4, testB 4.
    """
    root = tmp_path_factory.mktemp('mini') / 'refcoco_mini'
    write_refer(root)
    return root


class ReferFolder:
    """A little RefCOCO of a test's own, whose files it may change."""

    def __init__(self, root):
        write_refer(root)
        self.root = root
        self.refs_path = root / 'refcoco' / 'refs(unc).p'
        self.instances_path = root / 'refcoco' / 'instances.json'

    def image_path(self, number):
        return self.root / 'train2014' / f'COCO_train2014_{number:012d}.jpg'

    def change_refs(self, change):
        refs = pickle.loads(self.refs_path.read_bytes())
        change(refs)
        self.refs_path.write_bytes(pickle.dumps(refs, protocol=2))

    def change_instances(self, change):
        instances = json.loads(self.instances_path.read_text())
        change(instances)
        self.instances_path.write_text(json.dumps(instances))


@pytest.fixture
def refer_folder(tmp_path):
    return ReferFolder(tmp_path / 'refer')


# -- nano model ------------------------------------------------------------


@pytest.fixture(scope='session')
def exported(nano, tmp_path_factory):
    """Folder of the trained nano model, exported to ONNX; to be read only."""
    for package in ('onnx', 'onnxruntime', 'onnxscript'):
        pytest.importorskip(package)
    from m2ist_mm.apis import RECInferencer
    from m2ist_mm.export import export_onnx

    init_default_scope('mmdet')
    folder = tmp_path_factory.mktemp('export') / 'exported'
    export_onnx(RECInferencer(*nano, device='cpu'), folder, 'nano')
    return folder


@pytest.fixture(scope='session')
def nano_tokenizer(tmp_path_factory):
    """A BERT tokenizer of a few words, as a folder that transformers loads."""
    folder = tmp_path_factory.mktemp('nano_tokenizer')
    runpy.run_path(str(ROOT / 'tests/nano_config.py'))['write_tokenizer'](folder)
    return str(folder)


@pytest.fixture(scope='session')
def write_nano_config():
    """Function that writes a nano model with weights and config, see there."""
    return runpy.run_path(str(ROOT / 'tests/nano_config.py'))['write_nano_config']


@pytest.fixture(scope='session')
def nano_path(write_nano_config, mini_refcoco, tmp_path_factory):
    """Config file of the nano model on the little RefCOCO, to be read only."""
    init_default_scope('mmdet')
    return write_nano_config(tmp_path_factory.mktemp('nano'), mini_refcoco)


@pytest.fixture
def nano_config(nano_path):
    """The nano model's config, which a test may change."""
    return load_config_file(nano_path)


@pytest.fixture(scope='session')
def nano(nano_path):
    """Config file and checkpoint, which has no towers, as a training writes it."""
    config = nano_path
    torch.manual_seed(3)
    model = MODELS.build(load_config_file(config).model)
    for parameter in model.bbox_head.parameters():
        # boxes of a head that starts anew are much the same for all expressions
        parameter.data += 0.3 * torch.randn_like(parameter)
    frozen = frozen_state_keys(model)
    state = {k: v for k, v in model.state_dict().items() if k not in frozen}
    checkpoint = config.with_name('trained.pth')
    meta = dict(towers=tower_identity(model))
    torch.save(dict(state_dict=state, meta=meta), checkpoint)
    return config, checkpoint
