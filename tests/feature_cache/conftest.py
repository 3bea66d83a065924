"""Towers whose features show what they were made of."""

import pytest
import torch
import torch.nn.functional as F
from mmdet.registry import MODELS
from torch import nn

from m2ist_mm.models.towers import Tower, VisionTower
from m2ist_mm.structures import TowerFeatures


class Widen(nn.Module):
    """Counts on from the first channel."""

    def __init__(self, width):
        super().__init__()
        self.width = width

    def forward(self, tokens):
        return tokens[..., :1] + torch.arange(1.0, 1 + self.width)


class Shrink(nn.Module):
    """A map of two channels on a grid of its own."""

    def __init__(self, grid):
        super().__init__()
        self.grid = grid

    def forward(self, images):
        return F.adaptive_avg_pool2d(images[:, :2], self.grid)


class TextTower(Tower):
    """Tokens (id, 10 id), taps of 3 and 5 channels; remembers what it was asked."""

    modality = 'language'
    embed_dims = 2

    def __init__(self, scale=1.0, widths=(3, 5)):
        super().__init__(taps=dict(a='layers.{i}'))
        self.scale = nn.Parameter(torch.tensor(scale))
        self.layers = nn.ModuleList(map(Widen, widths))
        self._asked = []
        self.freeze()
        self.tap(dict(a=[0, 1]))

    def asked(self):
        asked, self._asked = self._asked, []
        return asked

    def forward(self, ids, mask):
        self._asked += [tuple(row[: row.count_nonzero()].tolist()) for row in ids]
        base = ids[..., None] * torch.tensor([1.0, 10.0]) * self.scale
        for layer in self.layers:
            layer(base)
        return TowerFeatures(base, mask == 0, base + 1)


class ImageTower(VisionTower):
    """Tokens without inputs, a tap of 4 channels and one that is a coarser map."""

    embed_dims = 3
    stride = 8

    def __init__(self):
        super().__init__(size=(16, 24), taps=dict(map='shrink', fine='widen'))
        self.weight = nn.Parameter(torch.ones(()))
        self.shrink, self.widen = Shrink((1, 2)), Widen(4)
        self._asked = 0
        self.freeze()
        self.tap(dict(map=[0], fine=[0]))

    def asked(self):
        asked, self._asked = self._asked, 0
        return asked

    def forward(self, images, mask):
        self._asked += len(images)
        grid = images.shape[2] // self.stride, images.shape[3] // self.stride
        tokens = F.adaptive_avg_pool2d(images, grid).flatten(2).transpose(1, 2)
        tokens = tokens * self.weight
        self.shrink(images)
        self.widen(tokens)
        mask = F.adaptive_avg_pool2d(mask[:, None].float(), grid).flatten(1) == 1
        return TowerFeatures(tokens, mask, grid=grid)


@pytest.fixture
def make_text_tower():
    return TextTower


@pytest.fixture
def text_tower():
    return TextTower()


@pytest.fixture
def image_tower():
    return ImageTower()


@pytest.fixture
def images():
    """Three images and their padding."""
    generator = torch.Generator().manual_seed(0)
    mask = torch.zeros(3, 16, 24, dtype=torch.bool)
    mask[1, :, 8:] = True
    return torch.randn(3, 3, 16, 24, generator=generator), mask


@pytest.fixture
def backbone(nano_config):
    """Towers of a ResNet with DETR encoder and of a BERT."""
    backbone = MODELS.build(nano_config.model.backbone)
    for tower in backbone.towers.values():
        tower.tap(dict(attention=[0, 1], ffn=[1]))
    return backbone
