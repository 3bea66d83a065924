import torch

from m2ist_mm.checkpoints import load_checkpoint

TOOL = 'tools/model_converters/publish_model.py'


def write(path, value):
    towers = dict(
        vision=dict(name='/home/me/tower.pth', sha256='0' * 64),
        language=dict(name='package:bert/model', sha256='1' * 64),
    )
    meta = dict(epoch=4, cfg="work_dir = '/home/me'", towers=towers, time='now')
    state = dict(weight=torch.full((2, 3), value), count=torch.tensor(5))
    torch.save(dict(state_dict=state, meta=meta), path)
    return towers


def test_weights_and_towers_are_kept_and_paths_are_not(tmp_path, run_tool):
    towers = write(tmp_path / 'epoch_4.pth', 0.1)
    assert run_tool(TOOL, tmp_path / 'epoch_4.pth', tmp_path / 'a.pth', '--half') == 0
    made = load_checkpoint(tmp_path / 'a.pth')
    towers['vision']['name'] = 'tower.pth'
    assert made['meta'] == dict(epoch=4, towers=towers)
    weight, count = made['state_dict']['weight'], made['state_dict']['count']
    assert weight.dtype == torch.float16
    assert torch.allclose(weight.float(), torch.tensor(0.1), atol=1e-4)
    assert count == 5 and count.dtype == torch.int64


def test_towers_that_are_not_named_stay_so(tmp_path, run_tool):
    torch.save(dict(state_dict=dict(weight=torch.ones(2))), tmp_path / 'old.pth')
    assert run_tool(TOOL, tmp_path / 'old.pth', tmp_path / 'a.pth') == 0
    assert load_checkpoint(tmp_path / 'a.pth')['meta'] == {}


def test_checkpoint_of_the_training_is_not_replaced(tmp_path, run_tool, capsys):
    write(tmp_path / 'epoch_4.pth', 0.1)
    before = (tmp_path / 'epoch_4.pth').read_bytes()
    same = tmp_path / '..' / tmp_path.name / 'epoch_4.pth'
    assert run_tool(TOOL, tmp_path / 'epoch_4.pth', same) == 1
    assert 'a training cannot go on from' in capsys.readouterr().err
    assert (tmp_path / 'epoch_4.pth').read_bytes() == before


def test_what_float16_cannot_hold_is_refused(tmp_path, run_tool, capsys):
    write(tmp_path / 'epoch_4.pth', 1e6)
    assert run_tool(TOOL, tmp_path / 'epoch_4.pth', tmp_path / 'a.pth', '--half') == 1
    assert 'weight exceeds the range of float16' in capsys.readouterr().err
    assert not (tmp_path / 'a.pth').exists()
    assert run_tool(TOOL, tmp_path / 'epoch_4.pth', tmp_path / 'a.pth') == 0
