"""What holds for every tuner, on DETR's and BERT's post-norm layers and on a ViT."""

import copy

import pytest
import torch
from mmdet.registry import MODELS
from mmengine import ConfigDict

from m2ist_mm.checkpoints import save_state_file, state_sha256
from m2ist_mm.checkpoints.tuned_state import fit_checkpoint
from m2ist_mm.engine import TunedOptimWrapperConstructor
from m2ist_mm.engine.hooks.tuning_summary_hook import tuning_summary
from m2ist_mm.models import parameter_counts

TUNERS = {
    'adapter': dict(type='AdapterTuner', hidden_channels=8),
    'adaptformer': dict(type='AdaptFormerTuner', hidden_channels=8),
    'lora': dict(type='LoRATuner', rank=4, alpha=8),
    'cm-adapter': dict(type='CMAdapterTuner', hidden_channels=8),
    'mrs-adapter': dict(type='MRSAdapterTuner', hidden_channels=8),
    'uniadapter': dict(type='UniAdapterTuner', hidden_channels=8),
    'dara': dict(type='DARATuner', domain_channels=4, relation_channels=8),
    'bitfit': dict(type='BitFitTuner'),
    'prompt': dict(type='PromptTuner', num_tokens=3),
}
# widths 32 and 48; layers 2 and 3, so 2 pairs
SIZES = {
    'adapter': 2 * 2 * (2 * 32 * 8 + 8 + 32) + 3 * 2 * (2 * 48 * 8 + 8 + 48),
    'adaptformer': 2 * (2 * 32 * 8 + 8 + 32) + 3 * (2 * 48 * 8 + 8 + 48),
    'lora': 2 * 2 * (2 * 32 * 4) + 3 * 2 * (2 * 48 * 4),
    'cm-adapter': 2 * 2 * (32 * 8 + 8 + 48 * 8 + 8 + 8 * 48 + 48),
    'mrs-adapter': 2 * (2 * 32 * 8 + 8 + 32 + 2 * 48 * 8 + 8 + 48 + 8 * 8 + 8 + 2),
    'uniadapter': 2 * (48 * 8 + 8 + 8 * 32 + 32 + 8 * 48 + 48),
    'dara': 2 * (2 * 32 * 4 + 4 + 3 * 32 + 2 * 48 * 4 + 4 + 3 * 48)
    + 2 * (32 * 8 + 8 + 48 * 8 + 8 + 8 * 48 + 48),
    'bitfit': 32 + 2 * (96 + 32 + 64 + 32 + 64) + 48 + 3 * (5 * 48 + 64 + 48 + 48),
    'prompt': 3 * 48,
}
each_tuner = pytest.mark.parametrize('method', TUNERS)


