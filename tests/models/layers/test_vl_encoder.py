import math

import pytest
import torch
from mmdet.models.layers import DetrTransformerEncoder

from m2ist_mm.models.layers import VLEncoder

LAYER = dict(embed_dims=32, num_heads=4, feedforward_channels=64, dropout=0.0)


@pytest.fixture
def encoder():
    encoder = VLEncoder(3, LAYER).double().eval()
    for parameter in encoder.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return encoder


@pytest.fixture
def tokens():
    """Tokens (2, 7, 32), their positions (1, 7, 32), and a mask with padding."""
    mask = torch.zeros(2, 7, dtype=torch.bool)
    mask[0, 5:] = mask[1, 2] = True
    return torch.randn(2, 7, 32).double(), torch.randn(1, 7, 32).double(), mask


def test_it_is_the_detr_encoder_of_mmdet(encoder, tokens):
    mmdet = DetrTransformerEncoder(
        num_layers=3,
        layer_cfg=dict(
            self_attn_cfg=dict(embed_dims=32, num_heads=4, batch_first=True),
            ffn_cfg=dict(embed_dims=32, feedforward_channels=64, num_fcs=2),
        ),
    )
    mmdet = mmdet.double().eval()
    names = {'self_attn.': 'self_attn.attn.', 'norm1': 'norms.0', 'norm2': 'norms.1'}
    state = {}
    for name, value in encoder.state_dict().items():
        for old, new in names.items():
            name = name.replace(old, new)
        state[name] = value
    mmdet.load_state_dict(state)
    x, position, mask = tokens
    expected = mmdet(query=x, query_pos=position, key_padding_mask=mask)[:, 0]
    torch.testing.assert_close(encoder(*tokens)[0][:, 0], expected, rtol=0, atol=1e-12)


def test_computing_the_first_token_alone_in_the_last_layer_is_exact(encoder, tokens):
    x, position, mask = tokens
    for layer in encoder.layers:
        x, _ = layer(x, position, mask, x.shape[1])
    reg, _, _ = encoder(*tokens)
    assert reg.shape == (2, 1, 32)
    torch.testing.assert_close(reg, x[:, :1], rtol=0, atol=1e-12)


def test_several_target_tokens_are_computed_alone_in_the_last_layer(encoder, tokens):
    several = VLEncoder(3, LAYER, num_targets=3).double().eval()
    several.load_state_dict(encoder.state_dict())
    targets, attention, entered = several(*tokens, with_attention=True)
    x, position, mask = tokens
    for layer in encoder.layers[:-1]:
        x, _ = layer(x, position, mask, 7)
    torch.testing.assert_close(entered, x, rtol=0, atol=1e-12)
    x, seen = encoder.layers[-1](x, position, mask, 7, True)
    assert (targets.shape, attention.shape) == ((2, 3, 32), (2, 3, 7))
    torch.testing.assert_close(targets, x[:, :3], rtol=0, atol=1e-12)
    torch.testing.assert_close(attention, seen[:, :3], rtol=0, atol=1e-12)


def test_last_layer_gives_one_token_and_the_others_all(encoder, tokens):
    shapes = []
    for layer in encoder.layers:
        layer.register_forward_hook(lambda *args: shapes.append(args[-1][0].shape[1]))
    encoder(*tokens)
    assert shapes == [7, 7, 1]


def test_padding_is_attended_by_none(encoder, tokens):
    x, position, mask = tokens
    expected, _, _ = encoder(x, position, mask)
    changed = x + 100 * mask[..., None]
    torch.testing.assert_close(
        encoder(changed, position, mask)[0], expected, rtol=0, atol=1e-12
    )
    without, _, _ = encoder(x[:1, :5], position[:, :5], mask[:1, :5])
    torch.testing.assert_close(without, expected[:1], rtol=0, atol=1e-12)


def test_positions_count_where_tokens_are_equal(encoder, tokens):
    x, position, mask = tokens
    swapped = position[:, [0, 2, 1, 3, 4, 5, 6]]
    assert (encoder(x, swapped, mask)[0] - encoder(*tokens)[0])[0].abs().max() > 1e-3


def test_dropout_acts_in_training_only(tokens):
    encoder = VLEncoder(2, LAYER | dict(dropout=0.5)).double()
    assert not torch.equal(encoder(*tokens)[0], encoder(*tokens)[0])
    encoder.eval()
    assert torch.equal(encoder(*tokens)[0], encoder(*tokens)[0])


def test_dropout_is_that_of_detr():
    for layer in VLEncoder(2, LAYER | dict(dropout=0.3)).layers:
        rates = [m.p for m in layer.modules() if isinstance(m, torch.nn.Dropout)]
        # after the attention, and twice in the FFN; and on the attention's weights
        assert rates == [0.3, 0.3, 0.3]
        assert layer.self_attn.dropout == 0.3


