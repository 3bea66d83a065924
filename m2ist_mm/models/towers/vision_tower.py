"""Vision towers, whose tokens lie on a grid."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...structures import InputSpec, TowerFeatures
from .taps import record_taps
from .tower import Tower


class VisionTower(Tower):
    """Base of vision towers: ``forward(images, padding_mask) -> TowerFeatures``.

    Args:
        size: Canvas (h, w) in pixels.
        chunk: Number of images that the frozen tower encodes at a time; fewer need less
            memory. Identical up to floating-point rounding. ``None`` is the whole
            batch; so it is where gradients pass through the tower.
        compile: Arguments of ``torch.compile``, which compiles the frozen tower when it
            first runs: ``dict()``, ``dict(mode='max-autotune')``. ``None``: not
            compiled. Identical up to floating-point rounding.
        kwargs: See :class:`FrozenPart`.

    Attributes:
        stride: Pixels per token along either axis; set by the subclass.
    """

    modality = 'vision'
    stride: int

    def __init__(
        self,
        size: Sequence[int] = (640, 640),
        chunk: int | None = None,
        compile: dict | None = None,
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        if chunk is not None and chunk < 1:
            raise ValueError(f'chunk must be at least 1 image, got {chunk}')
        self.size = InputSpec(size=size).size
        self.chunk = chunk
        self._compile = compile

    @property
    def input_spec(self) -> InputSpec:
        """Canvas and pixel statistics; a subclass may have others."""
        return InputSpec(
            size=self.size,
            mean=self.known.mean,
            std=self.known.std,
            channel_order='rgb',
        )

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns (h, w) of the tokens of an image."""
        height, width = self.size
        return -(-height // self.stride), -(-width // self.stride)

    def freeze(self, tuned: Callable[[str], bool] = lambda name: False) -> None:
        """Freeze, and compile if asked to; see :meth:`FrozenPart.freeze`."""
        super().freeze(tuned)
        if self._compile is not None:
            # in place: names in state_dict stay, and copies are not compiled
            self.compile(**self._compile)

    def run(
        self, x: Tensor, mask: Tensor, call: Callable | None = None
    ) -> TowerFeatures:
        """See :meth:`Tower.run`."""
        chunk = len(x) if self.chunk is None or self.builds_graph else self.chunk
        parts = zip(x.split(chunk), mask.split(chunk), strict=True)
        return TowerFeatures.cat(
            [super(VisionTower, self).run(*part, call) for part in parts]
        )

    def align_tap(self, kind: str, tap: Tensor, output: TowerFeatures) -> Tensor:
        """Average a finer map to the tower's grid; leave a coarser one as it is."""
        if tap.dim() != 4:
            return super().align_tap(kind, tap, output)
        height, width = output.grid
        if tap.shape[2] < height or tap.shape[3] < width:
            return tap
        if tap.shape[2:] != output.grid:
            tap = F.adaptive_avg_pool2d(tap, output.grid)
        return tap.flatten(2).transpose(1, 2)

    def tap_channels(self, kind: str, layers: Sequence[int]) -> list[int]:
        """Width of the tap of each layer, measured on a black image."""
        output, taps = self._outputs_of(self.find('taps', kind, layers))
        return _channels([self.align_tap(kind, tap, output) for tap in taps])

    def site_channels(self, kind: str) -> list[int]:
        """Width of the output of each site, measured on a black image."""
        return _channels(self._outputs_of(self.find('sites', kind))[1])

    @torch.no_grad()
    def _outputs_of(
        self, modules: list[nn.Module]
    ) -> tuple[TowerFeatures, list[Tensor]]:
        """Outputs of the tower and of modules in it for a black image.

        The image has 4 x 4 tokens, or the tower's size if the tower takes no other.
        """
        training = self.training
        self.eval()
        try:
            return self._black_outputs(modules, (4 * self.stride,) * 2)
        except Exception:  # whatever a tower of one size makes of another
            return self._black_outputs(modules, self.size)
        finally:
            self.train(training)

    def _black_outputs(
        self, modules: list[nn.Module], size: tuple[int, int]
    ) -> tuple[TowerFeatures, list[Tensor]]:
        image = torch.zeros(1, 3, *size, device=next(self.parameters()).device)
        # forward itself: a call might compile it for this image
        with record_taps(dict(one=modules)) as recorded:
            output = self.forward(image, image.new_zeros(image[:, 0].shape).bool())
        return output, recorded['one']


def _channels(outputs: list[Tensor]) -> list[int]:
    """Widths of tokens (B, N, C) or maps (B, C, h, w)."""
    return [one.shape[2 if one.dim() == 3 else 1] for one in outputs]