def clone_state(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


def loss_of(model, inputs):
    return (model._forward(inputs) - 0.3).abs().sum()


def bare_state(backbone, name):
    """State of a tower by the names that it has without a tuner."""
    tower = backbone.towers[name]
    originals = {new: old for old, new in tower.renamed_state_keys().items()}
    own = {n for n, _ in tower.own_parameters()} | {n for n, _ in tower.named_buffers()}
    return {
        originals.get(key, key): value
        for key, value in tower.state_dict().items()
        if key in own
    }


def tokens(model, inputs):
    features = model.extract_feat(inputs)
    return features.vision.tokens, features.language.tokens


def is_added(name, method):
    """Whether a weight in the backbone is one that the tuner tunes."""
    if method == 'bitfit':
        frozen = 'vision.backbone.'  # BatchNorms
        return name.endswith('bias') and not name.startswith(frozen)
    return name.startswith('tuner.') or 'lora_' in name


# one forward --------------------------------------------------------------------------


@pytest.mark.parametrize('vit', [False, True], ids=['detr', 'vit'])
@pytest.mark.parametrize('method', sorted(set(TUNERS) - {'prompt'}))
def test_first_forward_is_that_of_the_frozen_towers(tuned_config, inputs, method, vit):
    config = tuned_config(TUNERS[method], vit)
    torch.manual_seed(4)
    model = MODELS.build(copy.deepcopy(config)).train()
    config.backbone.tuner = None
    torch.manual_seed(4)
    frozen = MODELS.build(config)
    for name, tower in frozen.backbone.towers.items():
        bare = bare_state(model.backbone, name)
        assert bare.keys() == tower.state_dict().keys()
        assert all(torch.equal(bare[k], v) for k, v in tower.state_dict().items())
    for value, wanted in zip(
        tokens(model, inputs), tokens(frozen, inputs), strict=True
    ):
        torch.testing.assert_close(value, wanted, rtol=0, atol=2e-6)
        assert value.requires_grad  # a gradient passes the tower


@pytest.mark.parametrize('vit', [False, True], ids=['detr', 'vit'])
def test_full_fine_tuning_starts_from_the_frozen_towers(tuned_config, inputs, vit):
    outputs = []
    for freeze in (True, False):
        torch.manual_seed(4)
        config = tuned_config(None, vit, freeze=freeze)
        config.backbone.language.arch.attention_probs_dropout_prob = 0.0
        model = MODELS.build(config)
        assert model.backbone.builds_graph is not freeze
        model.train()
        # dropout aside, which only tuned towers have in training
        for module in model.modules():
            if isinstance(module, (torch.nn.Dropout, torch.nn.MultiheadAttention)):
                module.eval()
        outputs.append(tokens(model, inputs))
    for value, wanted in zip(*outputs, strict=True):
        torch.testing.assert_close(value, wanted, rtol=0, atol=2e-6)


@pytest.mark.parametrize('method', [*TUNERS, 'full', 'side'])
def test_no_statistic_of_batchnorm_moves_in_training(
    make_model, tuned_config, neck_config, inputs, method
):
    config = tuned_config(TUNERS.get(method), freeze=method != 'full')
    # a detector's norms as they are tuned with it
    config.backbone.vision.backbone.update(
        norm_cfg=dict(type='BN', requires_grad=True), norm_eval=False
    )
    if method == 'side':
        config.neck = neck_config
    model = make_model(config).train()
    before = clone_state(model)
    statistics = {
        name for name in before if 'running_' in name or 'num_batches' in name
    }
    assert len(statistics) == 3 * 20
    tuned = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.SGD(tuned, lr=0.01)
    for _ in range(2):
        optimiser.zero_grad()
        loss_of(model, inputs).backward()
        optimiser.step()
    state = model.state_dict()
    for name in statistics:
        assert torch.equal(state[name], before[name]), name
    weights = 'backbone.vision.backbone.bn1.weight'
    assert torch.equal(state[weights], before[weights]) == (method != 'full')


@pytest.mark.parametrize('vit', [False, True], ids=['detr', 'vit'])
@each_tuner
def test_every_tuned_weight_gets_a_gradient(
    make_model, tuned_config, inputs, method, vit
):
    model = make_model(tuned_config(TUNERS[method], vit)).train()
    for name, parameter in model.backbone.named_parameters():
        if name.endswith('down.bias'):
            parameter.data.abs_()  # not all of a ReLU's inputs are negative
    with torch.autocast('cpu', torch.bfloat16, enabled=vit):
        loss = loss_of(model, inputs)
    loss.backward()
    tuned = 0
    for name, parameter in model.named_parameters():
        assert parameter.requires_grad == (
            is_added(name.removeprefix('backbone.'), method)
            or not name.startswith('backbone.')
        ), name
        assert (parameter.grad is not None) == parameter.requires_grad, name
        if name.startswith('backbone.') and parameter.requires_grad:
            tuned += 1
            # a bias on all keys alike changes no softmax
            key = name.endswith(('key.bias', 'k_proj.bias'))
            assert key or parameter.grad.abs().sum() > 0, name
    assert tuned


@each_tuner
def test_only_what_is_tuned_is_in_training_mode(make_model, tuned_config, method):
    model = make_model(tuned_config(TUNERS[method]))
    for mode in (True, False, True):
        model.train(mode)
        backbone = model.backbone
        for tower in backbone.towers.values():
            assert not any(module.training for module in tower.modules())
        assert all(m.training == mode for m in backbone.tuner.modules())


@each_tuner
def test_copied_model_gives_the_same_and_is_apart(
    make_model, tuned_config, inputs, method
):
    model = make_model(tuned_config(TUNERS[method])).eval()
    twin = copy.deepcopy(model)
    boxes = model._forward(inputs)
    assert torch.equal(twin._forward(inputs), boxes)
    for name, parameter in model.backbone.named_parameters():
        if is_added(name, method):
            torch.nn.init.normal_(parameter)
    assert torch.equal(twin._forward(inputs), boxes)
    assert not torch.equal(model._forward(inputs), boxes)
    twin.backbone.init_weights()
    assert torch.isfinite(twin._forward(inputs)).all()


@pytest.mark.parametrize('method', ['adapter', 'lora', 'mrs-adapter'])
def test_init_weights_starts_from_zero_again(tuned_config, inputs, method):
    config = tuned_config(TUNERS[method])
    model = MODELS.build(config)
    for name, parameter in model.backbone.named_parameters():
        if is_added(name, method):
            torch.nn.init.ones_(parameter)
    model.backbone.init_weights()
    config.backbone.tuner = None
    frozen = MODELS.build(config)
    for name, tower in frozen.backbone.towers.items():
        tower.load_state_dict(bare_state(model.backbone, name))
    frozen.bbox_head.load_state_dict(model.bbox_head.state_dict())
    for value, wanted in zip(
        tokens(model, inputs), tokens(frozen, inputs), strict=True
    ):
        torch.testing.assert_close(value, wanted, rtol=0, atol=2e-6)


# training -----------------------------------------------------------------------------


@each_tuner
def test_training_changes_what_is_tuned_and_nothing_else(
    make_model, tuned_config, inputs, method
):
    config = tuned_config(TUNERS[method])
    config.bbox_head.dropout = 0.0
    model = make_model(config).train()
    before = clone_state(model)
    constructor = TunedOptimWrapperConstructor(
        dict(optimizer=dict(type='AdamW', lr=1e-2, weight_decay=0.1)),
        dict(custom_keys=dict(bbox_head=dict(lr_mult=0))),
    )
    optimiser = constructor(model).optimizer
    given = {id(p) for group in optimiser.param_groups for p in group['params']}
    assert given == {id(p) for p in model.parameters() if p.requires_grad}
    losses = []
    for _ in range(15):
        optimiser.zero_grad()
        losses.append(loss_of(model, inputs))
        losses[-1].backward()
        optimiser.step()
    assert losses[-1] < 0.9995 * losses[0]  # by the tuner alone: the head stands still
    for name, value in model.state_dict().items():
        in_backbone = name.startswith('backbone.')
        tuned = in_backbone and is_added(name.removeprefix('backbone.'), method)
        moved = not torch.equal(value, before[name])
        # a bias on all keys alike changes no softmax
        assert moved == tuned or name.endswith('self.key.bias'), name


# sizes --------------------------------------------------------------------------------


@each_tuner
def test_sizes_are_those_of_the_formulas(tuned_config, method):
    counts = parameter_counts(MODELS.build(tuned_config(TUNERS[method])))
    frozen = parameter_counts(MODELS.build(tuned_config(None)))
    kind = 'tuned_tower_params' if method == 'bitfit' else 'adapter_params'
    assert counts[kind] == SIZES[method]
    assert counts['tuned_tower_params'] + counts['adapter_params'] == SIZES[method]
    assert counts['tower_params'] == frozen['tower_params']
    assert counts['head_params'] == frozen['head_params']
    assert counts['trained_params'] == SIZES[method] + counts['head_params']


def test_summary_names_tuned_weights_of_frozen_towers(tuned_config):
    lora = tuning_summary(MODELS.build(tuned_config(TUNERS['lora'])))
    assert ' (frozen), side adapters 3,328 (' in lora
    bitfit = tuning_summary(MODELS.build(tuned_config(TUNERS['bitfit'])))
    assert f' (frozen but for {SIZES["bitfit"]:,}), side adapters 0 (' in bitfit


# checkpoints --------------------------------------------------------------------------


@pytest.fixture
def with_weights(tuned_config, tmp_path):
    """Config of a tuner on towers with pre-trained weights."""
    config = tuned_config(None)
    torch.manual_seed(5)
    backbone = MODELS.build(config.backbone)
    save_state_file(backbone.vision.state_dict(), str(tmp_path / 'vision.pth'))
    backbone.language.model.save_pretrained(tmp_path / 'bert')
    config.backbone.vision.weights = str(tmp_path / 'vision.pth')
    config.backbone.language.weights = str(tmp_path / 'bert')

    def build(tuner):
        config.backbone.tuner = tuner
        return copy.deepcopy(config)

    return build


def checkpoint_of(model):
    """What ``TunedCheckpointHook`` writes."""
    frozen = {
        f'backbone.{name}.{key}'
        for name, tower in model.backbone.towers.items()
        for key in tower.frozen_state_keys()
    }
    state = {n: v.clone() for n, v in model.state_dict().items() if n not in frozen}
    return dict(state_dict=state, meta=dict(towers=identities(model.backbone)))


def identities(backbone):
    return {name: tower.identity() for name, tower in backbone.towers.items()}


@each_tuner
def test_checkpoint_holds_what_is_tuned_and_restores_it(
    make_model, with_weights, inputs, method
):
    model = MODELS.build(with_weights(TUNERS[method])).eval()
    for parameter in model.parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter, std=0.1)
    checkpoint = checkpoint_of(model)
    held = {
        name.removeprefix('backbone.')
        for name in checkpoint['state_dict']
        if name.startswith('backbone.')
    }
    assert held == {n for n in model.backbone.state_dict() if is_added(n, method)}

    other = MODELS.build(with_weights(TUNERS[method])).eval()
    boxes = model._forward(inputs)
    assert not torch.equal(other._forward(inputs), boxes)
    fit_checkpoint(other, checkpoint)
    other.load_state_dict(checkpoint['state_dict'])
    assert torch.equal(other._forward(inputs), boxes)
    # what is tuned does not change what the towers are
    assert identities(other.backbone) == checkpoint['meta']['towers']

    checkpoint = checkpoint_of(model)
    with torch.no_grad():
        other.backbone.vision.input_proj.weight[0, 0] += 1
        other.backbone.vision._identity = None
    with pytest.raises(ValueError, match='vision tower: made on'):
        fit_checkpoint(other, checkpoint)


