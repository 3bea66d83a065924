"""Vision towers that are made of an mmdet model."""

from collections.abc import Callable

import torch
from torch import Tensor

from ...checkpoints import load_exactly, load_state_file
from .vision_tower import VisionTower

State = dict[str, Tensor]
_PROBE = 128  # pixels; a multiple of every backbone's stride


class MapTower(VisionTower):
    """Base of vision towers whose tokens come from feature maps of an mmdet model.

    Args:
        weights: Checkpoint file; ``None`` leaves the tower random.
        channels_last: Whether the convolutions' weights, and so the maps, have the
            channels last in memory. Identical up to floating-point rounding.
        kwargs: See :class:`VisionTower`.
    """

    def __init__(
        self, weights: str | None = None, channels_last: bool = False, **kwargs
    ) -> None:
        super().__init__(weights=weights, **kwargs)
        self.channels_last = channels_last

    def finish(
        self,
        feature_map: Callable[[Tensor], Tensor],
        remedy: str,
        convert: Callable[[State], State] = lambda state: state,
    ) -> None:
        """Load the weights and measure the stride; the end of a subclass's init.

        Args:
            feature_map: Images (B, 3, H, W) to the map whose cells are the tokens.
            remedy: Where weights come from, for the error where they are missing.
            convert: Maps the names in the file to the tower's.

        Raises:
            FileNotFoundError, ValueError: ``weights`` is missing or does not fit.
        """
        if self.weights is not None:
            try:
                state = load_state_file(self.weights)
            except FileNotFoundError as error:
                raise FileNotFoundError(
                    f'{error}: the weights of the vision tower. {remedy}, or ask for a '
                    'random tower with --cfg-options model.backbone.vision.weights=None'
                ) from error
            load_exactly(self, convert(state), repr(self.weights))
        if self.channels_last:
            self.to(memory_format=torch.channels_last)
        training = self.training
        self.eval()
        with torch.no_grad():
            side = feature_map(torch.zeros(1, 3, _PROBE, _PROBE)).shape[-1]
        self.train(training)
        self.stride = _PROBE // side
