import copy

import pytest
import torch
from mmdet.registry import MODELS
from mmengine.runner.checkpoint import load_state_dict
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from m2ist_mm.checkpoints import save_state_file, state_sha256

TOWER_INPUTS = ('images', 'padding_mask', 'input_ids', 'attention_mask')


def run(backbone, inputs):
    return backbone(*(inputs[name] for name in TOWER_INPUTS))


def clone_state(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


def assert_same_state(module, expected):
    state = module.state_dict()
    assert state.keys() == expected.keys()
    for name, value in state.items():
        assert torch.equal(value, expected[name]), name


def storage(tensor):
    return tensor.untyped_storage().data_ptr()


def feature_tensors(features):
    taps = [tap for kind in features.taps.values() for tap in kind]
    return [features.tokens, features.inputs, *taps]


def frozen_state_keys(backbone):
    return {
        f'{name}.{key}'
        for name, tower in backbone.towers.items()
        for key in tower.frozen_state_keys()
    }


def identities(backbone):
    """Identities of the towers that have one."""
    found = {name: tower.identity() for name, tower in backbone.towers.items()}
    return {name: identity for name, identity in found.items() if identity}


def tap(backbone, vision=(0, 1), language=(0, 1)):
    """Ask for both kinds of taps of these layers."""
    backbone.vision.tap(dict(attention=vision, ffn=vision))
    backbone.language.tap(dict(attention=language, ffn=language))
    return backbone


def loss_of(model, inputs):
    return (model._forward(inputs) - 0.3).abs().sum()


@pytest.fixture
def with_weights(backbone_config, tmp_path):
    """Config whose towers both have pre-trained weights; the language's in a folder."""
    towers = MODELS.build(backbone_config)
    save_state_file(towers.vision.state_dict(), str(tmp_path / 'vision.pth'))
    towers.language.model.save_pretrained(tmp_path / 'bert')
    backbone_config.vision.weights = str(tmp_path / 'vision.pth')
    backbone_config.language.weights = str(tmp_path / 'bert')
    return backbone_config


# outputs ------------------------------------------------------------------------------


@pytest.mark.parametrize('training', [True, False])
def test_frozen_outputs_are_bit_identical_to_the_bare_towers(
    make_model, backbone_config, vision_config, language_config, inputs, training
):
    backbone = make_model(backbone_config).train(training)
    bare = MODELS.build(vision_config), MODELS.build(language_config)
    for tower, source in zip(bare, backbone.towers.values(), strict=True):
        tower.load_state_dict(source.state_dict())
        # torch multiplies weights that need a gradient in another order
        tower.eval().requires_grad_(False)
    with torch.no_grad():
        expected = (
            bare[0](inputs['images'], inputs['padding_mask']),
            bare[1](inputs['input_ids'], inputs['attention_mask']),
        )
    for features, wanted in zip(run(backbone, inputs), expected, strict=True):
        assert torch.equal(features.tokens, wanted.tokens)
        assert torch.equal(features.inputs, wanted.inputs)
        assert torch.equal(features.mask, wanted.mask)


def test_features_have_the_taps_of_the_chosen_layers(
    make_model, backbone_config, inputs
):
    backbone = make_model(backbone_config)
    bare = run(backbone, inputs)
    assert [features.taps for features in bare] == [{}, {}]
    full = run(tap(backbone), inputs)
    vision, language = run(tap(backbone, [1], [1, 0]), inputs)
    for kind in ('attention', 'ffn'):
        assert len(vision.taps[kind]) == 1
        assert torch.equal(vision.taps[kind][0], full[0].taps[kind][1])
        assert len(language.taps[kind]) == 2
        assert torch.equal(language.taps[kind][0], full[1].taps[kind][1])
        assert torch.equal(language.taps[kind][1], full[1].taps[kind][0])
    assert vision.taps['ffn'][0].shape == (2, 12, 32)
    assert language.taps['ffn'][0].shape == (3, 6, 48)


@pytest.mark.parametrize('name', ['vision', 'language'])
def test_pattern_that_names_nothing_fails_when_the_model_is_built(model_config, name):
    model_config.backbone[name].taps = dict(ffn='blocks.{i}.mlp')
    with pytest.raises(ValueError, match=r"no module 'blocks\.0\.mlp'"):
        MODELS.build(model_config)


# frozen -------------------------------------------------------------------------------


def test_frozen_towers_stay_in_evaluation_mode(make_model, model_config):
    model = make_model(model_config)
    for mode in (True, False, True):
        model.train(mode)
        for tower in model.backbone.towers.values():
            assert not any(module.training for module in tower.modules())
        assert model.neck.training == model.bbox_head.training == mode


def test_frozen_towers_get_no_gradient(make_model, model_config, inputs):
    model = make_model(model_config).train()
    loss_of(model, inputs).backward()
    for name, parameter in model.named_parameters():
        tuned = not name.startswith('backbone.')
        assert parameter.requires_grad == tuned, name
        assert (parameter.grad is not None) == tuned, name


def test_frozen_towers_build_no_graph(make_model, backbone_config, inputs):
    inputs['images'].requires_grad_()
    for features in run(tap(make_model(backbone_config)), inputs):
        assert not any(tensor.requires_grad for tensor in feature_tensors(features))


def test_frozen_towers_stay_bit_identical_while_the_rest_is_trained(
    make_model, model_config, inputs
):
    model = make_model(model_config).train()
    towers, rest = clone_state(model.backbone), clone_state(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, weight_decay=0.1)
    for _ in range(4):
        optimizer.zero_grad()
        loss_of(model, inputs).backward()
        optimizer.step()
    assert_same_state(model.backbone, towers)
    for name, value in model.named_parameters():
        if not name.startswith('backbone.'):
            assert not torch.equal(value, rest[name]), name


class RecordStorages(TorchDispatchMode):
    """Keeps every tensor that an operation gives, so that no memory is used twice."""

    def __init__(self):
        super().__init__()
        self.tensors = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        output = function(*args, **(kwargs or {}))
        outputs = output if isinstance(output, (tuple, list)) else [output]
        self.tensors += [one for one in outputs if isinstance(one, torch.Tensor)]
        return output


def saved_from_towers(model, inputs):
    """Storages saved for backward that were made inside the towers.

    Returns them, how many the towers' own operations saved, and the features.
    """
    saved = []
    record = RecordStorages()

    def pack(tensor):
        saved.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        with record:
            features = run(model.backbone, inputs)
        saved_within = len(saved)
        model.backbone.forward = lambda *args: features
        loss_of(model, inputs).backward()
    made_within = {storage(tensor) for tensor in record.tensors}
    known = {storage(value) for value in model.state_dict().values()}
    known |= {storage(value) for value in inputs.values()}
    found = {storage(tensor) for tensor in saved} & (made_within - known)
    return found, saved_within, features


def test_no_saved_activation_comes_from_inside_a_frozen_tower(
    make_model, model_config, inputs
):
    model = make_model(model_config).train()
    found, saved_within, features = saved_from_towers(model, inputs)
    assert saved_within == 0
    read = {storage(one) for side in features for one in feature_tensors(side)}
    # the adapters may save the taps that they read, and nothing beside them
    assert found
    assert found <= read


def test_tuned_towers_do_save_activations(make_model, model_config, inputs):
    model_config.backbone['freeze'] = False
    model = make_model(model_config).train()
    found, saved_within, features = saved_from_towers(model, inputs)
    read = {storage(one) for side in features for one in feature_tensors(side)}
    assert saved_within > 50
    assert len(found - read) > 50


# tuned in full ------------------------------------------------------------------------


def test_tuned_towers_train_and_get_gradients(make_model, model_config, inputs):
    model_config.backbone['freeze'] = False
    model = make_model(model_config).train()
    norms = {
        name
        for name, module in model.backbone.vision.backbone.named_modules()
        if isinstance(module, nn.BatchNorm2d)
    }
    assert len(norms) == 20
    for name, module in model.backbone.named_modules():
        is_norm = name.removeprefix('vision.backbone.') in norms
        assert module.training != is_norm, name  # frozen by norm_eval
    loss_of(model, inputs).backward()
    for name, parameter in model.backbone.named_parameters():
        owner = name.removeprefix('vision.backbone.').rpartition('.')[0]
        got = parameter.grad is not None and bool(parameter.grad.any())
        assert parameter.requires_grad == (owner not in norms), name
        # a bias on all keys alike changes no softmax
        assert got == parameter.requires_grad or name.endswith('key.bias'), name


def test_tuned_towers_leave_frozen_batchnorms_bit_identical(
    make_model, model_config, inputs
):
    model_config.backbone['freeze'] = False
    model = make_model(model_config).train()
    before = clone_state(model.backbone)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, weight_decay=0.1)
    loss_of(model, inputs).backward()
    optimizer.step()
    changed = {
        name
        for name, value in model.backbone.state_dict().items()
        if not torch.equal(value, before[name])
    }
    assert not any('.bn' in name or 'downsample.1' in name for name in changed)
    assert {'vision.backbone.conv1.weight', 'vision.input_proj.weight'} <= changed


