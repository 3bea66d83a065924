"""A toy model with frozen towers, trained by MMEngine's runner in milliseconds.

Its fixtures are loaded by the ``conftest.py`` of the rooms that use them.
"""

import itertools

import pytest
import torch
from mmengine.evaluator import BaseMetric
from mmengine.model import BaseModel, BaseModule
from mmengine.runner import Runner
from torch import nn
from torch.utils.data import Dataset

from m2ist_mm.models.towers import FrozenPart


class ToyTower(FrozenPart):
    """A linear tower and a BatchNorm."""

    def __init__(self, name, generator):
        super().__init__(weights=name)
        self.layers = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4))
        self.layers[0].weight.data = torch.randn(4, 4, generator=generator)
        nn.init.zeros_(self.layers[0].bias)

    def forward(self, inputs):
        return self.layers(inputs)


class ToyTowers(BaseModule):
    """Two towers, frozen or not."""

    def __init__(self, seed=0, freeze=True):
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        for name in ('vision', 'language'):
            tower = ToyTower(f'weights{seed}', generator)
            if freeze:
                tower.freeze()
            setattr(self, name, tower)

    def forward(self, inputs):
        return self.vision(inputs) + self.language(inputs)


class ToyModel(BaseModel):
    def __init__(self, seed=0, freeze=True, width=4):
        super().__init__()
        self.backbone = ToyTowers(seed, freeze)
        self.neck = nn.Linear(4, width)
        self.dropout = nn.Dropout(0.5)
        self.bbox_head = nn.Linear(width, 1)

    def init_weights(self):
        for module in (self.neck, self.bbox_head):
            nn.init.constant_(module.weight, 0.1)
            nn.init.zeros_(module.bias)

    def forward(self, inputs, data_samples=None, mode='tensor'):
        output = self.bbox_head(self.dropout(self.neck(self.backbone(inputs))))
        if mode == 'loss':
            return dict(loss=(output - 1).square().mean())
        return [output]


class ToyDataset(Dataset):
    metainfo = dict(classes=('referent',))

    def __init__(self):
        self.epochs = []

    def set_epoch(self, epoch):
        self.epochs.append(epoch)

    def __len__(self):
        return 8

    def __getitem__(self, index):
        return dict(inputs=torch.linspace(-1, 1, 4) * (index + 1))


class ToyMetric(BaseMetric):
    """Gives the scores of the list, one a validation."""

    scores = (0.5, 0.9, 0.7)

    def process(self, data_batch, data_samples):
        self.results.append(0)

    def compute_metrics(self, results):
        self.count = getattr(self, 'count', 0) + 1
        return {'score': self.scores[self.count - 1]}


# MMEngine's loggers and message hubs are found by the experiment's name
NUMBERS = itertools.count()
HOOKS = dict(
    logger=dict(type='LoggerHook', interval=1000),
    checkpoint=dict(type='mmdet.TunedCheckpointHook', interval=1),
    epoch_seed=dict(type='mmdet.EpochSeedHook'),
    tuned_state=dict(type='mmdet.TunedStateHook'),
)


@pytest.fixture
def make_runner(tmp_path):
    """Function that builds a runner of the toy model; 8 samples, batch 4."""

    def make(
        name='run',
        model=None,
        max_epochs=2,
        checkpoint=None,
        train_cfg=None,
        sampler='DefaultSampler',
        **changes,
    ):
        dataset = ToyDataset()
        hooks = dict(HOOKS, checkpoint=dict(HOOKS['checkpoint'], **(checkpoint or {})))
        config = dict(
            model=ToyModel() if model is None else model,
            work_dir=str(tmp_path / name),
            train_dataloader=dict(
                batch_size=4,
                num_workers=0,
                dataset=dataset,
                sampler=dict(type=sampler, shuffle=True),
                collate_fn=dict(type='default_collate'),
            ),
            train_cfg=train_cfg or dict(by_epoch=True, max_epochs=max_epochs),
            optim_wrapper=dict(optimizer=dict(type='AdamW', lr=0.01)),
            param_scheduler=[dict(type='MultiStepLR', milestones=[1], gamma=0.5)],
            default_hooks=hooks,
            randomness=dict(seed=3),
            experiment_name=f'{tmp_path.name}_{next(NUMBERS)}',
            log_level='WARNING',
            default_scope='mmdet',
        )
        config['optim_wrapper']['constructor'] = 'mmdet.TunedOptimWrapperConstructor'
        config.update(changes)
        if 'val_cfg' in config or 'test_cfg' in config:
            loader = dict(config['train_dataloader'])
            loader['sampler'] = dict(type='DefaultSampler', shuffle=False)
            for kind in ('val', 'test'):
                if f'{kind}_cfg' in config:
                    config[f'{kind}_dataloader'] = loader
                    config[f'{kind}_evaluator'] = [ToyMetric()]
        return Runner(**config)

    return make


@pytest.fixture
def toy_model():
    """The toy model's class."""
    return ToyModel
