"""What the names become is tested in tests/models/test_converters.py."""

import os

import numpy as np
import torch
from mmdet.registry import MODELS
from mmengine.logging import MessageHub

TOOL = 'tools/model_converters/detr_to_m2ist.py'
TOWER = dict(
    type='DETREncoderTower',
    backbone=dict(
        type='ResNet', depth=18, base_channels=8, stem_channels=8, out_indices=(3,)
    ),
    embed_dims=32,
    num_layers=1,
    num_heads=4,
    feedforward_channels=64,
)


def mmdet_checkpoint(tower):
    """A checkpoint as MMEngine writes it, of an mmdet DETR with this encoder side."""
    state = {
        name.replace('input_proj', 'neck.convs.0.conv'): value
        for name, value in tower.state_dict().items()
    }
    state['decoder.post_norm.weight'] = torch.ones(2)
    state['bbox_head.fc_cls.bias'] = torch.ones(2)
    hub = MessageHub.get_instance('test_detr_to_m2ist')
    hub.update_scalar('train/loss', np.float64(0.5))
    return dict(state_dict=state, message_hub=hub.state_dict(), meta=dict(epoch=1))


def test_converted_checkpoint_is_the_weights_of_a_tower(run_tool, tmp_path, capsys):
    source = MODELS.build(TOWER).eval()
    torch.save(mmdet_checkpoint(source), tmp_path / 'detr.pth')
    target = str(tmp_path / 'tower.pth')
    assert run_tool(TOOL, tmp_path / 'detr.pth', target) == 0
    count = len(source.state_dict())
    assert capsys.readouterr().out == f'{target}: {count} tensors\n'
    tower = MODELS.build(dict(TOWER, weights=target)).eval()
    inputs = torch.randn(1, 3, 64, 64), torch.zeros(1, 64, 64, dtype=torch.bool)
    assert torch.equal(tower(*inputs).tokens, source(*inputs).tokens)


def test_checkpoint_of_another_detector_is_refused(run_tool, tmp_path, capsys):
    torch.save({'neck.lateral_convs.0.conv.weight': torch.ones(1)}, tmp_path / 'x.pth')
    assert run_tool(TOOL, tmp_path / 'x.pth', tmp_path / 'tower.pth') == 1
    error = capsys.readouterr().err
    assert 'not those of an mmdet DETR, for instance neck.lateral_convs' in error
    assert len(error.splitlines()) == 1
    assert os.listdir(tmp_path) == ['x.pth']


def test_pickle_bomb_runs_nothing(run_tool, tmp_path, capsys, bomb):
    checkpoint = mmdet_checkpoint(MODELS.build(TOWER))
    checkpoint['meta']['bomb'] = bomb
    torch.save(checkpoint, tmp_path / 'x.pth')
    assert run_tool(TOOL, tmp_path / 'x.pth', tmp_path / 'tower.pth') == 1
    assert 'are not loaded because they could run code' in capsys.readouterr().err
    assert os.listdir(tmp_path) == ['x.pth']