def test_matrices_start_xavier_uniform():
    encoder = VLEncoder(2, LAYER)
    encoder.init_weights()
    attention, ffn = encoder.layers[1].self_attn, encoder.layers[0].ffn.layers
    for weight, fans in (
        (attention.in_proj_weight, 32 + 96),
        (attention.out_proj.weight, 32 + 32),
        (ffn[0][0].weight, 32 + 64),
        (ffn[1].weight, 32 + 64),
    ):
        bound = math.sqrt(6 / fans)
        assert 0.9 * bound < weight.abs().max() <= bound


def test_attention_of_the_first_token_is_that_of_the_last_layer(encoder, tokens):
    x, position, mask = tokens
    reg, attention, _ = encoder(*tokens, with_attention=True)
    torch.testing.assert_close(reg, encoder(*tokens)[0], rtol=0, atol=1e-12)
    for layer in encoder.layers[:-1]:
        x, _ = layer(x, position, mask, 7)
    last = encoder.layers[-1].self_attn
    (q, k, _), (q_bias, k_bias, _) = (
        last.in_proj_weight.split(32),
        (last.in_proj_bias.split(32)),
    )
    query = ((x + position)[:, 0] @ q.T + q_bias).view(2, 4, 8)
    keys = ((x + position) @ k.T + k_bias).view(2, 7, 4, 8)
    scores = torch.einsum('bhd,bnhd->bhn', query, keys) / math.sqrt(8)
    scores = scores.masked_fill(mask[:, None], -math.inf)
    torch.testing.assert_close(
        attention[:, 0], scores.softmax(-1).mean(1), rtol=0, atol=1e-12
    )


def test_attention_weights_of_a_layer_are_those_of_torch(encoder, tokens):
    x, position, mask = (tokens[0].float(), tokens[1].float(), tokens[2])
    layer = encoder.float().layers[0]
    keys = x + position
    _, expected = layer.self_attn(
        keys[:, :2], keys, x, key_padding_mask=mask, average_attn_weights=False
    )
    found = layer.attention(x, position, mask, 2)
    torch.testing.assert_close(found, expected)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        low = layer.attention(x, position, mask, 2)
    assert low.dtype == torch.float32
    torch.testing.assert_close(low, expected, rtol=0, atol=0.1)
    torch.testing.assert_close(low.sum(-1), torch.ones(2, 4, 2))


def test_attention_in_bfloat16_is_computed_in_float32_on_a_cpu(
    encoder, tokens, monkeypatch
):
    encoder, tokens = encoder.float(), [part.float() for part in tokens[:2]]
    mask = torch.zeros(2, 7, dtype=torch.bool)
    seen = []
    attention = torch.nn.functional.scaled_dot_product_attention

    def spy(*arguments):
        seen.append(arguments[0].dtype)
        return attention(*arguments)

    monkeypatch.setattr('torch.nn.functional.scaled_dot_product_attention', spy)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        reg = encoder(*tokens, mask)[0]
    assert seen == [torch.float32] * 3
    torch.testing.assert_close(reg, encoder(*tokens, mask)[0], rtol=0, atol=0.1)


@pytest.mark.parametrize('dropout', [0.0, 0.5])
def test_recomputed_layers_give_the_same_gradients_and_keep_less(tokens, dropout):
    results = []
    for recompute in (False, True):
        torch.manual_seed(0)
        encoder = VLEncoder(3, LAYER | dict(dropout=dropout), recompute=recompute)
        encoder = encoder.double()
        kept = []

        def pack(tensor, kept=kept):
            kept.append(tensor.numel())
            return tensor

        torch.manual_seed(1)
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda kept: kept):
            reg, _, _ = encoder(*tokens)
        reg.square().sum().backward()
        gradients = [parameter.grad for parameter in encoder.parameters()]
        results.append((reg, gradients, sum(kept)))
    (reg, gradients, kept), (again, gradients_again, kept_again) = results
    assert torch.equal(reg, again)
    for gradient, other in zip(gradients, gradients_again, strict=True):
        torch.testing.assert_close(gradient, other, rtol=0, atol=1e-12)
    assert kept_again < kept / 2


def test_no_attention_map_is_kept_whatever_the_dropout(tokens):
    for dropout in (0.0, 0.5):
        encoder = VLEncoder(2, LAYER | dict(dropout=dropout)).double()
        x, position, _ = tokens
        many = x.repeat(1, 9, 1), position.repeat(1, 9, 1), torch.zeros(2, 63).bool()
        shapes = []

        def pack(tensor, shapes=shapes):
            shapes.append(tensor.shape)
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda kept: kept):
            reg, _, _ = encoder(*many)
        assert not [shape for shape in shapes if shape[-2:] == (63, 63)]
        reg.sum().backward()
        assert all(p.grad.isfinite().all() for p in encoder.parameters())
