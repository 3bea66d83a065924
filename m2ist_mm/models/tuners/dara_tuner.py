"""DARA: domain-aware and relation-aware adapters."""

from mmdet.registry import MODELS
from mmengine.model import ModuleList

from ..adapters import InteractionAdapter, SideAdapter
from ..towers import Tower
from .inserting_tuner import InsertingTuner, Insertion


@MODELS.register_module()
class DARATuner(InsertingTuner):
    """DARA (Liu et al. 2024, arXiv 2405.06217).

    Domain-aware adapters are in series on the attention output a:
    ``a + s · W_up ReLU(W_down LN(a))``. Relation-aware adapters are parallel to
    the FFN: each has its own down projection, and both share an up projection of the
    narrower tower's width; the other channels of the wider tower come from its own up
    projection. Pair i is the i-th layer of each tower, up to the depth of the shallower
    one: the first six layers of BERT and the six of DETR's encoder.

    The widths are the reference code's. The paper reports 2.13 % of the towers; on R-50
    and BERT-base these widths are 1.13 %, and ``domain_channels=128`` is 2.11 %.

    Args:
        domain_channels: Bottleneck width d of the domain-aware adapters.
        relation_channels: Bottleneck width r of the relation-aware adapters.
        scale: Factor s of the domain-aware adapters. Parameters per pair, with C_w the
            wider tower's width: ``2·(C_v + C_l)·d + 2·d + 3·(C_v + C_l)``, and
            ``(C_v + C_l)·r + 2·r + C_w·r + C_w``.
    """

    needs = dict.fromkeys(('vision', 'language'), ('attention', 'ffn_input', 'ffn'))

    def __init__(
        self,
        towers: dict[str, Tower],
        domain_channels: int = 16,
        relation_channels: int = 128,
        scale: float = 0.1,
    ) -> None:
        super().__init__(towers)
        widths = zip(*self.paired_widths(towers, 'attention'), strict=True)
        for name, own in zip(('vision', 'language'), widths, strict=True):
            adapters = ModuleList(
                SideAdapter(channels, domain_channels, scale) for channels in own
            )
            self.add_module(f'{name}_domain', adapters)
        self.relation = ModuleList(
            InteractionAdapter(*pair, relation_channels, share=True)
            for pair in self.paired_widths(towers, 'ffn')
        )
        self.init_weights()

    def insertions(self, name: str) -> list[Insertion]:
        """See :meth:`InsertingTuner.insertions`."""
        domain = getattr(self, f'{name}_domain')
        return [
            *(
                Insertion(layer, 'attention', adapter)
                for layer, adapter in enumerate(domain)
            ),
            *(
                Insertion(layer, 'ffn', getattr(adapter, name), parallel=True)
                for layer, adapter in enumerate(self.relation)
            ),
        ]