def test_tuned_towers_have_dropout_in_training_only(
    make_model, backbone_config, inputs
):
    backbone_config['freeze'] = False
    backbone = make_model(backbone_config).train()
    assert not torch.equal(
        run(backbone, inputs)[0].tokens, run(backbone, inputs)[0].tokens
    )
    backbone.eval()
    frozen = copy.deepcopy(backbone)
    for tower in frozen.towers.values():
        tower.freeze()
    # torch multiplies weights that need a gradient in another order
    backbone.requires_grad_(False)
    assert torch.equal(run(backbone, inputs)[0].tokens, run(frozen, inputs)[0].tokens)


# what checkpoints leave out -----------------------------------------------------------


def test_pretrained_frozen_towers_are_left_out_of_checkpoints(with_weights):
    backbone = MODELS.build(with_weights)
    assert frozen_state_keys(backbone) == set(backbone.state_dict())


def test_random_towers_are_kept_in_checkpoints(with_weights):
    with_weights.language.weights = None
    backbone = MODELS.build(with_weights)
    names = set(backbone.state_dict())
    vision = {name for name in names if name.startswith('vision.')}
    assert frozen_state_keys(backbone) == vision
    assert 0 < len(vision) < len(names)
    assert set(identities(backbone)) == {'vision'}
    with_weights.vision.weights = None
    backbone = MODELS.build(with_weights)
    assert frozen_state_keys(backbone) == set()
    assert identities(backbone) == {}


