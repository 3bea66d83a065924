import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from m2ist_mm.efficiency import SavedActivations, part_of


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(10, 20)
        self.act = nn.ReLU()
        self.second = nn.Linear(20, 30)

    def forward(self, inputs):
        return self.second(self.act(self.first(inputs))).square()


def test_bytes_of_a_block_are_the_hand_count():
    block, inputs = Block(), torch.randn(5, 10)
    with SavedActivations(block) as saved:
        block(inputs).sum().backward()
    # its own inputs; ReLU's output, which the second layer saves too; what is squared
    assert saved.by_module == {'first': 200, 'act': 400, '': 600}
    assert saved.total == 1200


def test_frozen_part_saves_nothing():
    block, inputs = Block(), torch.randn(5, 10)
    with SavedActivations(block) as saved, torch.no_grad():
        block(inputs)
    assert saved.total == 0
    block.first.requires_grad_(False)
    with SavedActivations(block) as saved:
        block(inputs)
    # ReLU has no gradient to give, the second layer saves its output all the same
    assert saved.by_module == {'second': 400, '': 600}


def test_storage_of_a_view_counts_once_and_as_a_whole():
    linear, inputs = nn.Linear(10, 3), torch.randn(8, 10)
    with SavedActivations(linear) as saved:
        linear(inputs[:2]).sum() + linear(inputs[2:4]).sum()
    assert saved.total == inputs.untyped_storage().nbytes() == 320


def test_recomputed_layers_save_only_their_input():
    class Recomputed(nn.Module):
        def __init__(self):
            super().__init__()
            self.block = Block()

        def forward(self, inputs):
            return checkpoint(self.block, inputs, use_reentrant=False)

    model, inputs = Recomputed(), torch.randn(5, 10, requires_grad=True)
    with SavedActivations(model) as saved:
        model(inputs).sum().backward()
    assert saved.total == 200


def test_hooks_are_gone_after_the_context():
    block = Block()
    with pytest.raises(RuntimeError), SavedActivations(block) as saved:
        block(torch.randn(5, 11))
    total = saved.total
    block(torch.randn(5, 10))
    assert saved.total == total
    assert not block.first._forward_hooks and not block._forward_pre_hooks


@pytest.mark.parametrize(
    ('name', 'part'),
    [
        ('backbone.vision.backbone.layer1.0.conv1', 'vision tower'),
        ('backbone.language.model', 'language tower'),
        ('neck.vea.0.norm', 'side networks'),
        ('bbox_head.vision_proj', 'projections'),
        ('bbox_head.encoder.layers.11.ffn', 'V-L encoder layer 12'),
        ('bbox_head.bbox_mlp.0', 'head'),
        ('bbox_head', 'head'),
        ('', 'rest'),
    ],
)
def test_module_belongs_to_a_part(name, part):
    assert part_of(name) == part


def test_parts_add_up():
    model = nn.Module()
    model.neck, model.bbox_head = Block(), nn.Linear(30, 2)
    inputs = torch.randn(5, 10)
    with SavedActivations(model) as saved:
        model.bbox_head(model.neck(inputs)).sum()
    assert saved.by_part() == {'side networks': 1200, 'head': 600}