@pytest.mark.parametrize('method', sorted(set(TUNERS) - {'bitfit'}))
def test_tuner_does_not_change_the_identity_of_the_towers(with_weights, method):
    bare = MODELS.build(with_weights(None)).backbone
    tuned = MODELS.build(with_weights(TUNERS[method])).backbone
    assert identities(tuned) == identities(bare)
    identity = bare.vision.identity()['sha256']
    assert identity == state_sha256(bare.vision)


def test_random_towers_are_kept_in_checkpoints(tuned_config):
    backbone = MODELS.build(tuned_config(TUNERS['lora'])).backbone
    for tower in backbone.towers.values():
        assert tower.frozen_state_keys() == set()
        assert tower.identity() is None


def test_weights_of_bare_towers_load_beside_updates(tuned_config, inputs):
    config = tuned_config(TUNERS['lora'])
    tuned = MODELS.build(copy.deepcopy(config)).eval()
    config.backbone.tuner = None
    torch.manual_seed(6)
    bare = MODELS.build(config).eval()
    checkpoint = dict(state_dict=bare.state_dict())
    fit_checkpoint(tuned, checkpoint, partial=True)
    tuned.load_state_dict(checkpoint['state_dict'], strict=False)
    with torch.no_grad():
        torch.testing.assert_close(
            tuned._forward(inputs), bare._forward(inputs), rtol=0, atol=1e-6
        )


