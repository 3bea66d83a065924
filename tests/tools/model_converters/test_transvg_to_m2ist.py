"""What the names become is tested in tests/models/test_converters.py."""

import argparse
import errno
import os

import pytest
import torch

from m2ist_mm.checkpoints import convert_transvg, load_state_file

TOOL = 'tools/model_converters/transvg_to_m2ist.py'


def transvg_state():
    names = (
        'visumodel.backbone.0.body.bn1.running_mean',
        'visumodel.input_proj.weight',
        'visumodel.transformer.encoder.layers.0.linear1.bias',
        'textmodel.bert.encoder.layer.11.output.dense.weight',
        'vl_transformer.encoder.layers.5.norm2.weight',
        'bbox_embed.layers.2.bias',
    )
    return {name: torch.randn(3) for name in names}


def side_state():
    name = 'visumodel.transformer.encoder.layers.0.mlp_adapters.down_proj.weight'
    return {name: torch.randn(2, 2)}


@pytest.mark.parametrize('wrap', ['bare', 'model', 'training', 'distributed'])
def test_checkpoint_becomes_ours(run_tool, tmp_path, capsys, wrap):
    state = transvg_state()
    # as TransVG's training writes it: options, optimiser and schedule stand beside
    training = dict(
        model=state,
        optimizer=torch.optim.AdamW([torch.ones(1, requires_grad=True)]).state_dict(),
        lr_scheduler=dict(step_size=60, base_lrs=[1e-4], _last_lr=[1e-5]),
        epoch=89,
        args=argparse.Namespace(lr=1e-4, dataset='unc', device='cuda'),
        val_accu=0.8,
    )
    content = dict(
        bare=state,
        model=dict(model=state),
        training=training,
        distributed={f'module.{name}': value for name, value in state.items()},
    )[wrap]
    torch.save(content, tmp_path / 'src.pth')
    target = tmp_path / 'new' / 'dst.pth'
    assert run_tool(TOOL, tmp_path / 'src.pth', target) == 0
    expected = convert_transvg(state)
    converted = load_state_file(str(target))
    assert converted.keys() == expected.keys()
    assert all(torch.equal(converted[name], expected[name]) for name in expected)
    assert capsys.readouterr().out == f'{target}: 7 tensors\n'


def test_side_networks_are_told(run_tool, tmp_path, capsys):
    torch.save(transvg_state() | side_state(), tmp_path / 'src.pth')
    assert run_tool(TOOL, tmp_path / 'src.pth', tmp_path / 'dst.pth') == 0
    assert 'neck.vea.0.down.weight' in load_state_file(str(tmp_path / 'dst.pth'))
    assert capsys.readouterr().out == (
        f'{tmp_path / "dst.pth"}: 8 tensors, side networks for '
        'M3ISA(side_norm="tower")\n'
    )


def test_checkpoint_of_something_else_is_refused(run_tool, tmp_path, capsys):
    torch.save(dict(model={'roi_head.weight': torch.ones(1)}), tmp_path / 'src.pth')
    assert run_tool(TOOL, tmp_path / 'src.pth', tmp_path / 'dst.pth') == 1
    error = capsys.readouterr().err
    assert error.startswith('error: ')
    assert 'not those of TransVG or M²IST, for instance roi_head.weight' in error
    assert len(error.splitlines()) == 1
    assert os.listdir(tmp_path) == ['src.pth']


def test_pickle_bomb_runs_nothing(run_tool, tmp_path, capsys, bomb):
    torch.save(dict(model=transvg_state(), args=bomb), tmp_path / 'src.pth')
    assert run_tool(TOOL, tmp_path / 'src.pth', tmp_path / 'dst.pth') == 1
    assert 'are not loaded because they could run code' in capsys.readouterr().err
    assert os.listdir(tmp_path) == ['src.pth']


def test_missing_checkpoint_is_named(run_tool, tmp_path, capsys):
    assert run_tool(TOOL, tmp_path / 'src.pth', tmp_path / 'dst.pth') == 1
    assert f"no checkpoint file '{tmp_path / 'src.pth'}'" in capsys.readouterr().err


def test_full_disk_leaves_nothing(run_tool, tmp_path, capsys, monkeypatch):
    torch.save(transvg_state(), tmp_path / 'src.pth')

    def fail(source, target):
        raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr(os, 'replace', fail)
    assert run_tool(TOOL, tmp_path / 'src.pth', tmp_path / 'dst.pth') == 1
    assert 'No space left on device' in capsys.readouterr().err
    assert os.listdir(tmp_path) == ['src.pth']
