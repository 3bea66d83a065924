"""What any frozen part is: a tower of one's own, and one encoder for both streams."""

import threading

import pytest
import torch
from mmengine import ConfigDict
from mmengine.model import ModuleList
from torch import nn

from m2ist_mm.checkpoints import state_sha256
from m2ist_mm.checkpoints.tuned_state import frozen_state_keys
from m2ist_mm.models.adapters import InteractionAdapter, SideAdapter, init_adapters
from m2ist_mm.models.towers import (
    ARCHITECTURES,
    Architecture,
    FrozenPart,
    VisionTower,
)
from m2ist_mm.models.towers.padding import map_padding
from m2ist_mm.structures import TowerFeatures


def clone_state(module):
    return {name: value.clone() for name, value in module.state_dict().items()}


def same_state(module, expected):
    state = module.state_dict()
    return {name for name, value in state.items() if torch.equal(value, expected[name])}


# a tower of one's own -----------------------------------------------------------------


class ToyTower(VisionTower):
    """Two layers on patches of 32 pixels."""

    architecture = 'toy'
    stride = 32
    embed_dims = 24

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.patch = nn.Conv2d(3, 24, 32, 32)
        self.norm = nn.BatchNorm2d(24)
        self.layers = ModuleList(
            nn.ModuleDict(dict(mix=nn.Linear(24, 24), ffn=nn.Linear(24, 24)))
            for _ in range(2)
        )

    def forward(self, images, padding_mask):
        feature_map = self.norm(self.patch(images))
        grid = tuple(feature_map.shape[-2:])
        inputs = tokens = feature_map.flatten(2).transpose(1, 2)
        for layer in self.layers:
            tokens = tokens + layer['mix'](tokens.mean(1, keepdim=True) + tokens)
            tokens = tokens + layer['ffn'](tokens)
        mask = map_padding(padding_mask, grid).flatten(1)
        return TowerFeatures(tokens, mask, inputs, grid)


def test_tower_is_added_by_one_class_and_one_row(
    monkeypatch, make_model, model_config, inputs
):
    row = Architecture(
        taps=dict(attention='layers.{i}.mix', ffn='layers.{i}.ffn'),
        mean=(1.0, 2.0, 3.0),
        std=(4.0, 5.0, 6.0),
    )
    monkeypatch.setitem(ARCHITECTURES, 'toy', row)
    model_config.backbone.vision = ConfigDict(
        type=ToyTower, size=model_config.backbone.vision.size, weights='toy'
    )
    model = make_model(model_config).train()
    assert model.data_preprocessor.input_spec.mean == (1.0, 2.0, 3.0)
    assert [adapter.down.in_features for adapter in model.neck.vea] == [24, 24]
    tower = model.backbone.vision
    assert tower.frozen_state_keys() == set(tower.state_dict())
    before = clone_state(model)
    bare = tower(inputs['images'], inputs['padding_mask'])
    features = tower.encode(inputs['images'], inputs['padding_mask'])
    assert torch.equal(features.tokens, bare.tokens)
    assert [tap.shape for tap in features.taps['ffn']] == [(2, 12, 24)] * 2
    optimiser = torch.optim.SGD(
        [p for p in model.parameters() if p.requires_grad], lr=0.1
    )
    (model._forward(inputs) - 0.3).abs().sum().backward()
    optimiser.step()
    same = same_state(model, before)
    assert {name for name in before if name.startswith('backbone.')} <= same
    assert not any(name.startswith('neck.vea') for name in same)


# one module, both streams -------------------------------------------------------------


class JointEncoder(FrozenPart):
    """Two layers, in which image and text look at each other."""

    def __init__(self, **kwargs):
        taps = dict(image='layers.{i}.image', text='layers.{i}.text')
        super().__init__(taps=taps, **kwargs)
        self.patch = nn.Conv2d(3, 12, 32, 32)
        self.norm = nn.BatchNorm2d(12)
        self.words = nn.Embedding(40, 16)
        self.layers = ModuleList(
            nn.ModuleDict(
                dict(image=nn.Linear(12 + 16, 12), text=nn.Linear(12 + 16, 16))
            )
            for _ in range(2)
        )
        self.dropout = nn.Dropout(0.5)

    def forward(self, images, padding_mask, input_ids, attention_mask):
        feature_map = self.norm(self.patch(images))
        grid = tuple(feature_map.shape[-2:])
        image, text = feature_map.flatten(2).transpose(1, 2), self.words(input_ids)
        inputs = image, text
        for layer in self.layers:
            see_text = text.mean(1, keepdim=True).expand(-1, image.shape[1], -1)
            see_image = image.mean(1, keepdim=True).expand(-1, text.shape[1], -1)
            image, text = (
                self.dropout(image + layer['image'](torch.cat([image, see_text], -1))),
                text + layer['text'](torch.cat([see_image, text], -1)),
            )
        mask = map_padding(padding_mask, grid).flatten(1)
        return (
            TowerFeatures(image, mask, inputs[0], grid),
            TowerFeatures(text, attention_mask == 0, inputs[1]),
        )

    def with_taps(self, output, taps):
        image, text = output
        return (
            image.replace(taps=dict(layer=taps['image'])),
            text.replace(taps=dict(layer=taps['text'])),
        )


