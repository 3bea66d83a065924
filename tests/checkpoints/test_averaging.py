import pytest
import torch

from m2ist_mm.checkpoints import average_with_start, load_checkpoint

TOWERS = dict(vision=dict(name='tower.pth', sha256='0' * 64))


def save(path, state, **meta):
    torch.save(dict(state_dict=state, meta=meta), path)
    return path


def test_each_weight_is_halfway_and_counters_are_the_trained_ones(tmp_path):
    start = save(
        tmp_path / 'start.pth',
        dict(w=torch.tensor([1.0, -2.0]).half(), n=torch.tensor(3), more=torch.ones(1)),
    )
    trained = save(
        tmp_path / 'trained.pth',
        dict(w=torch.tensor([2.0, 4.0]), n=torch.tensor(5)),
        **dict(towers=TOWERS, epoch=4, iter=40, cfg='# a config'),
    )
    average_with_start(start, trained, tmp_path / 'mean.pth')
    found = load_checkpoint(tmp_path / 'mean.pth')
    assert found['state_dict'].keys() == {'w', 'n'}
    assert torch.equal(found['state_dict']['w'], torch.tensor([1.5, 1.0]))
    assert found['state_dict']['n'] == 5
    assert found['meta'] == dict(towers=TOWERS, epoch=4, iter=40)


def test_a_start_without_all_weights_is_refused(tmp_path):
    start = save(tmp_path / 'start.pth', dict(v=torch.ones(2)))
    trained = save(tmp_path / 'trained.pth', dict(w=torch.ones(2)), towers=TOWERS)
    with pytest.raises(ValueError, match=r'start.pth cannot be averaged .* has no w'):
        average_with_start(start, trained, tmp_path / 'mean.pth')
    assert not (tmp_path / 'mean.pth').exists()