def test_tuned_towers_are_kept_in_checkpoints(with_weights):
    with_weights['freeze'] = False
    backbone = MODELS.build(with_weights)
    assert frozen_state_keys(backbone) == set()
    assert identities(backbone) == {}


def test_identity_is_name_and_hash_of_the_weights(with_weights, tmp_path):
    backbone = MODELS.build(with_weights)
    assert identities(backbone) == dict(
        vision=dict(
            name=str(tmp_path / 'vision.pth'), sha256=state_sha256(backbone.vision)
        ),
        language=dict(
            name=str(tmp_path / 'bert'), sha256=state_sha256(backbone.language)
        ),
    )
    assert identities(MODELS.build(with_weights)) == identities(backbone)


def test_identity_differs_when_one_weight_differs(with_weights, tmp_path):
    backbone = MODELS.build(with_weights)
    first = identities(backbone)
    state = clone_state(backbone.vision)
    state['input_proj.bias'][3] += 1e-3
    save_state_file(state, with_weights.vision.weights)
    second = identities(MODELS.build(with_weights))
    assert first['language'] == second['language']
    assert first['vision']['name'] == second['vision']['name']
    assert first['vision']['sha256'] != second['vision']['sha256']


def test_identity_follows_weights_that_are_loaded_later(with_weights):
    backbone = MODELS.build(with_weights)
    before = identities(backbone)
    state = clone_state(backbone)
    state['vision.input_proj.bias'][3] += 1
    for load in (nn.Module.load_state_dict, load_state_dict):
        load(backbone, state)
        after = identities(backbone)
        assert after['vision']['sha256'] == state_sha256(backbone.vision)
        assert after['vision'] != before['vision']
        assert after['language'] == before['language']
        state['vision.input_proj.bias'][3] += 1


def test_only_random_towers_are_initialised(with_weights, model_config):
    with_weights.language.weights = None
    model_config.backbone = with_weights
    model = MODELS.build(model_config)
    vision = clone_state(model.backbone.vision)
    model.init_weights()
    assert_same_state(model.backbone.vision, vision)
    model.backbone.vision.weights = None
    model.backbone.init_weights()
    assert not torch.equal(
        model.backbone.vision.input_proj.weight, vision['input_proj.weight']
    )


# savings of the vision side -----------------------------------------------------------


