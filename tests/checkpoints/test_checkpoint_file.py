import numpy as np
import pytest
import torch

from m2ist_mm.checkpoints import load_checkpoint, load_state_file


@pytest.mark.parametrize(
    ('content', 'reason'),
    [
        ([1, 2], 'holds a list and no checkpoint'),
        (7, 'holds a int and no checkpoint'),
        (dict(meta=None, state_dict={}), "its 'meta' is a NoneType"),
        (dict(meta={}, state_dict=None), 'holds no state dict but a NoneType'),
        (dict(meta={}, state_dict=[torch.ones(1)]), 'holds no state dict but a list'),
        (
            dict(meta=dict(towers=dict(vision=dict(name='r50'))), state_dict={}),
            "its 'meta.towers' does not give name and sha256",
        ),
        (dict(meta=dict(towers=['r50']), state_dict={}), 'does not give name and sha'),
        (dict(state_dict=dict(a=np.ones(2))), "'a' is a ndarray, not a tensor"),
        (dict(a=np.ones(2)), "'a' is a ndarray, not a tensor"),
        (
            dict(state_dict=dict(a=torch.ones(2), b=torch.tensor([1, float('nan')]))),
            r'1 weights that are not finite \(b\)',
        ),
        (dict(a=torch.tensor(float('inf'))), r'1 weights that are not finite \(a\)'),
    ],
)
def test_malformed_checkpoints_are_one_line_with_the_name(tmp_path, content, reason):
    path = tmp_path / 'epoch_3.pth'
    torch.save(content, path)
    with pytest.raises(ValueError, match=reason) as error:
        load_checkpoint(path)
    assert str(path) in str(error.value)
    assert '\n' not in str(error.value)


@pytest.mark.parametrize('wrong', [float('nan'), -float('inf'), None])
def test_weights_of_towers_are_finite_tensors(tmp_path, wrong):
    path = str(tmp_path / 'tower.pth')
    value = np.ones(1) if wrong is None else torch.tensor([wrong])
    torch.save(dict(state_dict=dict(a=torch.ones(1), b=value)), path)
    with pytest.raises(ValueError, match=r'tower.pth.*b'):
        load_state_file(path)


def test_config_in_a_checkpoint_is_never_run(make_runner, tmp_path):
    """MMEngine runs ``meta['config']`` as Python when it resumes."""
    make_runner(max_epochs=1).train()
    path = tmp_path / 'run/epoch_1.pth'
    content = torch.load(path, weights_only=True)
    ran = tmp_path / 'ran'
    code = f'import os\nos.mkdir({str(ran)!r})\n'
    content['meta'].update(config=code, cfg=code)
    torch.save(content, path)
    resumed = make_runner(max_epochs=2, resume=True)
    resumed.train()
    assert resumed.epoch == 2
    assert not ran.exists()
