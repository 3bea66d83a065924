import pytest
import torch
from benchmark.reference_step import ReferenceStep

from m2ist_mm.efficiency import SavedActivations, TrainingStep


@pytest.fixture
def steps(nano_config):
    """Our own step and the reference's, of the same weights, without dropout."""
    backbone = nano_config.model.backbone
    backbone['freeze'] = False
    backbone.language = dict(
        type='TransformersTower',
        weights=None,
        max_tokens=8,
        arch=dict(
            model_type='bert',
            vocab_size=12,
            hidden_size=48,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=32,
        ),
    )
    nano_config.model.neck = None
    own, reference = TrainingStep(nano_config), ReferenceStep(nano_config)
    names = {'self_attn.': 'self_attn.attn.', 'norm1': 'norms.0', 'norm2': 'norms.1'}
    state = {}
    for name, value in own.model.state_dict().items():
        if name.startswith('bbox_head.encoder.'):
            name = name.replace('encoder.', 'encoder.encoder.')
            for old, new in names.items():
                name = name.replace(old, new)
        if not name.endswith('num_batches_tracked'):
            state[name] = value
    reference.model.load_state_dict(state)
    for step in (own, reference):
        step.model.eval()
    return own, reference


def loss_and_gradients(step):
    batch = step.model.data_preprocessor(step.inputs.batch(3, 1), True)
    loss, _ = step.model.parse_losses(step.model(**batch, mode='loss'))
    loss.backward()
    return loss, {
        name: parameter.grad
        for name, parameter in step.model.named_parameters()
        if parameter.requires_grad and 'bbox_head.encoder' not in name
    }


def test_it_computes_what_ours_computes(steps):
    (loss, gradients), (expected, others) = map(loss_and_gradients, steps)
    torch.testing.assert_close(loss, expected, rtol=1e-5, atol=0)
    assert gradients.keys() == others.keys()
    for name, gradient in gradients.items():
        torch.testing.assert_close(gradient, others[name], rtol=1e-3, atol=1e-5)


def test_it_is_computed_as_the_reference_does(steps):
    _, reference = steps
    outputs = []
    for layer in reference.model.bbox_head.encoder.encoder.layers:
        layer.register_forward_hook(lambda *args: outputs.append(args[-1].shape[1]))
    batch = reference.inputs.batch(2, 1)
    with SavedActivations(reference.model) as saved:
        reference.loss(batch)
    # every token in every layer, and maps that are kept
    assert outputs == [21, 21]
    assert any('attention.self' in name for name in saved.by_module)
    assert not any(
        isinstance(module, torch.nn.BatchNorm2d) for module in reference.model.modules()
    )
