"""The pipelines and data loaders of configs/_base_/datasets."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmdet.registry import DATA_SAMPLERS, DATASETS
from mmdet.structures.bbox import HorizontalBoxes
from mmengine.dataset import Compose
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from torch.utils.data import ConcatDataset

from m2ist_mm.config import (
    apply_canvas,
    iter_dataset_configs,
    load_config_file,
    set_data_root,
)
from m2ist_mm.datasets import PUBLISHED_COUNTS
from m2ist_mm.datasets.transforms import swap_left_right

CONFIGS = Path(__file__).parents[2] / 'configs' / '_base_' / 'datasets'
NAMES = ('refcoco', 'refcoco-mini', 'refshapes')


def load(name, canvas=None):
    options = {} if canvas is None else dict(canvas=canvas)
    return load_config_file(CONFIGS / f'{name}.py', cfg_options=options)


def train_pipeline(name, canvas=None):
    return load(name, canvas).train_dataloader.dataset.pipeline


@pytest.fixture(scope='module')
def train_pipelines():
    init_default_scope('mmdet')
    pipelines = {name: Compose(train_pipeline(name)[2:]) for name in NAMES}
    # height and width differ, so that they cannot be exchanged
    pipelines['wide'] = Compose(train_pipeline('refcoco', (448, 512))[2:])
    return pipelines


@st.composite
def painted_images(draw, largest, smallest):
    """A black image with one white rectangle, which is the referent's box."""
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

    left, top, right, bottom = sample.placement.region
    outside = image.clone()
    outside[top:bottom, left:right] = 0
    assert outside.abs().max() == 0

    image = image[top:bottom, left:right]
    bright = image > (image.max() + image.min()) / 2
    if image.max() > image.min():  # else the referent fills the crop
        rows, columns = bright.nonzero().T
        painted = torch.stack(
            [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        ) + torch.tensor([left, top, left, top])
        error = (painted - sample.gt_instances.bboxes[0]).abs().max()
        assert error <= 1.5, (painted, sample.gt_instances.bboxes)
    assert sample.text == (swap_left_right(text) if sample.flip else text,)


# Not smaller: enlarged, the blur of an edge that the colour jitter then brightens is
# wider than the tolerance.
@given(painted_images(640, 256), st.integers(0, 2**31))
@settings(deadline=None, max_examples=60)
def test_refcoco_training_keeps_image_box_and_words_together(
    train_pipelines, results, seed
):
    check_consistency(train_pipelines['refcoco'], results, (640, 640), seed)


@given(painted_images(640, 180), st.integers(0, 2**31))
@settings(deadline=None, max_examples=20)
def test_smaller_canvas_keeps_image_box_and_words_together(
    train_pipelines, results, seed
):
    check_consistency(train_pipelines['wide'], results, (512, 448), seed)


def lengths(pipeline):
    """All lengths of the pipeline of a RefCOCO training, in pixels."""
    (edges, crop), resize, pad = pipeline[2].transforms, pipeline[3], pipeline[6]
    return edges.scales, (crop.min_size, crop.max_size), resize.scales, pad.size


@pytest.mark.parametrize(
    ('canvas', 'edges', 'crop', 'sides'),
    [
        (640, [400, 500, 600], (384, 600), [448, 480, 512, 544, 576, 608, 640]),
        (448, [280, 350, 420], (269, 420), [314, 336, 358, 381, 403, 426, 448]),
        (320, [200, 250, 300], (192, 300), [224, 240, 256, 272, 288, 304, 320]),
    ],
)
def test_canvas_scales_every_length(canvas, edges, crop, sides):
    config = load('refcoco', (canvas, canvas))
    squares = [(side, side) for side in sides]
    size = (canvas, canvas)
    pipeline = config.train_dataloader.dataset.pipeline
    assert lengths(pipeline) == (edges, crop, squares, size)
    for loader in (config.val_dataloader, config.test_dataloader):
        _, resize, pad, *_ = loader.dataset.pipeline
        assert (resize.scale, pad.size) == (size, size)


def test_canvas_that_is_not_square_scales_each_axis():
    assert lengths(train_pipeline('refcoco', (320, 448))) == (
        [200, 250, 300],
        (192, 300),
        [
            *((314, 224), (336, 240), (358, 256), (381, 272)),
            *((403, 288), (426, 304), (448, 320)),
        ],
        (448, 320),
    )


@given(painted_images(640, 128), st.integers(0, 2**31))
@settings(deadline=None, max_examples=40)
def test_refcoco_mini_training_keeps_image_box_and_words_together(
    train_pipelines, results, seed
):
    check_consistency(train_pipelines['refcoco-mini'], results, (320, 320), seed)


@given(painted_images(160, 64), st.integers(0, 2**31))
@settings(deadline=None, max_examples=40)
def test_refshapes_training_keeps_image_box_and_words_together(
    train_pipelines, results, seed
):
    check_consistency(train_pipelines['refshapes'], results, (160, 160), seed)


def use_folder(cfg, root):
    """Read the little dataset whatever the config's file names are."""
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
    (on_canvas,) = sample.placement.to_canvas(torch.tensor([expected]))
    image = packed['inputs'].numpy()
    x1, y1, x2, y2 = on_canvas.round().int().tolist()
    magenta = (image[0] > 150) & (image[1] < 110) & (image[2] > 150)
    inside = magenta[y1 + 4 : y2 - 4, x1 + 4 : x2 - 4]
    assert inside.mean() > 0.99
    assert magenta.sum() <= (x2 - x1 + 4) * (y2 - y1 + 4)


@pytest.mark.parametrize('name', ['refcoco', 'refcoco-mini', 'refshapes'])
def test_data_loaders_build_and_the_test_set_has_three_splits(mini_refcoco, name):
    cfg = load(name)
    use_folder(cfg, mini_refcoco)
    if name == 'refshapes':  # its images fit the canvas, these may not
        cfg.canvas = (320, 320)
        apply_canvas(cfg)
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
        ('refcoco+', 'REFCOCO_ROOT'),
        ('refcocog-umd', 'REFCOCO_ROOT'),
        ('refcocog-google', 'REFCOCO_ROOT'),
        ('refcoco-mixed', 'REFCOCO_ROOT'),
        ('referit', 'REFERIT_ROOT'),
        ('flickr30k', 'FLICKR30K_ROOT'),
        ('refcoco-mini', 'REFCOCO_MINI_ROOT'),
        ('refshapes', 'REFSHAPES_ROOT'),
    ],
)
def test_environment_names_the_folder(monkeypatch, name, variable):
    monkeypatch.setenv(variable, '/somewhere/else')
    roots = {dataset.data_root for _, dataset in iter_dataset_configs(load(name))}
    assert roots == {'/somewhere/else'}