class JointModel(nn.Module):
    """The encoder with experts beside it, as M³ISA's."""

    def __init__(self, weights):
        super().__init__()
        self.joint = JointEncoder(weights=weights)
        self.joint.freeze()
        self.joint.tap(dict(image=[0, 1], text=[0, 1]))
        self.iea = ModuleList(InteractionAdapter(12, 16, 4, True) for _ in range(2))
        self.vea = ModuleList(SideAdapter(12, 4, 0.1) for _ in range(2))
        init_adapters(self.iea)
        init_adapters(self.vea)

    def forward(self, *inputs):
        image, text = self.joint.encode(*inputs)
        sums = [image.tokens + image.inputs, text.tokens + text.inputs]
        for layer, iea in enumerate(self.iea):
            taps = image.taps['layer'][layer], text.taps['layer'][layer]
            sums[0] = sums[0] + iea.vision(taps[0]) + self.vea[layer](taps[0])
            sums[1] = sums[1] + iea.language(taps[1])
        return sums


@pytest.fixture
def both(images, texts):
    return (*images, texts[0][:2], texts[1][:2])


def test_joint_encoder_is_side_tuned(both):
    model = JointModel('joint.pth').train()
    assert not any(module.training for module in model.joint.modules())
    bare = JointEncoder().eval().requires_grad_(False)
    bare.load_state_dict(model.joint.state_dict())
    image, text = model.joint.encode(*both)
    for features, expected in zip((image, text), bare(*both), strict=True):
        assert torch.equal(features.tokens, expected.tokens)
        assert torch.equal(features.mask, expected.mask)
        assert not features.tokens.requires_grad
    # what each layer adds, from the second layer's sums
    torch.testing.assert_close(image.inputs + sum(image.taps['layer']), image.tokens)
    torch.testing.assert_close(text.inputs + sum(text.taps['layer']), text.tokens)
    for total, features in zip(model(*both), (image, text), strict=True):
        assert torch.equal(total, features.tokens + features.inputs)
    before = clone_state(model)
    optimiser = torch.optim.SGD(
        [p for p in model.parameters() if p.requires_grad], lr=0.1
    )
    losses = []
    for _ in range(4):
        optimiser.zero_grad()
        losses.append(sum(total.square().mean() for total in model(*both)))
        losses[-1].backward()
        optimiser.step()
    assert losses[-1] < losses[0]
    same = same_state(model, before)
    assert {name for name in before if name.startswith('joint.')} <= same
    assert not any(name.endswith('up.weight') for name in same - set(bare.state_dict()))


def test_joint_encoders_weights_are_left_out_of_checkpoints():
    model = JointModel('joint.pth')
    names = set(model.joint.state_dict())
    assert model.joint.frozen_state_keys() == names
    assert frozen_state_keys(model) == {f'joint.{name}' for name in names}
    assert model.joint.identity() == dict(
        name='joint.pth', sha256=state_sha256(model.joint)
    )
    random = JointModel(None)
    assert frozen_state_keys(random) == set()
    assert random.joint.identity() is None


def test_kinds_that_a_part_has_not_are_told_with_those_it_has():
    joint = JointEncoder()
    with pytest.raises(ValueError) as error:
        joint.tap(dict(ffn=[0]))
    assert str(error.value) == (
        "JointEncoder (unknown architecture) has no taps 'ffn', only "
        "['image', 'text']: name its modules in the tower's config, "
        "taps=dict(ffn='NAME.{i}.NAME')"
    )


# threads ------------------------------------------------------------------------------


def test_two_threads_get_what_they_would_one_after_the_other(towers, images):
    tower = towers['vision']
    tower.tap(dict(attention=[0, 1], ffn=[0, 1]))
    batches = [images, (images[0].flip(0), images[1].flip(0))]
    expected = [tower.encode(*batch) for batch in batches]
    results = [[], []]
    start = threading.Barrier(2)

    def work(index):
        start.wait()
        for _ in range(15):
            results[index].append(tower.encode(*batches[index]))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for found, wanted in zip(results, expected, strict=True):
        assert len(found) == 15
        for features in found:
            assert torch.equal(features.tokens, wanted.tokens)
            for kind, taps in wanted.taps.items():
                for value, tap in zip(features.taps[kind], taps, strict=True):
                    assert torch.equal(value, tap)
