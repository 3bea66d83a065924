"""Two towers, frozen or tuned, that let side networks tap their layers."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack

import torch
from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn

from ...checkpoints import state_sha256, tensors_sha256
from ...feature_cache import FeatureCache, feature_key
from ...structures import TowerFeatures
from ..towers import record_taps, resolve_modules


@MODELS.register_module()
class SideTuningBackbone(BaseModule):
    """A vision and a language tower, read by the side networks (arXiv 2407.01131 §3).

    Frozen (the default), both towers stay in evaluation mode, get no gradient, save
    nothing for backward, and give bit for bit what the bare towers give. With
    ``freeze=False`` the same towers are tuned in full (TransVG, arXiv 2104.08541). A
    ``tuner`` tunes something inside frozen towers, which then run with a graph.

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
        tuner: Config of what is tuned inside the frozen towers, for instance
            ``dict(type='LoRATuner')``, see :class:`BaseTuner`; ``None`` is nothing.
        vision_sites: Kind of site to a pattern of module names in the vision tower:
            where a tuner works. The kinds are those of :class:`BaseTuner`.
        language_sites: The same for the language tower.
        freeze: Whether the towers are frozen.
        vision_chunk: How many images the frozen vision tower encodes at a time; the
            fewer, the less memory it needs while it runs; nothing else changes.
            ``None`` is all of a batch, as with towers that build a graph.
        language_cache: Arguments of :class:`FeatureCache`, which keeps the features of
            expressions that were encoded once: ``dict(max_entries=20000)`` in memory,
            ``dict(folder='caches')`` on disk. ``None`` is no cache. Exact but for
            rounding.
        vision_cache: The same for images, of use where the same views come again: few
            or no augmentations, many epochs.
        vision_channels_last: Whether the vision tower's convolutions hold images with
            the channels last in memory. Exact but for rounding.
        vision_compile: Arguments of ``torch.compile``, which compiles the frozen vision
            tower when it runs first: ``dict()``, ``dict(mode='max-autotune')``.
            ``None`` is not. Exact but for rounding.

    Raises:
        ValueError: A pattern names no module (the names there are get listed); a tuner,
            a cache or a compiled tower is asked of towers that are tuned in full, or
            one of the latter beside a tuner.
    """

    def __init__(
        self,
        vision: dict,
        language: dict,
        vision_taps: dict[str, str | Sequence[str]] | None = None,
        language_taps: dict[str, str | Sequence[str]] | None = None,
        vision_layers: Sequence[int] = (),
        language_layers: Sequence[int] = (),
        language_norms: dict[str, str | Sequence[str]] | None = None,
        tuner: dict | None = None,
        vision_sites: dict[str, str | Sequence[str]] | None = None,
        language_sites: dict[str, str | Sequence[str]] | None = None,
        freeze: bool = True,
        vision_chunk: int | None = None,
        language_cache: dict | None = None,
        vision_cache: dict | None = None,
        vision_channels_last: bool = False,
        vision_compile: dict | None = None,
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
        self.vision_chunk = vision_chunk
        for name, value in dict(
            language_cache=language_cache,
            vision_cache=vision_cache,
            vision_compile=vision_compile,
        ).items():
            if value is not None and (not freeze or tuner is not None):
                raise ValueError(
                    f'{name} needs frozen towers (freeze=True, tuner=None)'
                )
        if tuner is not None and not freeze:
            raise ValueError('a tuner needs frozen towers (freeze=True)')
        for tower, patterns, layers in (
            (self.vision, self.vision_taps, self.vision_layers),
            (self.language, self.language_taps, self.language_layers),
            (self.language, self.language_norms, self.language_layers),
        ):
            for pattern in patterns.values():
                resolve_modules(tower, pattern, layers)
        self.tuner = None
        self._weight_names = {
            name: {key: key for key in tower.state_dict()}
            for name, tower in self.towers.items()
        }
        if tuner is not None:
            self._add_tuner(tuner, dict(vision=vision_sites, language=language_sites))
        if freeze:
            for name, parameter in self.tower_parameters():
                if self.tuner is None or not self.tuner.tunes(name):
                    parameter.requires_grad_(False)
            self.train()
        self._tuned_weights = {
            name for name, weight in self.tower_parameters() if weight.requires_grad
        }
        self.language_cache = self._make_cache('language', language_cache)
        self.vision_cache = self._make_cache('vision', vision_cache)
        if vision_channels_last:
            # convolutions give maps the layout of their weights
            self.vision.to(memory_format=torch.channels_last)
        if vision_compile is not None:
            # in place: names in state_dict stay, and copies are not compiled
            self.vision.compile(**vision_compile)
        self._tower_identity = None
        self.register_load_state_dict_post_hook(_forget_old_weights)

    @property
    def towers(self) -> dict[str, BaseModule]:
        """The two towers by name, ``'vision'`` and ``'language'``."""
        return {'vision': self.vision, 'language': self.language}

    @property
    def builds_graph(self) -> bool:
        """Whether gradients pass the towers: they are tuned, or something inside is."""
        return not self.freeze or self.tuner is not None

    def tower_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """Names and parameters of the towers themselves, without what a tuner adds."""
        for name, tower in self.towers.items():
            for key, parameter in tower.named_parameters():
                if key in self._weight_names[name]:
                    yield f'{name}.{key}', parameter

    def init_weights(self) -> None:
        """Initialise the towers that have no pre-trained weights, and the tuner."""
        for tower in self.towers.values():
            if tower.weights is None:
                tower.init_weights()
        if self.tuner is not None:
            self.tuner.init_weights()

    def train(self, mode: bool = True) -> 'SideTuningBackbone':
        """Set the training mode; frozen towers stay in evaluation mode."""
        super().train(mode and not self.freeze)
        if self.tuner is not None:
            self.tuner.train(mode)
        return self

    def frozen_state_keys(self) -> set[str]:
        """Names in ``state_dict()`` that a checkpoint need not hold.

        They are the frozen weights of towers with pre-trained weights: a random tower
        cannot be had again, so it is saved with the rest.
        """
        return {
            f'{name}.{key}'
            for name in self._pretrained_towers()
            for key in self._frozen_weights(name)
        }

    def renamed_state_keys(self) -> dict[str, str]:
        """Names of weights in the bare towers, where a tuner changed them, to new ones.

        They are names in ``state_dict()``.
        """
        return {
            f'{name}.{old}': f'{name}.{key}'
            for name, names in self._weight_names.items()
            for key, old in names.items()
            if key != old
        }

    def tower_identity(self) -> dict[str, dict[str, str]]:
        """Name and sha256 of the weights of each tower that checkpoints leave out.

        A tuner that adds to a tower does not change its identity; weights of the tower
        itself that are tuned do not count.
        """
        if self._tower_identity is None:
            self._tower_identity = {
                name: dict(
                    name=str(self.towers[name].weights),
                    sha256=tensors_sha256(self._frozen_state(name)),
                )
                for name in self._pretrained_towers()
            }
        return self._tower_identity

    def extract_vision(
        self,
        images: Tensor,
        padding_mask: Tensor,
        image_keys: Sequence[bytes] | None = None,
    ) -> TowerFeatures:
        """Encode images, see :meth:`forward`."""
        if self.vision_cache is None or image_keys is None:
            return self.encode_images(images, padding_mask)
        return self.vision_cache.lookup(
            image_keys,
            images.device,
            lambda rows: self.encode_images(images[rows], padding_mask[rows]),
        )

    def extract_language(
        self, input_ids: Tensor, attention_mask: Tensor
    ) -> TowerFeatures:
        """Encode expressions, see :meth:`forward`."""
        if self.language_cache is None:
            features = self.encode_texts(input_ids, attention_mask)
        else:
            features = self.language_cache.lookup(
                text_keys(input_ids, attention_mask),
                input_ids.device,
                lambda rows: self.encode_texts(
                    *_trimmed(input_ids[rows], attention_mask[rows])
                ),
                input_ids.shape[1],
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
        image_keys: Sequence[bytes] | None = None,
    ) -> tuple[TowerFeatures, TowerFeatures]:
        """Run both towers.

        Args:
            images: Normalised images, (I, 3, H, W).
            padding_mask: (I, H, W) bool, true = padding.
            input_ids: (E, L) int64; E is the number of expressions, which may differ
                from that of the images.
            attention_mask: (E, L) int64, 1 = token; padding is on the right.
            image_keys: For a vision cache, the :func:`feature_key` of each image.

        Returns:
            Vision features of I samples and language features of E samples, with the
            configured taps.
        """
        return (
            self.extract_vision(images, padding_mask, image_keys),
            self.extract_language(input_ids, attention_mask),
        )

    def encode_images(self, images: Tensor, padding_mask: Tensor) -> TowerFeatures:
        """Run the vision tower, whatever a cache has; see :meth:`forward`."""
        chunk = len(images)
        if self.vision_chunk and not self.builds_graph:
            chunk = self.vision_chunk
        return TowerFeatures.cat(
            [
                self._run('vision', self.vision_taps, self.vision_layers, *part)
                for part in zip(
                    images.split(chunk), padding_mask.split(chunk), strict=True
                )
            ]
        )

    def encode_texts(self, input_ids: Tensor, attention_mask: Tensor) -> TowerFeatures:
        """Run the language tower, whatever a cache has; see :meth:`forward`."""
        return self._run(
            'language',
            self.language_taps,
            self.language_layers,
            input_ids,
            attention_mask,
        )

    def _make_cache(self, name: str, cache: dict | None) -> FeatureCache | None:
        if cache is None:
            return None
        taps, layers = getattr(self, f'{name}_taps'), getattr(self, f'{name}_layers')
        tower = self.towers[name]
        return FeatureCache(
            tower.embed_dims,
            {kind: len(layers) for kind in taps},
            trim_padding=name == 'language',
            identity=lambda: f'{name} {state_sha256(tower)} {taps} {layers}',
            **cache,
        )

    def _run(self, name, taps, layers, *inputs) -> TowerFeatures:
        tower, tuner = self.towers[name], self.tuner
        if tuner is not None:
            inputs = tuner.prepare(name, *inputs)
        with ExitStack() as stack:
            if not self.builds_graph:
                # not inference_mode: its tensors cannot be saved for the adapters'
                # backward
                stack.enter_context(torch.no_grad())
            if tuner is not None:
                # before the taps, which read what the tuner has changed
                stack.enter_context(tuner.inserted(name, tower))
            recorded = stack.enter_context(record_taps(tower, taps, layers))
            features = tower(*inputs)
        features = features.replace(taps=recorded)
        return features if tuner is None else tuner.finish(name, features)

    def _add_tuner(self, tuner: dict, sites: dict[str, dict | None]) -> None:
        """Build the tuner, and note what it calls the towers' own weights."""
        own = {
            name: {id(value): key for key, value in _tensors(tower).items()}
            for name, tower in self.towers.items()
        }
        self.tuner = MODELS.build(
            dict(tuner),
            default_args=dict(
                towers=self.towers,
                sites={name: dict(patterns or {}) for name, patterns in sites.items()},
            ),
        )
        self._weight_names = {
            name: {
                key: own[name][id(value)]
                for key, value in _tensors(tower).items()
                if id(value) in own[name]
            }
            for name, tower in self.towers.items()
        }

    def _pretrained_towers(self) -> list[str]:
        if not self.freeze:
            return []
        return [n for n, tower in self.towers.items() if tower.weights is not None]

    def _frozen_weights(self, name: str) -> dict[str, str]:
        """Names of a tower's frozen weights, to those in the bare tower."""
        return {
            key: old
            for key, old in self._weight_names[name].items()
            if f'{name}.{key}' not in self._tuned_weights
        }

    def _frozen_state(self, name: str) -> dict[str, Tensor]:
        """The frozen weights of a tower by their names in the bare tower."""
        state = self.towers[name].state_dict()
        return {old: state[key] for key, old in self._frozen_weights(name).items()}


def _tensors(module: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers of a module themselves, by name."""
    return module.state_dict(keep_vars=True)


def _forget_old_weights(backbone: SideTuningBackbone, incompatible_keys) -> None:
    backbone._tower_identity = None
    for cache in (backbone.language_cache, backbone.vision_cache):
        if cache is not None:
            cache.clear()


def text_keys(input_ids: Tensor, attention_mask: Tensor) -> list[bytes]:
    """The :func:`feature_key` of each expression (B, L): that of its token ids."""
    lengths = attention_mask.sum(1).tolist()
    return [
        feature_key(repr(ids[:length]).encode())
        for ids, length in zip(input_ids.tolist(), lengths, strict=True)
    ]


def _trimmed(input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor]:
    """Cut expressions to the longest of them."""
    longest = int(attention_mask.sum(1).max())
    return input_ids[:, :longest], attention_mask[:, :longest]
