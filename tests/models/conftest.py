"""A model small enough to build, run and train in milliseconds."""

import copy
import runpy
from pathlib import Path

import pytest
import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine import ConfigDict
from mmengine.structures import InstanceData

from m2ist_mm.structures import InputSpec, Placement

_nano = runpy.run_path(str(Path(__file__).parents[1] / 'nano_config.py'))
CANVAS, BACKBONE, NECK, HEAD = (
    _nano[name] for name in ('CANVAS', 'BACKBONE', 'NECK', 'HEAD')
)


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


@pytest.fixture
def vision_config():
    return ConfigDict(copy.deepcopy(BACKBONE['vision']))


@pytest.fixture
def language_config():
    return ConfigDict(copy.deepcopy(BACKBONE['language']))


@pytest.fixture
def backbone_config():
    return ConfigDict(copy.deepcopy(BACKBONE))


@pytest.fixture
def neck_config():
    return ConfigDict(copy.deepcopy(NECK))


@pytest.fixture
def head_config():
    return ConfigDict(copy.deepcopy(HEAD))


@pytest.fixture(scope='session')
def tokenizer_folder(tmp_path_factory):
    """A BERT tokenizer of a few words, as a folder that transformers loads."""
    folder = tmp_path_factory.mktemp('tokenizer')
    _nano['write_tokenizer'](folder)
    return str(folder)


@pytest.fixture
def towers(backbone_config):
    """The two towers by name, frozen."""
    return MODELS.build(backbone_config).towers


@pytest.fixture
def make_neck(backbone_config):
    """Builds a backbone and a side network on its towers."""

    def make(config):
        backbone = MODELS.build(backbone_config)
        return backbone, MODELS.build(config, default_args=dict(towers=backbone.towers))

    return make


class StandInTower:
    """What side networks and heads ask of a tower, without a tower.

    Args:
        embed_dims: Width of the output.
        grid: Rows and columns of a vision tower's tokens.
        max_tokens: Most tokens of a language tower.
        tap_widths: Kind of tap to its width; that of the output unless given.
        norms: Kind of tap to the LayerNorms behind it.
    """

    def __init__(
        self, embed_dims, grid=None, max_tokens=None, tap_widths=None, norms=None
    ):
        self.embed_dims = embed_dims
        self.grid = grid
        self.input_spec = InputSpec(max_tokens=max_tokens)
        self.tap_widths = tap_widths or {}
        self.norms = norms or {}
        self.wanted = {}

    def tap(self, wanted):
        self.wanted = wanted

    def tap_channels(self, kind, layers):
        return [self.tap_widths.get(kind, self.embed_dims)] * len(layers)

    def find(self, table, kind, layers=None):
        assert table == 'norms'
        return [self.norms[kind][layer] for layer in layers]


@pytest.fixture(scope='session')
def stand_in():
    return StandInTower


@pytest.fixture
def model_config(backbone_config, neck_config, head_config, tokenizer_folder):
    backbone_config.language.tokenizer = tokenizer_folder
    return ConfigDict(
        type='SideTunedGrounder',
        backbone=backbone_config,
        neck=neck_config,
        bbox_head=head_config,
    )


@pytest.fixture
def make_model():
    """Builds a model; the same config gives the same weights.

    What starts as zero or one is drawn too: what is left out of a sum is seen.
    """

    def make(config):
        torch.manual_seed(1)
        model = MODELS.build(config)
        generator = torch.Generator().manual_seed(1)
        for name, value in model.state_dict().items():
            if name.endswith('running_var'):
                value.uniform_(0.5, 1.5, generator=generator)
            elif value.is_floating_point() and value.dim() == 1:
                noise = torch.randn(value.shape, generator=generator)
                value.add_(0.1 * noise.to(value))
            elif value.is_floating_point() and not value.any():
                value.normal_(0, 0.1, generator=generator)
        return model

    return make


@pytest.fixture
def images():
    """Two normalised images, the first with padding around, and their masks."""
    generator = torch.Generator().manual_seed(2)
    images = torch.randn(2, 3, *CANVAS, generator=generator)
    mask = torch.zeros(2, *CANVAS, dtype=torch.bool)
    mask[0, 80:] = True
    mask[0, :, :32] = True
    return images.masked_fill(mask[:, None], 0), mask


@pytest.fixture
def texts():
    """Token ids of three expressions of 6, 4 and 3 tokens, and their masks."""
    ids = torch.tensor(
        [[2, 5, 7, 10, 12, 3], [2, 11, 15, 3, 0, 0], [2, 13, 3, 0, 0, 0]]
    )
    return ids, (ids != 0).long()


@pytest.fixture
def inputs(images, texts):
    """What the preprocessor gives: two images, the second with two expressions."""
    return dict(
        images=images[0],
        padding_mask=images[1],
        input_ids=texts[0],
        attention_mask=texts[1],
        image_index=torch.tensor([0, 1, 1]),
    )


@pytest.fixture
def make_sample():
    """Builds a packed sample: noise in a canvas, expressions and their boxes."""

    def make(text, bboxes, seed=0, **metainfo):
        generator = torch.Generator().manual_seed(seed)
        image = torch.randint(
            0, 256, (3, *CANVAS), dtype=torch.uint8, generator=generator
        )
        bboxes = torch.as_tensor(bboxes, dtype=torch.float32).reshape(-1, 4)
        sample = DetDataSample(
            metainfo=dict(
                text=text,
                img_id=seed,
                img_path=f'{seed}.jpg',
                ori_shape=CANVAS,
                img_shape=CANVAS,
                scale_factor=(1.0, 1.0),
                placement=Placement.identity(CANVAS),
                batch_input_shape=CANVAS,
            )
        )
        sample.set_metainfo(metainfo)
        sample.gt_instances = InstanceData(
            bboxes=bboxes, labels=torch.arange(len(bboxes))
        )
        return dict(inputs=image, data_samples=sample)

    return make


@pytest.fixture
def collate():
    def collate(*packed):
        return dict(
            inputs=[one['inputs'] for one in packed],
            data_samples=[one['data_samples'] for one in packed],
        )

    return collate


@pytest.fixture
def no_hub(monkeypatch):
    """The model hub is not asked: it would be tried again for a minute."""
    monkeypatch.setattr('huggingface_hub.constants.HF_HUB_OFFLINE', True)