@torch.no_grad()
@pytest.mark.parametrize('chunk', [1, 3, 100])
def test_chunks_change_nothing(make_model, backbone_config, chunk):
    images, mask = torch.randn(5, 3, 64, 64), torch.zeros(5, 64, 64, dtype=torch.bool)
    mask[1, :, 32:] = True
    whole = make_model(copy.deepcopy(backbone_config))
    backbone_config.vision.chunk = chunk
    chunked = make_model(backbone_config)
    for backbone in (whole, chunked):
        tap(backbone)
    chunked.load_state_dict(whole.state_dict())
    sizes = []
    chunked.vision.register_forward_pre_hook(
        lambda module, inputs: sizes.append(len(inputs[0]))
    )
    features = chunked.vision.encode(images, mask)
    expected = whole.vision.encode(images, mask)
    assert max(sizes) == min(chunk, 5) and sum(sizes) == 5
    assert torch.equal(features.mask, expected.mask)
    for value, wanted in zip(
        feature_tensors(features), feature_tensors(expected), strict=True
    ):
        torch.testing.assert_close(value, wanted, rtol=0, atol=1e-5)


CHANNELS_LAST = dict(channels_last=True)
COMPILED = dict(compile=dict(backend='eager', fullgraph=True))


@pytest.fixture
def fresh_compiler():
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    yield torch._dynamo.utils.counters['stats']
    torch._dynamo.reset()


@pytest.mark.slow
@torch.no_grad()
@pytest.mark.parametrize('option', [CHANNELS_LAST, COMPILED])
def test_layout_and_compiler_change_nothing(
    make_model, backbone_config, fresh_compiler, option
):
    plain = make_model(copy.deepcopy(backbone_config))
    backbone_config.vision.update(option)
    changed = make_model(backbone_config)
    for backbone in (plain, changed):
        tap(backbone)
    assert_same_state(changed, plain.state_dict())
    assert state_sha256(changed) == state_sha256(plain)
    strides = []
    changed.vision.backbone.layer1.register_forward_hook(
        lambda module, inputs, output: strides.append(output.stride())
    )
    # taps must be those of this run, also in a graph that was compiled in another
    for number, size in enumerate((2, 2, 3)):
        images = torch.randn(size, 3, 64, 64) + number
        mask = torch.zeros(size, 64, 64, dtype=torch.bool)
        mask[0, 32 * (number % 2) :, 32:] = True
        features = changed.vision.encode(images, mask)
        expected = plain.vision.encode(images, mask)
        assert torch.equal(features.mask, expected.mask)
        for value, wanted in zip(
            feature_tensors(features), feature_tensors(expected), strict=True
        ):
            torch.testing.assert_close(value, wanted, rtol=0, atol=1e-5)
    last = [stride[1] == 1 for stride in strides]
    assert all(last) if 'channels_last' in option else not any(last)
    compiled = 'compile' in option
    assert (fresh_compiler['unique_graphs'] > 0) == compiled
    if compiled:
        assert copy.deepcopy(changed).vision._compiled_call_impl is None


@pytest.mark.slow
def test_compiled_tower_is_trained_beside_as_the_plain_one(
    make_model, model_config, inputs, fresh_compiler
):
    gradients = []
    compiled = dict(compile=dict(backend='aot_eager', fullgraph=True))
    for option in ({}, compiled | CHANNELS_LAST):
        model_config.backbone.vision.update(option)
        model = make_model(copy.deepcopy(model_config))
        loss_of(model, inputs).backward()
        tuned = [p for p in model.parameters() if p.requires_grad]
        gradients.append([parameter.grad for parameter in tuned])
    assert fresh_compiler['unique_graphs'] == 1
    for value, wanted in zip(*gradients, strict=True):
        torch.testing.assert_close(value, wanted, rtol=1e-4, atol=1e-5)


def test_tower_that_is_tuned_is_not_compiled(backbone_config, images, fresh_compiler):
    backbone_config.vision.update(COMPILED)
    backbone_config['freeze'] = False
    backbone = MODELS.build(backbone_config)
    backbone.vision.encode(*images)
    assert fresh_compiler['unique_graphs'] == 0


def test_chunks_are_for_frozen_towers(make_model, backbone_config):
    backbone_config.vision.chunk = 1
    backbone_config['freeze'] = False
    backbone = make_model(backbone_config)
    sizes = []
    backbone.vision.register_forward_pre_hook(
        lambda module, inputs: sizes.append(len(inputs[0]))
    )
    backbone.vision.encode(
        torch.randn(3, 3, 64, 64), torch.zeros(3, 64, 64, dtype=torch.bool)
    )
    assert sizes == [3]


def test_chunk_of_no_image_is_refused(vision_config):
    vision_config.chunk = 0
    with pytest.raises(ValueError, match='chunk must be at least 1 image, got 0'):
        MODELS.build(vision_config)
