"""Base of the towers of the transformers library: builds and loads the model."""

import inspect
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from transformers import (
    MODEL_MAPPING,
    AutoConfig,
    AutoModel,
    PretrainedConfig,
    PreTrainedModel,
)
from transformers.utils import CONFIG_NAME, cached_file
from transformers.utils.logging import (
    disable_progress_bar,
    enable_progress_bar,
    is_progress_bar_enabled,
)

from ...checkpoints import load_exactly
from ...checkpoints.state_checks import check_state
from .frozen_part import FrozenPart
from .pretrained import resolve_pretrained, split_revision


class BaseTransformersTower(FrozenPart):
    """An encoder of the transformers library, without pooler.

    Args:
        weights: Hub name (``'bert-base-uncased'``, or ``'NAME@REVISION'``), local
            folder, or ``'package:MODULE/FOLDER'``; ``None`` leaves the tower random.
        arch: Arguments of ``transformers.AutoConfig.for_model`` that define the
            architecture without a download, for instance ``dict(model_type='bert')``
            (BERT-base uncased). It also says which half of a two-tower model is meant:
            ``dict(model_type='clip_text_model')``. ``None`` reads it from ``weights``.
        sha256: Expected hash of the folder's ``model.safetensors``.
        kwargs: See :class:`FrozenPart`.

    Raises:
        FileNotFoundError: The weights are neither on this machine nor can be fetched.
        ValueError: The weights are damaged or incomplete, or do not fit ``arch`` or
            ``sha256``.
    """

    def __init__(
        self,
        weights: str | None,
        arch: dict | None = None,
        sha256: str | None = None,
        **kwargs,
    ) -> None:
        super().__init__(weights=weights, **kwargs)
        if weights is None and arch is None:
            raise ValueError(f'{type(self).__name__} needs weights, arch, or both')
        config = None if arch is None else AutoConfig.for_model(**arch)
        if weights is not None:
            pretrained = self._from_pretrained(
                resolve_pretrained(weights, sha256), config
            )
        if config is None:
            self.model = pretrained
        else:
            self.model = AutoModel.from_config(config, **_without_pooler(config))
            if weights is not None:
                load_exactly(self.model, pretrained.state_dict(), repr(weights))
        self.embed_dims = self.model.config.hidden_size
        self.architecture = self.model.config.model_type

    def layer_spec(self) -> dict:
        """See :meth:`Tower.layer_spec`."""
        config = self.model.config
        width = getattr(config, 'intermediate_size', None)
        act = config.hidden_act
        return dict(
            num_layers=config.num_hidden_layers,
            num_heads=config.num_attention_heads,
            feedforward_channels=width or int(config.mlp_ratio * config.hidden_size),
            activation=act if act in ('relu', 'gelu') else 'gelu',  # CLIP's quick_gelu
        )

    def _from_pretrained(
        self, name: str, config: PretrainedConfig | None
    ) -> PreTrainedModel:
        """Load the weights as they are, in the model class that ``config`` names."""
        tower = f'the {self.modality} tower {name!r}'
        try:
            config_class = AutoConfig if config is None else type(config)
            name, revision = split_revision(name)
            options = dict(revision=revision, trust_remote_code=False)
            own = config_class.from_pretrained(name, **options)
            with _quiet(in_folder=Path(name).is_dir()):
                model, report = MODEL_MAPPING[type(own)].from_pretrained(
                    name,
                    config=own,
                    output_loading_info=True,
                    ignore_mismatched_sizes=True,  # refused below
                    **options,
                    **_without_pooler(own),
                )
        except Exception as error:
            if not isinstance(error, OSError) or Path(name).is_dir():
                reason = str(error).partition('\n')[0]
                raise ValueError(
                    f'the weights of {tower} cannot be read: '
                    f'{type(error).__name__}: {reason}'
                ) from error
            option = f'model.backbone.{self.modality}.weights'
            raise FileNotFoundError(
                f'{tower} is not on this machine and could not be fetched from the '
                'model hub. Download it elsewhere and point the config at the folder: '
                f'--cfg-options {option}=FOLDER, or ask for a random '
                f'tower with {option}=None ({error})'
            ) from error
        if not Path(name).is_dir() and '@' not in self.weights:
            # the revision that was loaded is part of the tower's identity
            file = cached_file(
                name, CONFIG_NAME, revision=revision, local_files_only=True
            )
            self.weights = f'{self.weights}@{Path(file).parent.name}'
        # transformers leaves both random, with no more than a warning
        if missing := sorted(report['missing_keys']):
            raise ValueError(
                f'the weights of {tower} are incomplete: '
                f'{len(missing)} missing ({", ".join(missing[:3])})'
            )
        if other := sorted(report['mismatched_keys']):
            key, found, expected = other[0]
            raise ValueError(
                f'the weights of {tower} do not fit its config.json: {len(other)} of '
                f'another shape ({key}: {tuple(found)} instead of {tuple(expected)})'
            )
        check_state(model.state_dict(), tower)
        # transformers 5 keeps the type of the file, 4 does not
        return model.float()


@contextmanager
def _quiet(in_folder: bool) -> Iterator[None]:
    """Keep off the terminal which weights of a file are not used, as a pooler's.

    Weights that are missing or do not fit are errors of our own.

    Args:
        in_folder: Whether nothing is downloaded, and there is no progress to show.
    """
    logger = logging.getLogger(PreTrainedModel.__module__)
    hides_bar = in_folder and is_progress_bar_enabled()
    # no level: one above INFO makes transformers say more
    logger.addFilter(_is_error)
    if hides_bar:
        disable_progress_bar()
    try:
        yield
    finally:
        logger.removeFilter(_is_error)
        if hides_bar:
            enable_progress_bar()


def _is_error(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.ERROR


def _without_pooler(config: PretrainedConfig) -> dict[str, bool]:
    """Give the argument, or change the config, that leaves the model's pooler out."""
    if config.model_type == 'siglip_vision_model':
        config.vision_use_head = False
    parameters = inspect.signature(MODEL_MAPPING[type(config)]).parameters
    return dict(add_pooling_layer=False) if 'add_pooling_layer' in parameters else {}
