"""Sound inputs of every kind, and the programs that read them."""

import json
import os
import pickle
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from forked import run_forked
from mmdet.registry import DATASETS
from mmengine.registry import init_default_scope
from PIL import Image

from m2ist_mm.checkpoints import load_checkpoint, tensors_sha256
from m2ist_mm.config import load_config_file

ROOT = Path(__file__).resolve().parents[2]
IMAGE = 'COCO_train2014_000000000000.jpg'
SENTENCES = ('left block', 'yellow one')


def run_tool(path: str, *arguments: str | Path) -> int:
    """Run a program of tools/ in this process; gives its exit code."""
    sys.argv = [path, *map(str, arguments)]
    sys.path.insert(0, str((ROOT / path).parent))
    try:
        runpy.run_path(str(ROOT / path), run_name='__main__')
    except SystemExit as stop:
        return stop.code or 0
    return 0


class World:
    """A little RefCOCO in five formats, a nano model trained on it, and its config.

    Args:
        folder: Where all of it is written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / 'data'
        self.config = folder / 'nano.py'
        ended = run_forked(self._write_sound, folder)
        assert self.config.is_file(), ended.output
        options = runpy.run_path(str(self.config))
        # what is not read by itself: the data loaders hold all of it
        unread = ('work_dir', 'train_pipeline', 'test_pipeline')
        unread += ('train_dataset', 'val_dataset')
        self.pipeline = options['train_pipeline']
        self.options = {
            key: value
            for key, value in options.items()
            if not key.startswith('__') and key not in unread
        }
        self.formats = self._write_formats()
        for epochs in (1, 2):
            ended = run_forked(lambda n=epochs: self.train_for(n), folder)
            assert ended.result == 0, ended.output
        self.checkpoint = folder / 'work_1' / 'epoch_1.pth'

    def _write_sound(self) -> None:
        init_default_scope('mmdet')
        runpy.run_path(str(ROOT / 'tests/conftest.py'))['write_refer'](self.data)
        nano = runpy.run_path(str(ROOT / 'tests/nano_config.py'))
        nano['write_nano_config'](self.folder, self.data)

    def train_for(self, epochs: int) -> int:
        """Train from the start into ``work_<epochs>``."""
        return train(
            *(self.config, '--work-dir', self.folder / f'work_{epochs}'),
            *('--cfg-options', f'train_cfg.max_epochs={epochs}'),
        )

    def _write_formats(self) -> dict[str, tuple[str, Any]]:
        """Annotation files as (name, content) by format, of the split 'train'."""
        refer = pickle.loads((self.data / 'refcoco/refs(unc).p').read_bytes())
        coco = json.loads((self.data / 'refcoco/instances.json').read_text())
        images = {image['id']: image for image in coco['images']}
        boxes = {row['id']: row['bbox'] for row in coco['annotations']}
        rows, odvg, transvg, mdetr = [], [], [], dict(images=[], annotations=[])
        for ref in refer:
            if ref['split'] != 'train':
                continue
            image = images[ref['image_id']]
            name, size = image['file_name'], (image['width'], image['height'])
            x, y, w, h = boxes[ref['ann_id']]
            corners = [x, y, x + w, y + h]
            for sentence in ref['sentences']:
                text, key = f'{sentence["sent"]} café', sentence['sent_id']
                rows.append(
                    dict(
                        image=name,
                        expression=text,
                        bbox=corners,
                        split='train',
                        sent_id=key,
                        kind='side',
                    )
                )
                regions = [dict(bbox=corners, phrase=text)]
                odvg.append(
                    dict(
                        filename=name,
                        height=size[1],
                        width=size[0],
                        grounding=dict(caption=text, regions=regions),
                    )
                )
                mdetr['images'].append(
                    dict(
                        id=key,
                        file_name=name,
                        width=size[0],
                        height=size[1],
                        caption=text,
                        dataset_name='refcoco',
                    )
                )
                mdetr['annotations'].append(
                    dict(id=key, image_id=key, bbox=[x, y, w, h], category_id=1)
                )
                transvg.append((name, 'mask', [x, y, w, h], text, [('a', 'b')]))
        return {
            'rows.json': rows,
            'rows.jsonl': rows,
            'odvg.jsonl': odvg,
            'mdetr.json': mdetr,
            'transvg.pth': transvg,
            'refs(unc).p': refer,
            'instances.json': coco,
        }

    def dataset_config(self, name: str, folder: Path) -> Path:
        """Config that reads an annotation file in a folder.

        Args:
            name: Name of the file, as in ``formats``.
            folder: Where it is, and where the config is written.
        """
        pipeline = self.pipeline
        if name in ('refs(unc).p', 'instances.json'):
            other = {'refs(unc).p': 'instances.json', 'instances.json': 'refs(unc).p'}
            os.symlink(self.data / 'refcoco' / other[name], folder / other[name])
            dataset = dict(
                type='ReferDataset', refs_file='refs(unc).p', ann_file='instances.json'
            )
        else:
            dataset = dict(
                type='RECFileDataset',
                file_format=name.partition('.')[0],
                ann_file=name if name.startswith('rows') else f'{{split}}/{name}',
            )
            if name == 'transvg.pth':
                dataset['bbox_form'] = 'xywh'
            if not name.startswith('rows'):
                os.symlink('.', folder / 'train')
        dataset.update(
            data_root=str(folder),
            data_prefix=dict(img=str(self.data / 'train2014')),
            split='train',
            pipeline=pipeline,
            _delete_=True,
        )
        path = folder / 'dataset.py'
        path.write_text(
            f"_base_ = '{self.config}'\n"
            f'train_dataloader = dict(dataset={dataset!r})\n'
            'val_dataloader = test_dataloader = None\n'
            'val_cfg = test_cfg = val_evaluator = test_evaluator = None\n'
            'train_cfg = dict(max_epochs=1)\n'
        )
        return path


def train(*arguments: str | Path) -> int:
    """Run tools/train.py."""
    return run_tool('tools/train.py', *arguments)


def read_dataset(config: Path, by_training: bool) -> tuple[int, Any]:
    """Check a config's dataset, or train on it; then give all that it holds."""
    if by_training:
        code = train(config, '--work-dir', 'work')
    else:
        code = run_tool('tools/misc/check_dataset.py', config)
    if code:
        return code, None
    dataset = DATASETS.build(load_config_file(config).train_dataloader.dataset)
    found = []
    for index in range(len(dataset)):
        dataset[index]
        info = dataset.get_data_info(index)
        boxes = [[float(c) for c in row['bbox']] for row in info['instances']]
        name = os.path.basename(info['img_path'])
        found.append((list(info['text']), list(info['sent_id']), name, boxes))
    return 0, found


