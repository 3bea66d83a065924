"""A language encoder of transformers as a tower."""

from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor
from transformers import AutoConfig, AutoModel

from .pretrained import load_exactly, resolve_pretrained
from .tower_features import TowerFeatures


@MODELS.register_module()
class TransformersTower(BaseModule):
    """Text encoder of the transformers library, without pooler.

    Args:
        weights: Hub name (``'bert-base-uncased'``), local folder, or
            ``'package:MODULE/FOLDER'``; ``None`` leaves the tower random.
        arch: Arguments of ``transformers.AutoConfig.for_model`` that define the
            architecture without a download, for instance ``dict(model_type='bert')``
            (BERT-base uncased). ``None`` reads it from ``weights``.
        sha256: Expected hash of the folder's ``model.safetensors``.

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
    ) -> None:
        super().__init__()
        if weights is None and arch is None:
            raise ValueError('TransformersTower needs weights, arch, or both')
        self.weights = weights
        if weights is None:
            config = AutoConfig.for_model(**arch)
            self.model = AutoModel.from_config(config, add_pooling_layer=False)
        else:
            pretrained = _from_pretrained(resolve_pretrained(weights, sha256))
            if arch is None:
                self.model = pretrained
            else:
                config = AutoConfig.for_model(**arch)
                self.model = AutoModel.from_config(config, add_pooling_layer=False)
                load_exactly(self.model, pretrained.state_dict(), repr(weights))
        self.embed_dims = self.model.config.hidden_size

    def init_weights(self) -> None:
        """Do nothing: transformers initialises its models when it makes them."""

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> TowerFeatures:
        """Encode token ids.

        Args:
            input_ids: (B, L) int64.
            attention_mask: (B, L) int64, 1 = token, 0 = padding.

        Returns:
            Tokens (B, L, C), without taps; ``input_tokens`` is the embedding output.
        """
        output = self.model(
            input_ids=input_ids,
            attention_mask=attention_mask,
            output_hidden_states=True,
            return_dict=True,
        )
        return TowerFeatures(
            tokens=output.last_hidden_state,
            mask=attention_mask == 0,
            input_tokens=output.hidden_states[0],
        )


def _from_pretrained(name: str) -> AutoModel:
    try:
        model, report = AutoModel.from_pretrained(
            name, add_pooling_layer=False, output_loading_info=True
        )
    except OSError as error:
        raise FileNotFoundError(
            f'the language tower {name!r} is not on this machine and could not be '
            'fetched from the model hub. Download it elsewhere and point the config at '
            'the folder: --cfg-options model.backbone.language.weights=FOLDER '
            'model.data_preprocessor.tokenizer=FOLDER, or ask for a random tower with '
            f'model.backbone.language.weights=None ({error})'
        ) from error
    except Exception as error:
        reason = str(error).partition('\n')[0]
        raise ValueError(
            f'the weights of the language tower {name!r} cannot be read: '
            f'{type(error).__name__}: {reason}'
        ) from error
    # transformers leaves what is missing random, with no more than a warning
    if missing := sorted(report['missing_keys']):
        raise ValueError(
            f'the weights of the language tower {name!r} are incomplete: '
            f'{len(missing)} missing ({", ".join(missing[:3])})'
        )
    return model
