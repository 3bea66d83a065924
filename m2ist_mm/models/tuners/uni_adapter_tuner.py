"""UniAdapter: adapters of two modalities with the down projection in common."""

from mmdet.registry import MODELS
from mmengine.model import ModuleList

from ..adapters import SharedDownAdapter
from ..towers import Tower
from .inserting_tuner import InsertingTuner, Insertion


@MODELS.register_module()
class UniAdapterTuner(InsertingTuner):
    """UniAdapter (Lu et al. 2024, arXiv 2302.06605).

    One adapter per layer, in series after the attention sublayer, between it and the
    FFN. Both modalities of a pair share the down projection and have their own up
    projections, see :class:`SharedDownAdapter`. The paper's towers are equally wide and
    deep, and its adapters in the fusion encoder do not apply here; pair i is the i-th
    layer of each tower, up to the depth of the shallower one.

    Args:
        hidden_channels: Bottleneck width h. Parameters per pair, with C_w the wider
            tower's width: ``C_w·h + h + (C_v + C_l)·h + C_v + C_l``.
    """

    needs = dict(vision=('attention',), language=('attention',))

    def __init__(self, towers: dict[str, Tower], hidden_channels: int = 128) -> None:
        super().__init__(towers)
        self.pairs = ModuleList(
            SharedDownAdapter(*widths, hidden_channels)
            for widths in self.paired_widths(towers, 'attention')
        )
        self.init_weights()

    def insertions(self, name: str) -> list[Insertion]:
        """See :meth:`InsertingTuner.insertions`."""
        return [
            Insertion(layer, 'attention', getattr(pair, name))
            for layer, pair in enumerate(self.pairs)
        ]
