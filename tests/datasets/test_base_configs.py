"""The pipelines and data loaders of configs/_base_/datasets."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmdet.registry import DATASETS
from mmdet.structures.bbox import HorizontalBoxes
from mmengine import Config
from mmengine.dataset import Compose
from mmengine.registry import init_default_scope
from mmengine.runner import Runner

from m2ist_mm.datasets import iter_dataset_configs, set_data_root
from m2ist_mm.datasets.transforms import swap_left_right

CONFIGS = Path(__file__).parents[2] / 'configs' / '_base_' / 'datasets'
NAMES = ('refcoco', 'refcoco-mini', 'refshapes')


def load(name):
    return Config.fromfile(CONFIGS / f'{name}.py')


@pytest.fixture(scope='module')
def train_pipelines():
    init_default_scope('mmdet')
    return {name: Compose(load(name).train_pipeline[2:]) for name in NAMES}


@st.composite
def painted_pictures(draw, largest, smallest):
    """A black picture with one white rectangle, which is the referent's box."""
    width = draw(st.integers(smallest, largest))
    height = draw(st.integers(smallest, largest))
    x1 = draw(st.integers(0, width - 20))
    y1 = draw(st.integers(0, height - 20))
    x2 = draw(st.integers(x1 + 16, width))
    y2 = draw(st.integers(y1 + 16, height))
    img = np.zeros((height, width, 3), np.uint8)
    img[y1:y2, x1:x2] = 255
    return dict(
        img=img,
        img_shape=(height, width),
        ori_shape=(height, width),
        gt_bboxes=HorizontalBoxes(torch.tensor([[x1, y1, x2, y2]]).float()),
        gt_bboxes_labels=np.zeros(1, np.int64),
        text=[draw(st.sampled_from(['block', 'left block', 'upright laptop']))],
    )


def check_consistency(pipeline, results, canvas, seed):
    """White pixels, box, padding and words tell the same story."""
    text = results['text'][0]
    np.random.seed(seed)
    packed = pipeline(results)
    sample, image = packed['data_samples'], packed['inputs'].float().mean(0)
    assert image.shape == sample.img_shape == canvas[::-1]

    left, top = sample.pad_offset
    height, width = sample.valid_shape
    outside = image.clone()
    outside[top : top + height, left : left + width] = 0
    assert outside.abs().max() == 0

    picture = image[top : top + height, left : left + width]
    bright = picture > (picture.max() + picture.min()) / 2
    if picture.max() > picture.min():  # else the referent fills the crop
        rows, columns = bright.nonzero().T
        painted = torch.stack(
            [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        ) + torch.tensor([left, top, left, top])
        error = (painted - sample.gt_instances.bboxes[0]).abs().max()
        assert error <= 1.5, (painted, sample.gt_instances.bboxes)
    assert sample.text == (swap_left_right(text) if sample.flip else text)


# Not smaller: enlarged, the blur of an edge that the colour jitter then brightens is
# wider than the tolerance.
@given(painted_pictures(640, 256), st.integers(0, 2**31))
@settings(deadline=None, max_examples=60)
def test_refcoco_training_keeps_picture_box_and_words_together(
    train_pipelines, results, seed
):
    check_consistency(train_pipelines['refcoco'], results, (640, 640), seed)


@given(painted_pictures(640, 128), st.integers(0, 2**31))
@settings(deadline=None, max_examples=40)
def test_refcoco_mini_training_keeps_picture_box_and_words_together(
    train_pipelines, results, seed
):
    check_consistency(train_pipelines['refcoco-mini'], results, (320, 320), seed)


@given(painted_pictures(160, 64), st.integers(0, 2**31))
@settings(deadline=None, max_examples=40)
def test_refshapes_training_keeps_picture_box_and_words_together(
    train_pipelines, results, seed
):
    check_consistency(train_pipelines['refshapes'], results, (160, 160), seed)


def use_folder(cfg, root):
    """Read the little data set whatever the config's file names are."""
    set_data_root(cfg, str(root))
    for _, dataset in iter_dataset_configs(cfg):
        dataset.refs_file = 'refcoco/refs(unc).p'
        dataset.ann_file = 'refcoco/instances.json'
        dataset.expected_count = None


@pytest.mark.parametrize('name', ['refcoco', 'refcoco-mini'])
def test_truth_of_a_test_sample_stays_in_pixels_of_the_original(mini_refcoco, name):
    cfg = load(name)
    use_folder(cfg, mini_refcoco)
    dataset = DATASETS.build(cfg.val_dataloader.dataset)
    packed = dataset[0]
    sample = packed['data_samples']
    expected = dataset.get_data_info(0)['instances'][0]['bbox']
    assert sample.gt_instances.bboxes[0].tolist() == expected

    # mapped to the canvas as the model's prediction is mapped back
    image = packed['inputs'].numpy()
    scale, offset = np.tile(sample.scale_factor, 2), np.tile(sample.pad_offset, 2)
    x1, y1, x2, y2 = (np.array(expected) * scale + offset).round().astype(int)
    magenta = (image[0] > 150) & (image[1] < 110) & (image[2] > 150)
    inside = magenta[y1 + 4 : y2 - 4, x1 + 4 : x2 - 4]
    assert inside.mean() > 0.99
    assert magenta.sum() <= (x2 - x1 + 4) * (y2 - y1 + 4)


@pytest.mark.parametrize('name', NAMES)
def test_data_loaders_build_and_the_test_set_has_three_splits(mini_refcoco, name):
    cfg = load(name)
    use_folder(cfg, mini_refcoco)
    if name == 'refshapes':  # its pictures fit the canvas, these may not
        for _, dataset in iter_dataset_configs(cfg):
            for step in dataset.pipeline:
                if step['type'] == 'PadToCanvas':
                    step['size'] = (320, 320)
    splits = []
    for loader in ('train', 'val', 'test'):
        settings = cfg[f'{loader}_dataloader']
        settings.update(num_workers=0, persistent_workers=False, batch_size=2)
        batches = list(Runner.build_dataloader(settings, seed=0))
        samples = [sample for batch in batches for sample in batch['data_samples']]
        splits.append({sample.split for sample in samples})
        expressions = sum(len(sample.gt_instances) for sample in samples)
        assert expressions == {'train': 12, 'val': 8, 'test': 16}[loader]
    assert splits == [{'train'}, {'val'}, {'val', 'testA', 'testB'}]


@pytest.mark.parametrize(
    ('name', 'variable'),
    [
        ('refcoco', 'REFCOCO_ROOT'),
        ('refcoco-mini', 'REFCOCO_MINI_ROOT'),
        ('refshapes', 'REFSHAPES_ROOT'),
    ],
)
def test_environment_names_the_folder(monkeypatch, name, variable):
    monkeypatch.setenv(variable, '/somewhere/else')
    roots = {dataset.data_root for _, dataset in iter_dataset_configs(load(name))}
    assert roots == {'/somewhere/else'}


def test_refcoco_counts_are_checked():
    datasets = [dataset for _, dataset in iter_dataset_configs(load('refcoco'))]
    assert {dataset.expected_count for dataset in datasets} == {'refcoco_unc'}
    assert [dataset.split for dataset in datasets] == [
        'train',
        'val',
        'val',
        'testA',
        'testB',
    ]
