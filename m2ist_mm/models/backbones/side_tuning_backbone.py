"""Two towers, frozen or not, that let side networks tap their layers."""

from collections.abc import Sequence
from contextlib import nullcontext

import torch
from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor

from ..layers import FeatureCache
from ..towers import TowerFeatures, record_taps, resolve_modules, state_sha256


@MODELS.register_module()
class SideTuningBackbone(BaseModule):
    """A vision and a language tower, read by the side networks (arXiv 2407.01131 §3).

    Frozen (the default), both towers stay in evaluation mode, get no gradient, save
    nothing for backward, and give bit for bit what the bare towers give. With
    ``freeze=False`` the same towers are tuned in full (TransVG, arXiv 2104.08541).

    Args:
        vision: Config of the vision tower, called with (images, padding mask).
        language: Config of the language tower, called with (input ids, attention mask).
            A tower is any module that returns :class:`TowerFeatures`, has
            ``embed_dims``, and ``weights``: the name of its pre-trained weights, or
            ``None`` where it is random.
        vision_taps: Kind of tap to a pattern of module names in the vision tower, for
            instance ``dict(attention='encoder.layers.{i}.self_attn.proj_drop')``.
        language_taps: The same for the language tower.
        vision_layers: Numbers (from 0) of the vision layers that are tapped.
        language_layers: Numbers of the language layers that are tapped.
        language_norms: Kind of tap to a name pattern of the tower's LayerNorm that
            belongs to it; needed only by ``M3ISA(side_norm='tower')``.
        freeze: Whether the towers are frozen.
        language_cache: How many distinct expressions the frozen language tower's
            features are kept in memory for; 0 = none. Exact but for rounding.

    Raises:
        ValueError: A pattern names no module (the names there are get listed), or a
            cache is asked of towers that are tuned.
    """

    def __init__(
        self,
        vision: dict,
        language: dict,
        vision_taps: dict[str, str] | None = None,
        language_taps: dict[str, str] | None = None,
        vision_layers: Sequence[int] = (),
        language_layers: Sequence[int] = (),
        language_norms: dict[str, str] | None = None,
        freeze: bool = True,
        language_cache: int = 0,
    ) -> None:
        super().__init__()
        self.vision = MODELS.build(vision)
        self.language = MODELS.build(language)
        self.vision_taps = dict(vision_taps or {})
        self.language_taps = dict(language_taps or {})
        self.vision_layers = list(vision_layers)
        self.language_layers = list(language_layers)
        self.language_norms = dict(language_norms or {})
        self.freeze = freeze
        if language_cache and not freeze:
            raise ValueError('language_cache needs frozen towers (freeze=True)')
        self.language_cache = FeatureCache(language_cache) if language_cache else None
        for tower, patterns, layers in (
            (self.vision, self.vision_taps, self.vision_layers),
            (self.language, self.language_taps, self.language_layers),
            (self.language, self.language_norms, self.language_layers),
        ):
            for pattern in patterns.values():
                resolve_modules(tower, pattern, layers)
        if freeze:
            self.requires_grad_(False)
            self.eval()
        self._tower_identity = None
        self.register_load_state_dict_post_hook(_forget_old_weights)

    @property
    def towers(self) -> dict[str, BaseModule]:
        """The two towers by name, ``'vision'`` and ``'language'``."""
        return {'vision': self.vision, 'language': self.language}

    def init_weights(self) -> None:
        """Initialise the towers that have no pre-trained weights."""
        for tower in self.towers.values():
            if tower.weights is None:
                tower.init_weights()

    def train(self, mode: bool = True) -> 'SideTuningBackbone':
        """Set the training mode; frozen towers stay in evaluation mode."""
        return super().train(mode and not self.freeze)

    def frozen_state_keys(self) -> set[str]:
        """Names in ``state_dict()`` that a checkpoint need not hold.

        They are those of frozen towers with pre-trained weights: a random tower cannot
        be had again, so it is saved with the rest.
        """
        if not self.freeze:
            return set()
        return {
            f'{name}.{key}'
            for name, tower in self.towers.items()
            if tower.weights is not None
            for key in tower.state_dict()
        }

    def tower_identity(self) -> dict[str, dict[str, str]]:
        """Name and sha256 of the weights of each tower that checkpoints leave out."""
        if not self.freeze:
            return {}
        if self._tower_identity is None:
            self._tower_identity = {
                name: dict(name=str(tower.weights), sha256=state_sha256(tower))
                for name, tower in self.towers.items()
                if tower.weights is not None
            }
        return self._tower_identity

    def extract_vision(self, images: Tensor, padding_mask: Tensor) -> TowerFeatures:
        """Encode images, see :meth:`forward`."""
        return self._run(
            self.vision, self.vision_taps, self.vision_layers, images, padding_mask
        )

    def extract_language(
        self, input_ids: Tensor, attention_mask: Tensor
    ) -> TowerFeatures:
        """Encode expressions, see :meth:`forward`."""
        if self.language_cache is None:
            features = self._encode_text(input_ids, attention_mask)
        else:
            features = self.language_cache.lookup(
                input_ids, attention_mask, self._encode_text
            )
        norms = {
            kind: resolve_modules(self.language, pattern, self.language_layers)
            for kind, pattern in self.language_norms.items()
        }
        return features.replace(norms=norms)

    def forward(
        self,
        images: Tensor,
        padding_mask: Tensor,
        input_ids: Tensor,
        attention_mask: Tensor,
    ) -> tuple[TowerFeatures, TowerFeatures]:
        """Run both towers.

        Args:
            images: Normalised images, (I, 3, H, W).
            padding_mask: (I, H, W) bool, true = padding.
            input_ids: (E, L) int64; E is the number of expressions, which may differ
                from that of the images.
            attention_mask: (E, L) int64, 1 = token.

        Returns:
            Vision features of I samples and language features of E samples, with the
            configured taps.
        """
        return (
            self.extract_vision(images, padding_mask),
            self.extract_language(input_ids, attention_mask),
        )

    def _encode_text(self, input_ids: Tensor, attention_mask: Tensor) -> TowerFeatures:
        return self._run(
            self.language,
            self.language_taps,
            self.language_layers,
            input_ids,
            attention_mask,
        )

    def _run(self, tower, taps, layers, *inputs) -> TowerFeatures:
        # not inference_mode: its tensors cannot be saved for the adapters' backward
        with torch.no_grad() if self.freeze else nullcontext():
            with record_taps(tower, taps, layers) as recorded:
                features = tower(*inputs)
        return features.replace(taps=recorded)


def _forget_old_weights(backbone: SideTuningBackbone, incompatible_keys) -> None:
    backbone._tower_identity = None
    if backbone.language_cache is not None:
        backbone.language_cache.clear()
