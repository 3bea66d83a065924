"""Tuners inside convolutional towers: maps, widths of their own, BatchNorms."""

import copy

import pytest
import torch
from mmdet.registry import MODELS
from torch import nn

NANO = 'mmdet::yolox/yolox_nano_8xb8-300e_coco.py'
R18_FPN = dict(
    backbone=dict(type='ResNet', depth=18, base_channels=8, stem_channels=8),
    neck=dict(type='FPN', in_channels=[8, 16, 32, 64], out_channels=8, num_outs=4),
)
METHODS = dict(
    adapter=dict(type='AdapterTuner', hidden_channels=4),
    adaptformer=dict(type='AdaptFormerTuner', hidden_channels=4),
    lora=dict(type='LoRATuner', rank=2, alpha=2),
    cm_adapter=dict(type='CMAdapterTuner', hidden_channels=4),
    mrs_adapter=dict(type='MRSAdapterTuner', hidden_channels=4),
    uniadapter=dict(type='UniAdapterTuner', hidden_channels=4),
    dara=dict(type='DARATuner', domain_channels=4, relation_channels=4),
    bitfit=dict(type='BitFitTuner'),
)
# of the CSP blocks: before and after their last convolution
INNER = [16, 32, 64, 128, 64, 32, 64, 128]
OUTER = [32, 64, 128, 256, 128, 64, 128, 256]


def make_backbone(language_config, detector=NANO, tuner=None, **kwargs):
    torch.manual_seed(4)
    vision = dict(type='DetectorTower', detector=detector, size=(64, 96))
    backbone = MODELS.build(
        dict(
            type='SideTuningBackbone',
            vision=vision,
            language=language_config,
            tuner=tuner,
            **kwargs,
        )
    )
    generator = torch.Generator().manual_seed(5)
    for module in backbone.vision.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_var.uniform_(0.5, 1.5, generator=generator)
            module.running_mean.normal_(0, 0.1, generator=generator)
    return backbone


@pytest.fixture
def images():
    images = 255 * torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(6))
    return images, torch.zeros(2, 64, 96, dtype=torch.bool)


def statistics(backbone):
    return {name: value.clone() for name, value in backbone.vision.named_buffers()}


@pytest.mark.slow
@pytest.mark.parametrize('detector', [NANO, R18_FPN], ids=['yolox', 'fpn'])
@pytest.mark.parametrize('method', [*METHODS, 'full'])
def test_step_0_is_frozen_and_no_batch_norm_moves(
    language_config, images, method, detector
):
    frozen = make_backbone(language_config, detector).vision.encode(*images)
    settings = dict(freeze=False) if method == 'full' else dict(tuner=METHODS[method])
    backbone = make_backbone(language_config, detector, **settings).train()
    before = statistics(backbone)
    vision = backbone.vision
    features = vision.encode(*images)
    assert torch.equal(features.tokens, frozen.tokens)

    tuned = [p for p in backbone.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(tuned, lr=1e-3)
    for _ in range(2):
        optimizer.zero_grad()
        vision.encode(*images).tokens.square().mean().backward()
        assert any(p.grad is not None and p.grad.any() for p in tuned)
        optimizer.step()
    assert not torch.equal(vision.encode(*images).tokens, frozen.tokens)
    after = statistics(backbone)
    assert all(torch.equal(after[name], before[name]) for name in before)


def test_bottleneck_works_on_each_position_of_the_map(language_config, images):
    backbone = make_backbone(language_config, tuner=METHODS['adapter'])
    adapter = backbone.tuner.vision_ffn[3]
    nn.init.normal_(adapter.up.weight, std=0.1)
    module = backbone.vision.find('sites', 'ffn')[3]
    seen = []

    def see(module, inputs, output):
        seen.append(output)

    with backbone.tuner.inserted('vision', backbone.vision):
        handle = module.register_forward_hook(see)
        backbone.vision(*images)
        handle.remove()
    backbone.vision(*images)  # hooks of the tuner are gone
    with torch.no_grad():
        bare = module.register_forward_hook(see)
        backbone.vision(*images)
        bare.remove()
        changed, plain = seen
        down, up = adapter.down, adapter.up
        hidden = torch.conv2d(plain, down.weight[..., None, None], down.bias).relu()
        expected = plain + torch.conv2d(hidden, up.weight[..., None, None], up.bias)
    assert changed.shape == (2, 256, 2, 3)
    torch.testing.assert_close(changed, expected)


def test_widths_and_sizes_follow_from_the_sites(language_config):
    tuner = make_backbone(language_config, tuner=METHODS['adapter']).tuner
    for kind, widths in (('attention', INNER), ('ffn', OUTER)):
        adapters = getattr(tuner, f'vision_{kind}')
        assert [one.up.out_features for one in adapters] == widths
    # pairs go as far as the shallower tower
    dara = make_backbone(language_config, tuner=METHODS['dara']).tuner
    layers = language_config.arch.num_hidden_layers
    width = language_config.arch.hidden_size
    assert [one.up.out_features for one in dara.vision_domain] == INNER[:layers]
    for one, own in zip(dara.relation, OUTER, strict=False):
        assert one.vision_down.in_features == own
        assert one.shared_up.out_features == min(own, width)


def test_lora_updates_the_1x1_convolutions_of_every_block(language_config):
    backbone = make_backbone(language_config, tuner=METHODS['lora'])
    updates = {
        name.partition('.lora_A')[0]: value
        for name, value in backbone.vision.named_parameters()
        if 'lora_A' in name
    }
    assert len(updates) == 3 * len(OUTER)
    assert all(value.shape[2:] == (1, 1) for value in updates.values())
    assert 'neck.bottom_up_blocks.1.final_conv.conv' in updates
    # the tower's own weights are known by their own names still
    renamed = backbone.vision.renamed_state_keys()
    name = 'neck.bottom_up_blocks.1.final_conv.conv'
    assert renamed[f'{name}.weight'] == f'{name}.base_layer.weight'


def test_bitfit_tunes_the_biases_of_batch_norms(language_config):
    vision = make_backbone(language_config, tuner=METHODS['bitfit']).vision
    tuned = {name for name, p in vision.named_parameters() if p.requires_grad}
    assert tuned == {n for n, _ in vision.named_parameters() if n.endswith('.bn.bias')}


def test_copy_of_a_tuned_tower_is_apart(language_config, images):
    backbone = make_backbone(language_config, tuner=METHODS['adapter'])
    twin = copy.deepcopy(backbone)
    nn.init.ones_(backbone.tuner.vision_ffn[0].up.bias)
    tokens = [one.vision.encode(*images).tokens for one in (backbone, twin)]
    assert not torch.equal(*tokens)
