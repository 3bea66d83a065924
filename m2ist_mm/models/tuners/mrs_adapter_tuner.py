"""MRS-Adapter: gated adapters of two modalities with a shared inner layer."""

from mmdet.registry import MODELS
from mmengine.model import ModuleList
from torch import nn

from ..adapters import GatedSharedAdapter
from ..towers import Tower
from .inserting_tuner import InsertingTuner, Insertion


@MODELS.register_module()
class MRSAdapterTuner(InsertingTuner):
    """MRS-Adapter (Yuan et al. 2023, arXiv 2308.12509).

    One adapter per layer, in series after the FFN sublayer: down projection, inner
    layer shared with the paired layer of the other tower, up projection, and a gate
    that weighs the layer's contribution, see :class:`GatedSharedAdapter`. It was
    designed for the two towers of CLIP; here pair i is the i-th layer of each tower, up
    to the depth of the shallower one, and the gate is one number per layer and tower.

    Args:
        hidden_channels: Bottleneck width h;
            ``2·(C_v + C_l)·h + 2·h + C_v + C_l + h² + h + 2`` parameters per pair.
    """

    needs = dict(vision=('ffn',), language=('ffn',))

    def __init__(self, towers: dict[str, Tower], hidden_channels: int = 64) -> None:
        super().__init__(towers)
        self.pairs = ModuleList(
            GatedSharedAdapter(*widths, hidden_channels)
            for widths in self.paired_widths(towers, 'ffn')
        )
        self.init_weights()

    def init_weights(self) -> None:
        """Initialise the adapters; their outputs are zero and their gates 0.5."""
        super().init_weights()
        for pair in self.pairs:
            nn.init.zeros_(pair.vision_gate)
            nn.init.zeros_(pair.language_gate)

    def insertions(self, name: str) -> list[Insertion]:
        """See :meth:`InsertingTuner.insertions`."""
        return [
            Insertion(layer, 'ffn', getattr(pair, name))
            for layer, pair in enumerate(self.pairs)
        ]
