"""A tiny trained model to ask."""

import pytest
import torch
from mmdet.registry import MODELS
from mmengine.registry import init_default_scope

from m2ist_mm.checkpoints.identity import tower_identity
from m2ist_mm.checkpoints.tuned_state import frozen_state_keys
from m2ist_mm.config import load_config_file


@pytest.fixture(scope='session')
def nano(nano_path):
    """Config file and checkpoint, which has no towers, as a training writes it."""
    config = nano_path
    torch.manual_seed(3)
    model = MODELS.build(load_config_file(config).model)
    for parameter in model.bbox_head.parameters():
        # boxes of a head that starts anew are much the same for all expressions
        parameter.data += 0.3 * torch.randn_like(parameter)
    frozen = frozen_state_keys(model)
    state = {k: v for k, v in model.state_dict().items() if k not in frozen}
    checkpoint = config.with_name('trained.pth')
    meta = dict(towers=tower_identity(model))
    torch.save(dict(state_dict=state, meta=meta), checkpoint)
    return config, checkpoint


@pytest.fixture(scope='session')
def other_towers(write_nano_config, mini_refcoco, tmp_path_factory):
    """The same config with towers of other weights."""
    init_default_scope('mmdet')
    return write_nano_config(tmp_path_factory.mktemp('other'), mini_refcoco, seed=7)
