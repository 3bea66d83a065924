"""CM-Adapter: adapters of two modalities with a shared part in the up projection."""

from mmdet.registry import MODELS
from mmengine.model import ModuleList

from ..adapters import InteractionAdapter
from ..towers import Tower
from .inserting_tuner import InsertingTuner, Insertion


@MODELS.register_module()
class CMAdapterTuner(InsertingTuner):
    """Cross-Modal Adapter (Jiang et al. 2022, arXiv 2211.09623).

    Adapters are in series after the attention and the FFN sublayer (Houlsby et al.).
    Those of a pair of layers, one in each tower, have their own down projections and
    share one up matrix S: for modality m, ``concat[U^m z, S z]`` with
    ``z = ReLU(D^m y)``. The paper shares between towers of equal width and depth; here
    S has the width of the narrower tower, U^m computes the other channels of the wider
    one, and pair i is the i-th layer of each tower, up to the depth of the shallower.

    Args:
        hidden_channels: Bottleneck width h. Parameters per pair, with C_s and C_w the
            narrower and the wider tower's width:
            ``2 · ((C_s + C_w)·h + 2·h + C_w·h + C_w)``.
    """

    needs = dict(vision=('attention', 'ffn'), language=('attention', 'ffn'))

    def __init__(self, towers: dict[str, Tower], hidden_channels: int = 64) -> None:
        super().__init__(towers)
        for kind in ('attention', 'ffn'):
            adapters = ModuleList(
                InteractionAdapter(*widths, hidden_channels, share=True)
                for widths in self.paired_widths(towers, kind)
            )
            self.add_module(kind, adapters)
        self.init_weights()

    def insertions(self, name: str) -> list[Insertion]:
        """See :meth:`InsertingTuner.insertions`."""
        return [
            Insertion(layer, kind, getattr(adapter, name))
            for kind in ('attention', 'ffn')
            for layer, adapter in enumerate(getattr(self, kind))
        ]
