import pytest
import torch

from m2ist_mm.efficiency import TrainingStep, use_random_towers


def test_step_trains_what_the_config_tunes(nano_config):
    step = TrainingStep(nano_config)
    before = {name: value.clone() for name, value in step.model.state_dict().items()}
    step.train(step.inputs.batch(2, 2))
    after = step.model.state_dict()
    changed = {name for name in after if not torch.equal(before[name], after[name])}
    assert not any(name.startswith('backbone') for name in changed)
    assert 'bbox_head.reg_token.weight' in changed
    assert step.optim_wrapper.optimizer.param_groups[0]['lr'] == 1e-3
    assert all(parameter.grad is None for parameter in step.model.parameters())


def test_vision_tower_is_random_and_the_same_each_time(nano_config):
    nano_config.model.backbone.vision.weights = 'nowhere.pth'
    first, second = (TrainingStep(nano_config).model.state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert nano_config.model.backbone.vision.weights == 'nowhere.pth'


def test_prediction_changes_nothing(nano_config):
    step = TrainingStep(nano_config)
    batch = step.inputs.batch(1, 2)
    before = {name: value.clone() for name, value in step.model.state_dict().items()}
    step.predict(batch)
    after = step.model.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in after)
    assert not step.model.training


def test_model_without_towers_is_refused(nano_config):
    del nano_config.model.backbone['language']
    with pytest.raises(ValueError, match=r'nano\.py: the model has no pair of towers'):
        use_random_towers(nano_config)
