import pytest
import torch
from mmengine.model import ModuleList
from torch import nn

from m2ist_mm.models.towers import VisionTower
from m2ist_mm.structures import TowerFeatures


class TableTower(VisionTower):
    """Adds a table with a position for each token of one size of images."""

    stride = 16
    embed_dims = 6

    def __init__(self, **kwargs):
        super().__init__(
            taps=dict(ffn='layers.{i}.0'), sites=dict(mlp='layers.{i}.1'), **kwargs
        )
        self.patch = nn.Conv2d(3, 6, 16, 16)
        height, width = self.grid
        self.table = nn.Parameter(torch.zeros(height * width, 6))
        self.layers = ModuleList(
            nn.Sequential(nn.Linear(6, width), nn.Linear(width, 6)) for width in (4, 5)
        )
        self.seen = []

    def forward(self, images, padding_mask):
        self.seen.append(tuple(images.shape[-2:]))
        tokens = self.patch(images).flatten(2).transpose(1, 2) + self.table
        for layer in self.layers:
            tokens = tokens + layer(tokens)
        mask = padding_mask[:, ::16, ::16].flatten(1)
        return TowerFeatures(tokens, mask, grid=self.grid)


def test_tower_of_one_size_is_measured_at_its_size():
    tower = TableTower(size=(32, 48))
    tower.train()
    assert tower.tap_channels('ffn', [0, 1]) == [4, 5]
    assert tower.seen == [(64, 64), (32, 48)]
    assert tower.site_channels('mlp') == [6, 6]
    assert tower.training


def test_tower_of_any_size_is_measured_on_4_by_4_tokens():
    tower = TableTower(size=(64, 64))
    assert tower.tap_channels('ffn', [1]) == [5]
    assert tower.seen == [(64, 64)]


def test_tower_that_fails_at_its_size_says_why():
    tower = TableTower(size=(32, 48))
    tower.table = nn.Parameter(torch.zeros(7, 6))
    with pytest.raises(RuntimeError, match=r'tensor a \(6\) .* tensor b \(7\)'):
        tower.tap_channels('ffn', [0])