@pytest.mark.parametrize(
    ('name', 'test_splits', 'counts'),
    [
        ('refcoco', ['val', 'testA', 'testB'], 'refcoco_unc'),
        ('refcoco+', ['val', 'testA', 'testB'], 'refcoco+_unc'),
        ('refcocog-umd', ['val', 'test'], 'refcocog_umd'),
        ('refcocog-google', 'val', 'refcocog_google'),
        ('referit', ['val', 'test'], 'referit_berkeley'),
        ('flickr30k', ['val', 'test'], 'flickr30k'),
    ],
)
def test_published_splits_are_read_and_counted(name, test_splits, counts):
    cfg = load(name)
    datasets = [dataset for _, dataset in iter_dataset_configs(cfg)]
    assert [d.split for d in datasets] == ['train', 'val', test_splits]
    assert {d.expected_count for d in datasets} == {counts}
    assert {d.name for d in datasets} == {name}
    assert [d.get('test_mode', False) for d in datasets] == [False, True, True]
    tested = {test_splits} if isinstance(test_splits, str) else set(test_splits)
    assert set(PUBLISHED_COUNTS[counts]) == {'train', *tested}


def test_mixed_training_leaves_out_what_any_of_them_tests_with(refer_folder):
    # In this folder all three files are RefCOCO's; image 2 is RefCOCO+'s val.
    root, original = refer_folder.root, refer_folder.refs_path.read_bytes()
    refer_folder.change_refs(
        lambda refs: [ref.update(split='val') for ref in refs if ref['image_id'] == 2]
    )
    for folder, refs in (('refcoco+', 'refs(unc).p'), ('refcocog', 'refs(umd).p')):
        (root / folder).mkdir()
        (root / folder / 'instances.json').write_bytes(
            refer_folder.instances_path.read_bytes()
        )
        (root / folder / refs).write_bytes(original)
    (root / 'refcoco+' / 'refs(unc).p').write_bytes(refer_folder.refs_path.read_bytes())
    refer_folder.refs_path.write_bytes(original)

    cfg = load('refcoco-mixed')
    set_data_root(cfg, str(root))
    settings = cfg.train_dataloader
    settings.update(num_workers=0, persistent_workers=False, batch_size=2)
    loader = Runner.build_dataloader(settings, seed=0)
    paths = {
        (sample.dataset, Path(sample.img_path).stem[-1])
        for batch in loader
        for sample in batch['data_samples']
    }
    names = ('refcoco', 'refcoco+', 'refcocog-umd')
    assert {number for _, number in paths} == {'0', '1'}
    assert {name for name, _ in paths} == set(names)
    # two images of four expressions each
    assert [len(dataset) for dataset in loader.dataset.datasets] == [8, 8, 8]


