"""What a GPU computes is what a CPU computes.

Run on a machine with a GPU by ``python -m pytest -m gpu``, together with the trainings
that are marked so elsewhere.
"""

import pytest
import torch
from mmengine.config import Config

from m2ist_mm.config import load_config_file
from m2ist_mm.efficiency import TrainingStep

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.slow,
    pytest.mark.skipif(not torch.cuda.is_available(), reason='there is no GPU'),
]
CONFIGS = {
    'configs/m2ist/m2ist_r50_refcoco.py': (192, 160),
    'configs/m2ist/m2ist_vitb_refcoco.py': (196, 140),
    'configs/full_finetune/transvg_r50_refcoco.py': (192, 160),
    'configs/petl/lora_r50_refcoco.py': (192, 160),
    'configs/m2ist/m2ist_yolox-nano_flickr30k-part.py': (288, 288),
    'configs/m2ist/m2ist_yolox-nano-refined_flickr30k-part.py': (288, 288),
    'configs/m2ist/m2ist_tiny_refshapes.py': None,
}


@pytest.fixture(autouse=True)
def full_precision():
    """Without TF32, whose products have 10 bits."""
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    yield
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


def load(path: str, cached: bool = False, **changes) -> Config:
    """Config without dropout: the devices draw other numbers."""
    canvas = CONFIGS[path]
    options = {'model.bbox_head.dropout': 0.0, **changes}
    if canvas is not None:
        options['canvas'] = canvas
    config = load_config_file(path, cfg_options=options)
    if not cached:  # features in float16 turn the last bit of a float32 into 2e-4
        config.default_hooks.pop('feature_cache', None)
    return config


def step_on(device: str, config: Config):
    """Loss, gradients and boxes of one model on noise, moved to the CPU."""
    step = TrainingStep(config, device)
    for module in step.model.modules():
        if isinstance(module, torch.nn.Dropout):  # of towers that are tuned
            module.p = 0.0
        if isinstance(module, torch.nn.MultiheadAttention):
            module.dropout = 0.0
    for name, parameter in step.model.named_parameters():
        if 'neck' in name and not parameter.any():  # adapters start at zero outputs
            torch.manual_seed(len(name))
            values = 0.02 * torch.randn(parameter.shape)
            parameter.data.copy_(values)
    batch = step.inputs.batch(2, 3)
    loss = step.loss(batch)
    loss.backward()
    gradients = {
        name: parameter.grad.cpu()
        for name, parameter in step.model.named_parameters()
        if parameter.grad is not None
    }
    step.model.eval()
    with torch.no_grad(), step.optim_wrapper.optim_context(step.model):
        samples = step.model.test_step(step.inputs.batch(2, 3))
    boxes = torch.cat(
        [sample.pred_instances.bboxes.float().cpu() for sample in samples]
    )
    return loss.detach().float().cpu(), gradients, boxes


@pytest.mark.parametrize('path', CONFIGS)
def test_loss_gradients_and_boxes_are_those_of_the_cpu(path):
    loss, gradients, boxes = step_on('cuda', load(path))
    expected, expected_gradients, expected_boxes = step_on('cpu', load(path))
    torch.testing.assert_close(loss, expected, rtol=1e-4, atol=0)
    # in pixels of the canvas
    torch.testing.assert_close(boxes, expected_boxes, rtol=0, atol=0.02)
    assert gradients.keys() == expected_gradients.keys()
    errors = {n: (g - expected_gradients[n]).norm() for n, g in gradients.items()}
    norms = {name: gradient.norm() for name, gradient in expected_gradients.items()}
    assert total(errors) < 1e-4 * total(norms)
    for name, error in errors.items():
        # where rounding puts one ReLU on its other side, a small gradient moves by that
        assert error < 0.02 * norms[name] + 1e-5 * total(norms), name


def total(norms: dict[str, torch.Tensor]) -> torch.Tensor:
    """Norm of all gradients together."""
    return torch.stack(list(norms.values())).norm()


@pytest.mark.parametrize('path', list(CONFIGS)[:2])
def test_bfloat16_is_close_to_float32(path):
    amp = {'optim_wrapper.type': 'AutocastOptimWrapper'}
    *_, exact = step_on('cuda', load(path))
    *_, boxes = step_on('cuda', load(path, **amp))
    error = (boxes - exact).abs().mean()
    assert 0 < error < 0.01 * 192
    loss, gradients, _ = step_on('cuda', load(path, **amp))
    assert all(gradient.isfinite().all() for gradient in gradients.values())
    torch.testing.assert_close(loss, step_on('cpu', load(path))[0], rtol=0.02, atol=0)


def test_training_leaves_the_towers_bit_identical():
    step = TrainingStep(load('configs/m2ist/m2ist_r50_refcoco.py'), 'cuda')
    backbone = step.model.backbone
    before = {name: value.clone() for name, value in backbone.state_dict().items()}
    head = step.model.bbox_head.reg_token.weight.clone()
    for seed in range(3):
        step.train(step.inputs.batch(2, 3, seed))
    assert all(torch.equal(before[n], v) for n, v in backbone.state_dict().items())
    assert not torch.equal(head, step.model.bbox_head.reg_token.weight)


def test_cached_features_are_those_of_the_towers():
    path = 'configs/m2ist/m2ist_yolox-nano_flickr30k-part.py'
    cached_loss, _, boxes = step_on('cuda', load(path, cached=True))
    loss, _, expected = step_on('cuda', load(path))
    torch.testing.assert_close(cached_loss, loss, rtol=1e-3, atol=0)  # kept in float16
    torch.testing.assert_close(boxes, expected, rtol=0, atol=0.5)