# faults -------------------------------------------------------------------------------


def test_site_that_is_not_named_is_an_error(tuned_config):
    config = tuned_config(TUNERS['adapter'])
    config.backbone.vision = ConfigDict(
        type='BackboneTower', backbone=config.backbone.vision.backbone
    )
    with pytest.raises(ValueError) as error:
        MODELS.build(config)
    assert str(error.value) == (
        "BackboneTower (ResNet) has no sites 'attention', only []: name its modules in "
        "the tower's config, sites=dict(attention='NAME.{i}.NAME')"
    )


def test_site_that_is_not_there_is_an_error(tuned_config):
    config = tuned_config(TUNERS['adapter'])
    config.backbone.vision.sites = dict(ffn='blocks.{i}.mlp')
    with pytest.raises(ValueError, match=r"no module 'blocks\.0\.mlp'"):
        MODELS.build(config)


@pytest.mark.parametrize(
    ('tuner', 'message'),
    [
        (dict(type='LoRATuner', rank=0), 'LoRATuner: rank=0.*at least 1'),
        (dict(type='LoRATuner', targets=()), 'one target must be named'),
        (dict(type='PromptTuner', num_tokens=600), 'num_tokens=600 .* positions of'),
    ],
)
def test_values_that_mean_nothing_are_refused(tuned_config, tuner, message):
    with pytest.raises(ValueError, match=message):
        MODELS.build(tuned_config(tuner))


def test_freeze_is_true_or_false(tuned_config):
    with pytest.raises(ValueError, match="freeze is True or False, not 'no'"):
        MODELS.build(tuned_config(None, freeze='no'))


def test_tuner_needs_frozen_towers(tuned_config):
    with pytest.raises(ValueError, match='a tuner needs frozen towers'):
        MODELS.build(tuned_config(TUNERS['bitfit'], freeze=False))
