"""Backbone and neck of an mmdet detector as a vision tower."""

import math
import warnings
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmdet.registry import MODELS
from mmengine.model import revert_sync_batchnorm
from torch import Tensor, nn

from ...checkpoints import convert_yolox
from ...structures import InputSpec
from .detector_spec import DetectorSpec
from .map_tower import MapTower, State

_PARTS = ('backbone.', 'neck.')

# of mmdet's YOLOX about its own code, in its first forward pass
_AUTOCAST = r'.torch\.cuda\.amp\.autocast'
warnings.filterwarnings('ignore', _AUTOCAST, FutureWarning, r'mmdet\.')


@MODELS.register_module()
class DetectorTower(MapTower):
    """Backbone and neck of any mmdet detector, whose levels are joined to tokens.

    Every chosen level is resampled to one grid, finer ones by average pooling,
    coarser ones bilinearly, and the channels of the levels are joined. The input
    contract (mean, standard deviation, channel order, padding) is the detector's.

    Args:
        detector: Config of the detector, see :meth:`DetectorSpec.of`.
        weights: Checkpoint of the detector, by path or URL, in mmdet's names or, of
            YOLOX, in Megvii's; or of the tower. Head, encoder and decoder are left out.
            ``None`` leaves the tower random.
        levels: Which maps of the neck are joined, by number and in rising order;
            ``None`` is all.
        stride: Pixels per token along either axis; ``None`` is that of the coarsest
            level that comes from a map of the backbone (FPN's P6 and P7 are coarser).
        join: ``'concat'`` of all channels, or ``'sum'`` of levels that are equally
            wide.
        left_out: Names of modules that are replaced by an identity; ``None`` takes them
            from :data:`ARCHITECTURES`: for YOLOX the last 1×1 convolutions of mmdet's
            neck, which belong to the head in YOLOX itself and would reduce
            YOLOX-nano's 448 channels to 192.
        kwargs: See :class:`MapTower`.

    Raises:
        FileNotFoundError: There is no such config, or no such weights.
        ValueError: The detector has no neck, the levels or the stride do not fit it or
            the canvas, or the weights are another detector's.
    """

    def __init__(
        self,
        detector: str | dict,
        weights: str | None = None,
        levels: Sequence[int] | None = None,
        stride: int | None = None,
        join: str = 'concat',
        left_out: Sequence[str] | None = None,
        **kwargs,
    ) -> None:
        super().__init__(weights=weights, **kwargs)
        if join not in ('concat', 'sum'):
            raise ValueError(f"DetectorTower: join is 'concat' or 'sum', not {join!r}")
        if stride is not None and not (type(stride) is int and stride > 0):
            raise ValueError(f'DetectorTower: stride={stride!r} is no number of pixels')
        self.spec = DetectorSpec.of(detector)
        self.architecture = self.spec.architecture
        self.join = join
        self.backbone = MODELS.build(self.spec.backbone)
        self.neck = MODELS.build(self.spec.neck)
        # BatchNorm computes no statistics here; the other kind asks for a GPU
        revert_sync_batchnorm(self)
        self.left_out = tuple(self.known.left_out if left_out is None else left_out)
        for name in self.left_out:
            if name not in dict(self.named_modules()):
                raise ValueError(
                    f'DetectorTower: left_out={name!r} is no module of '
                    f'{self.architecture}'
                )
            self.set_submodule(name, nn.Identity())
        self.load('Take the checkpoint of this detector', self._own_state)
        self._measure(levels, stride)

    def _own_state(self, state: State) -> State:
        """Backbone and neck of a detector's state dict, without what is left out."""
        if any(name.startswith('backbone.backbone.') for name in state):
            state = convert_yolox(state)
        own = {name: value for name, value in state.items() if name.startswith(_PARTS)}
        if not own:
            raise ValueError(
                f'{self.weights!r} is no detector: its names begin with '
                f'{sorted({name.partition(".")[0] for name in state})[:3]}, not with '
                f'{list(_PARTS)}'
            )
        prefixes = tuple(f'{name}.' for name in self.left_out)
        return {n: v for n, v in own.items() if not n.startswith(prefixes)}

    def _measure(self, levels: Sequence[int] | None, stride: int | None) -> None:
        """Measure widths and strides, and check that they fit the canvas."""
        maps = self.probe(lambda images: self.neck(self.backbone(images)))
        asked = range(len(maps)) if levels is None else levels
        known = [
            n for n in range(len(maps)) if isinstance(asked, Sequence) and n in asked
        ]
        # in another order a checkpoint's projection would get other channels
        if not known or list(asked) != known:
            raise ValueError(
                f'DetectorTower: levels={asked!r}: give numbers of levels in rising '
                f'order; the neck of {self.architecture} has 0 to {len(maps) - 1}'
            )
        self.levels = tuple(known)
        widths, strides = zip(*(maps[level] for level in self.levels), strict=True)
        if self.join == 'sum' and len(set(widths)) > 1:
            raise ValueError(
                f"DetectorTower: join='sum' needs levels of equal width, these have "
                f"{list(widths)} channels: take join='concat'"
            )
        backbone = max(cell for _, cell in self.probe(self.backbone))
        self.stride = min(max(strides), backbone) if stride is None else stride
        cell = math.lcm(backbone, *strides)
        if any(side % cell for side in self.size):
            others = ', or choose other levels' if cell > backbone else ''
            raise ValueError(
                f'size={self.size} is not made of whole cells of {cell} x {cell} '
                f'pixels, as the levels {known} of {self.architecture} need: set the '
                f'canvas to multiples of {cell}{others}'
            )
        if any(side % self.stride for side in self.size):
            raise ValueError(
                f'DetectorTower: stride={self.stride} does not divide the canvas, '
                f'size={self.size}'
            )
        self.embed_dims = sum(widths) if self.join == 'concat' else widths[0]
        if len(self.levels) < len(maps):
            self._freeze_unused()

    def _freeze_unused(self) -> None:
        """Freeze weights that do not affect the tokens: they would get no gradient."""
        training = self.training
        self.eval()
        parameters = [p for p in self.parameters() if p.requires_grad]
        image = torch.zeros(1, 3, *(4 * max(self.stride, 32),) * 2)
        with torch.enable_grad():
            total = self.feature_map(image).sum()
        gradients = torch.autograd.grad(total, parameters, allow_unused=True)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.requires_grad_(gradient is not None)
        self.train(training)

    @property
    def input_spec(self) -> InputSpec:
        """The detector's, on this tower's canvas."""
        return InputSpec(
            size=self.size,
            mean=self.spec.mean,
            std=self.spec.std,
            channel_order=self.spec.channel_order,
            pad_value=self.spec.pad_value,
        )

    def init_random_weights(self) -> None:
        """Initialise backbone and neck as their configs say."""
        self.backbone.init_weights()
        self.neck.init_weights()

    def feature_map(self, images: Tensor) -> Tensor:
        """Joined levels; H and W are multiples of the stride of every level."""
        maps = self.neck(self.backbone(images))
        grid = tuple(side // self.stride for side in images.shape[-2:])
        levels = [_resample(maps[level], grid) for level in self.levels]
        return torch.cat(levels, dim=1) if self.join == 'concat' else sum(levels)


def _resample(level: Tensor, grid: tuple[int, int]) -> Tensor:
    """Resample a map to a grid: average a finer one, interpolate a coarser one."""
    if tuple(level.shape[-2:]) == grid:
        return level
    if level.shape[-2] > grid[0]:
        return F.adaptive_avg_pool2d(level, grid)
    return F.interpolate(level, grid, mode='bilinear', align_corners=False)