def find_boxes(
    config: Path,
    checkpoint: Path,
    image: str | Path,
    sentences: Sequence[str] = SENTENCES,
) -> tuple[int, Any]:
    """Run tools/image_demo.py; gives the boxes, which must be finite numbers."""
    code = run_tool(
        *('tools/image_demo.py', image, *sentences),
        *('--config', config, '--checkpoint', checkpoint, '--out-dir', 'out'),
    )
    if code:
        return code, None
    file = Path('out/preds', f'{Path(image).stem}.json')
    boxes = torch.tensor(json.loads(file.read_text())['bboxes'])
    return 0, boxes.tolist() if boxes.isfinite().all() else 'not finite'


def test(config: Path, checkpoint: Path, *arguments: str) -> tuple[int, Any]:
    """Run tools/test.py; gives the predicted boxes."""
    code = run_tool(
        *('tools/test.py', config, checkpoint, '--work-dir', 'work'),
        *('--out', 'predictions.json', *arguments),
    )
    if code:
        return code, None
    predictions = json.loads(Path('predictions.json').read_text())
    return 0, [(row['text'], row['pred_bbox']) for row in predictions]


def resume(config: Path, work_dir: Path, epochs: int) -> tuple[int, Any]:
    """Resume a training to its end; gives the hash of what it ends with."""
    code = train(
        *(config, '--work-dir', work_dir, '--resume'),
        *('--cfg-options', f'train_cfg.max_epochs={epochs}'),
    )
    return code, None if code else final_state(work_dir / f'epoch_{epochs}.pth')


def final_state(checkpoint: Path) -> str:
    """Hash of weights, optimiser and schedules, bit for bit."""
    content = load_checkpoint(checkpoint)
    content.add_resume_state()
    schedules = [
        {k: v for k, v in one.items() if not k.startswith('verbose')}
        for one in content['param_schedulers']
    ]
    tensors = {
        f'{number}.{name}': torch.as_tensor(value)
        for number, state in content['optimizer']['state'].items()
        for name, value in state.items()
    }
    rest = repr((content['optimizer']['param_groups'], schedules))
    return f'{tensors_sha256({**content["state_dict"], **tensors})} {rest}'


def save_image(source: Path, path: Path, **how: Any) -> None:
    """Write an image in the format of the path's ending."""
    with Image.open(source) as image:
        image.save(path, **how)
