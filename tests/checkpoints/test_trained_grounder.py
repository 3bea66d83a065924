import logging

import pytest
import torch
from mmdet.registry import MODELS
from mmengine.logging import MMLogger

from m2ist_mm.checkpoints import save_state_file, start_from_grounder
from m2ist_mm.checkpoints.tuned_state import frozen_state_keys


def state_of(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def own_checkpoint(model, path, **towers):
    """A checkpoint as trainings write it, of other values than the model's."""
    frozen = frozen_state_keys(model)
    state = {
        name: value + 1
        for name, value in model.state_dict().items()
        if name not in frozen and value.is_floating_point()
    }
    torch.save(dict(state_dict=state, meta=dict(towers=towers)), path)
    return state


@pytest.fixture
def model(nano_config):
    return MODELS.build(nano_config.model)


def test_all_that_a_checkpoint_holds_is_taken_and_the_towers_stay(model, tmp_path):
    model.init_weights()
    before = state_of(model)
    state = own_checkpoint(model, tmp_path / 'own.pth')
    line = start_from_grounder(model, tmp_path / 'own.pth')
    after = state_of(model)
    assert len(state) > 50
    for name, value in after.items():
        assert torch.equal(value, state.get(name, before[name])), name
    numbers = sum(value.numel() for value in state.values())
    assert line == (
        f'starts from {tmp_path}/own.pth: taken {len(state)} weights, {numbers:,} '
        'numbers (side networks, head, V-L encoder); new nothing'
    )


def test_another_shape_is_named_and_stays_new(model, tmp_path):
    model.init_weights()
    state = own_checkpoint(model, tmp_path / 'own.pth')
    name = 'bbox_head.position_embedding.weight'
    positions = model.state_dict()[name].clone()
    state[name] = torch.zeros(7, 32)
    save_state_file(state, tmp_path / 'finer.pth')
    line = start_from_grounder(model, tmp_path / 'finer.pth')
    assert torch.equal(model.state_dict()[name], positions)
    assert line.endswith(
        f'new 1 weights, {positions.numel()} numbers (head), of these of another shape '
        f'there: {name} (7, 32) for {tuple(positions.shape)}'
    )
    assert torch.equal(
        model.bbox_head.reg_token.weight, state['bbox_head.reg_token.weight']
    )


def test_other_towers_are_named(model, tmp_path):
    vision = dict(name='other', sha256='0' * 64)
    language = model.backbone.language.identity()
    own_checkpoint(model, tmp_path / 'own.pth', vision=vision, language=language)
    line = start_from_grounder(model, tmp_path / 'own.pth')
    assert line.endswith('; it was trained on another vision tower')


@pytest.mark.parametrize('side_norm', [None, 'tower'])
def test_names_of_the_paper_s_code_are_translated(nano_config, tmp_path, side_norm):
    nano_config.model.neck.update(side_norm=side_norm, init='uniform')
    model = MODELS.build(nano_config.model)
    model.init_weights()
    side = 'visumodel.transformer.encoder.layers.0.vis_downsample_mha.bias'
    state = {
        'vl_transformer.encoder.layers.1.linear1.bias': torch.full((64,), 3.0),
        'reg_token.weight': torch.full((1, 32), 4.0),
        side: torch.full((8,), 5.0),
        # of the fine-tuned tower: the model's own stays
        'textmodel.bert.embeddings.LayerNorm.bias': torch.full((48,), 6.0),
    }
    torch.save(dict(model=state, epoch=3), tmp_path / 'transvg.pth')
    before = state_of(model)
    line = start_from_grounder(model, tmp_path / 'transvg.pth')
    after = state_of(model)
    expected = {
        'bbox_head.encoder.layers.1.ffn.layers.0.0.bias': 3.0,
        'bbox_head.reg_token.weight': 4.0,
    }
    if side_norm == 'tower':
        expected['neck.iea.0.vision_down.bias'] = 5.0
    for name, value in after.items():
        if name in expected:
            assert (value == expected[name]).all(), name
        else:
            assert torch.equal(value, before[name]), name
    assert ("M3ISA(side_norm='tower')" in line) == (side_norm is None)


def test_a_file_without_anything_of_a_grounder_is_refused_in_a_line(model, tmp_path):
    save_state_file({'fc.weight': torch.zeros(2)}, tmp_path / 'other.pth')
    with pytest.raises(
        ValueError, match='holds no weight that fits the model'
    ) as error:
        start_from_grounder(model, tmp_path / 'other.pth')
    assert '\n' not in str(error.value)


def test_config_key_starts_a_model_and_says_so_in_the_log(
    nano_config, tmp_path, caplog
):
    first = MODELS.build(nano_config.model)
    first.init_weights()
    state = own_checkpoint(first, tmp_path / 'own.pth')
    nano_config.model.init_grounder = str(tmp_path / 'own.pth')
    model = MODELS.build(nano_config.model)
    own = model.state_dict()
    assert not torch.equal(
        own['neck.vea.0.down.weight'], state['neck.vea.0.down.weight']
    )
    records = []
    logger = MMLogger.get_instance('starts')
    handler = logging.Handler()
    handler.emit = records.append
    logger.addHandler(handler)
    model.init_weights()
    assert torch.equal(own['neck.vea.0.down.weight'], state['neck.vea.0.down.weight'])
    (line,) = [r.getMessage() for r in records if 'starts from' in r.getMessage()]
    assert line.startswith(f'starts from {tmp_path}/own.pth: taken')
