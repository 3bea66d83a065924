import copy

import pytest
import torch
from mmdet.registry import MODELS
from torch import nn

from m2ist_mm.models.towers.folded_norm import fold_frozen_norms


def resnet(depth, **kwargs):
    """A narrow ResNet whose frozen norms have statistics worth the name."""
    torch.manual_seed(0)
    config = dict(
        type='ResNet',
        depth=depth,
        base_channels=8,
        stem_channels=8,
        out_indices=(3,),
        norm_cfg=dict(type='BN', requires_grad=False),
        norm_eval=True,
        **kwargs,
    )
    backbone = MODELS.build(config)
    for norm in backbone.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.weight.data.uniform_(0.5, 1.5)
            norm.bias.data.normal_(std=0.2)
            norm.running_mean.normal_(std=0.2)
            norm.running_var.uniform_(0.5, 2)
    backbone.train()
    return backbone


@pytest.mark.parametrize('depth', [18, 50])
def test_outputs_and_gradients_stay(depth):
    backbone = resnet(depth).double()
    folded = copy.deepcopy(backbone)
    fold_frozen_norms(folded)
    images = torch.randn(2, 3, 64, 64, dtype=torch.float64)
    expected, output = backbone(images)[0], folded(images)[0]
    torch.testing.assert_close(output, expected, rtol=1e-9, atol=1e-9)
    weights = torch.randn_like(output)
    for result in (expected, output):
        (result * weights).sum().backward()
    for (name, parameter), other in zip(
        backbone.named_parameters(), folded.parameters(), strict=True
    ):
        assert (parameter.grad is None) == (other.grad is None), name
        if parameter.grad is not None:
            torch.testing.assert_close(other.grad, parameter.grad, rtol=1e-7, atol=1e-9)


def test_no_norm_is_left_out():
    backbone = resnet(50)
    fold_frozen_norms(backbone)
    assert not any(type(module) is nn.BatchNorm2d for module in backbone.modules())


def test_names_and_values_stay_and_other_weights_can_be_loaded():
    backbone, other = resnet(18), resnet(18)
    before = {name: value.clone() for name, value in backbone.state_dict().items()}
    fold_frozen_norms(backbone)
    assert list(backbone.state_dict()) == list(before)
    for name, value in backbone.state_dict().items():
        assert torch.equal(value, before[name])
    for value in other.state_dict().values():
        value.mul_(2)
    backbone.load_state_dict(other.state_dict())
    images = torch.randn(1, 3, 64, 64)
    torch.testing.assert_close(
        backbone(images)[0], other(images)[0], rtol=1e-4, atol=1e-4
    )


def test_copy_is_folded_by_its_own_norms():
    backbone = resnet(18)
    fold_frozen_norms(backbone)
    other = copy.deepcopy(backbone)
    images = torch.randn(1, 3, 64, 64)
    assert torch.equal(other(images)[0], backbone(images)[0])
    other.bn1.running_mean.add_(1)
    assert not torch.equal(other(images)[0], backbone(images)[0])


def test_tuned_norm_is_refused():
    backbone = resnet(18)
    backbone.layer1[0].bn2.weight.requires_grad_()
    with pytest.raises(ValueError, match=r'BasicBlock\.bn2 is tuned and cannot be'):
        fold_frozen_norms(backbone)


def test_norm_in_training_mode_is_refused():
    backbone = resnet(18)
    fold_frozen_norms(backbone)
    backbone.norm_eval = False
    backbone.train()
    with pytest.raises(RuntimeError, match='set norm_eval=True in the backbone'):
        backbone(torch.randn(1, 3, 64, 64))