def test_mixed_test_knows_each_sample_s_data_set_and_split():
    datasets = load('refcoco-mixed').test_dataloader.dataset.datasets
    assert {(d.name, *d.split, d.expected_count) for d in datasets} == {
        ('refcoco', 'val', 'testA', 'testB', 'refcoco_unc'),
        ('refcoco+', 'val', 'testA', 'testB', 'refcoco+_unc'),
        ('refcocog-umd', 'val', 'test', 'refcocog_umd'),
    }


@pytest.mark.parametrize('world', [1, 2])
def test_weights_of_mixed_sampling_hold_on_any_number_of_processes(monkeypatch, world):
    """mmdet's sampler: seeded by (seed, epoch), alike on every process."""
    data = ConcatDataset([list(range(900)), list(range(90))])
    indices, epochs = [], []
    for rank in range(world):
        monkeypatch.setattr(
            'mmdet.datasets.samplers.multi_data_sampler.get_dist_info',
            lambda rank=rank: (rank, world),
        )
        sampler = DATA_SAMPLERS.build(
            dict(type='MultiDataSampler', dataset_ratio=[3, 1], dataset=data, seed=7)
        )
        assert len(sampler) == len(data) // world
        indices.append(list(sampler))
        assert list(sampler) == indices[-1]
        sampler.set_epoch(1)
        epochs.append(list(sampler))
    drawn = np.concatenate(indices)
    assert abs((drawn >= 900).mean() - 0.25) < 0.04
    assert indices != epochs
    if world == 2:
        assert indices[0] != indices[1]


@pytest.mark.parametrize('tower', ['r50', 'vitb'])
@pytest.mark.parametrize(
    ('data', 'epochs', 'milestone', 'tokens'),
    [
        ('refcoco', 90, 60, 20),
        ('refcoco+', 180, 120, 20),
        ('refcocog-umd', 90, 60, 40),
        ('refcocog-google', 90, 60, 40),
        ('referit', 90, 60, 20),
        ('flickr30k', 90, 60, 20),
    ],
)
def test_recipes_differ_as_published(tower, data, epochs, milestone, tokens):
    cfg = load_config_file(CONFIGS.parents[1] / 'm2ist' / f'm2ist_{tower}_{data}.py')
    assert cfg.train_cfg.max_epochs == epochs
    assert cfg.param_scheduler[0].milestones == [milestone]
    assert cfg.model.backbone.language.max_tokens == tokens
    datasets = [dataset for _, dataset in iter_dataset_configs(cfg)]
    assert {dataset.name for dataset in datasets} == {data}
    side = {'r50': 640, 'vitb': 448}[tower]
    sides = {step['size'] for d in datasets for step in d.pipeline if 'size' in step}
    assert sides == {(side, side)}
