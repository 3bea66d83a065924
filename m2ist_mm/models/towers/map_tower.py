"""Vision towers that are made of an mmdet model."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ...checkpoints import load_exactly
from ...structures import TowerFeatures
from .padding import map_padding
from .pretrained_state import load_pretrained_state
from .vision_tower import VisionTower

State = dict[str, Tensor]
_PROBE = 128  # pixels; a multiple of every backbone's stride


class MapTower(VisionTower):
    """Base of vision towers whose tokens come from feature maps of an mmdet model.

    Args:
        weights: Name of the weights, see :func:`load_pretrained_state`; ``None`` leaves
            the tower random.
        channels_last: Whether the convolutions use the channels-last memory format.
            Identical up to floating-point rounding.
        kwargs: See :class:`VisionTower`.
    """

    def __init__(
        self, weights: str | None = None, channels_last: bool = False, **kwargs
    ) -> None:
        super().__init__(weights=weights, **kwargs)
        self.channels_last = channels_last

    def load(
        self, remedy: str, convert: Callable[[State], State] = lambda state: state
    ) -> None:
        """Load the weights; called by a subclass when all modules are built.

        Args:
            remedy: Where to get weights, for the error message if they are missing.
            convert: Maps the names in the file to the tower's.

        Raises:
            FileNotFoundError, ValueError: ``weights`` is missing or does not fit.
        """
        if self.weights is not None:
            try:
                state = load_pretrained_state(self.weights)
            except FileNotFoundError as error:
                raise FileNotFoundError(
                    f'{error}: the weights of the vision tower. {remedy}, or ask for a '
                    'random tower with --cfg-options model.backbone.vision.weights=None'
                ) from error
            try:
                state = convert(state)
            except ValueError as error:
                raise ValueError(f'{self.weights!r}: {error}. {remedy}') from error
            load_exactly(self, state, repr(self.weights))
        if self.channels_last:
            self.to(memory_format=torch.channels_last)

    def feature_map(self, images: Tensor) -> Tensor:
        """The map (B, C, h, w) of images (B, 3, H, W) whose cells are the tokens."""
        raise NotImplementedError(f'{type(self).__name__} has no feature_map')

    def forward(self, images: Tensor, padding_mask: Tensor) -> TowerFeatures:
        """Encode images.

        Args:
            images: Normalised images, (B, 3, H, W).
            padding_mask: (B, H, W) bool, true = padding.

        Returns:
            Tokens (B, h·w, C) of the feature map, row by row, without taps and without
            ``inputs``: no tokens of this width and number enter the tower.
        """
        feature_map = self.feature_map(images)
        grid = tuple(feature_map.shape[-2:])
        return TowerFeatures(
            tokens=feature_map.flatten(2).transpose(1, 2),
            mask=map_padding(padding_mask, grid).flatten(1),
            grid=grid,
        )

    @torch.no_grad()
    def probe(
        self, compute: Callable[[Tensor], Sequence[Tensor]]
    ) -> list[tuple[int, int]]:
        """Measure maps on a small black image.

        Args:
            compute: Maps images (B, 3, H, W) to feature maps.

        Returns:
            Channels and stride (pixels per cell) of each map.

        Raises:
            ValueError: The model cannot encode such an image.
        """
        training = self.training
        self.eval()
        try:
            maps = compute(torch.zeros(1, 3, _PROBE, _PROBE))
        except RuntimeError as error:
            reason = str(error).partition('\n')[0]
            raise ValueError(
                f'{type(self).__name__} ({self.architecture}) cannot be measured on '
                f'{_PROBE} x {_PROBE} pixels ({reason}): it takes models whose maps '
                'have the same stride on every canvas'
            ) from error
        self.train(training)
        return [(one.shape[1], _PROBE // one.shape[-1]) for one in maps]
