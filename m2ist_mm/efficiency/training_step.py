"""A config's training step, on random towers and synthetic inputs."""

import copy
from tempfile import TemporaryDirectory

import torch
from mmdet.registry import HOOKS, MODELS
from mmengine.config import Config
from mmengine.model import BaseModel
from mmengine.optim import build_optim_wrapper
from torch import Tensor

from ..config_parts import is_type
from ..quiet_logger import quiet_logger
from .synthetic_inputs import SyntheticInputs, write_tokenizer

_CACHE_ENTRIES = 10_000  # more than any batch has


class TrainingStep:
    """Model and optimiser of a config, as a training has them, without its files.

    The towers are random (but for a language tower whose architecture is known from
    its weights alone), so neither weights nor data are needed. Features are
    cached as the config's ``FeatureCacheHook`` says, but in memory.

    Args:
        config: Config of a model with two towers and of its training.
        device: Where it runs.
        random_towers: Whether pre-trained weights are left out.

    Raises:
        ValueError: The model has no pair of towers.
    """

    def __init__(
        self, config: Config, device: str = 'cpu', random_towers: bool = True
    ) -> None:
        config = copy.deepcopy(config)
        if random_towers:
            use_random_towers(config)
        self.device = torch.device(device)
        torch.manual_seed(0)
        with quiet_logger():
            self.model = self.build_model(config).to(self.device)
            self.inputs = SyntheticInputs(self.model.data_preprocessor.input_spec)
            self.optim_wrapper = build_optim_wrapper(self.model, config.optim_wrapper)
            self._attach_caches(config)

    def build_model(self, config: Config) -> BaseModel:
        """Build the model, with a tokenizer that knows the synthetic expressions."""
        with TemporaryDirectory() as folder:
            write_tokenizer(folder)
            config.model.backbone.language.tokenizer = folder
            model = MODELS.build(config.model)
            # it is read when it is asked for first
            assert model.data_preprocessor.tokenizer is not None
        model.init_weights()
        return model

    def _attach_caches(self, config: Config) -> None:
        """Give the towers the caches that the config's hooks name, in memory."""
        default, custom = config.get('default_hooks'), config.get('custom_hooks')
        for hook in [*(default or {}).values(), *(custom or [])]:
            # known by its name alone: the config imports the package of caches
            if isinstance(hook, dict) and is_type(hook, 'FeatureCacheHook'):
                HOOKS.build(hook).attach(
                    self.model, folder=None, max_entries=_CACHE_ENTRIES
                )

    def train(self, batch: dict) -> None:
        """Run forward, backward and the optimiser's step on a batch."""
        self.model.train()
        self.model.train_step(batch, self.optim_wrapper)

    def loss(self, batch: dict) -> Tensor:
        """Run the forward pass of a training step alone."""
        self.model.train()
        with self.optim_wrapper.optim_context(self.model):
            data = self.model.data_preprocessor(batch, True)
            return self.model.parse_losses(self.model(**data, mode='loss'))[0]

    def predict(self, batch: dict) -> None:
        """Run a test step, whose boxes end in original-image pixels."""
        self.model.eval()
        with torch.no_grad():
            self.model.test_step(batch)

    def synchronize(self) -> None:
        """Wait until a GPU has done what was asked of it."""
        if self.device.type == 'cuda':
            torch.cuda.synchronize(self.device)


def use_random_towers(config: Config) -> None:
    """Take the names of pre-trained weights out of a config.

    A transformers tower whose architecture is known from its weights alone keeps them.
    A trained grounder to start from is left out, too.

    Raises:
        ValueError: The model has no pair of towers.
    """
    backbone = config.get('model', {}).get('backbone', {})
    if 'vision' not in backbone or 'language' not in backbone:
        raise ValueError(f'{config.filename}: the model has no pair of towers')
    config.model.pop('init_grounder', None)
    for tower in (backbone.vision, backbone.language):
        if tower.get('arch') is not None or 'Transformers' not in tower.type:
            tower.weights = None
