"""AdaptFormer: a bottleneck beside the FFN."""

from mmdet.registry import MODELS
from mmengine.model import ModuleList

from ..adapters import BottleneckAdapter
from ..towers import Tower
from .inserting_tuner import InsertingTuner, Insertion


@MODELS.register_module()
class AdaptFormerTuner(InsertingTuner):
    """AdaptFormer (Chen et al. 2022, arXiv 2205.13535).

    In every layer of both towers, ``FFN(x) + s · W_up ReLU(W_down x)`` replaces the
    output of the FFN sublayer with input x.

    Args:
        hidden_channels: Bottleneck width h; ``2·C·h + h + C`` parameters per layer.
        scale: The factor s.
    """

    needs = dict(vision=('ffn_input', 'ffn'), language=('ffn_input', 'ffn'))

    def __init__(
        self,
        towers: dict[str, Tower],
        hidden_channels: int = 64,
        scale: float = 0.1,
    ) -> None:
        super().__init__(towers)
        for name, tower in towers.items():
            adapters = ModuleList(
                BottleneckAdapter(channels, hidden_channels, scale)
                for channels in tower.site_channels('ffn')
            )
            self.add_module(name, adapters)
        self.init_weights()

    def insertions(self, name: str) -> list[Insertion]:
        """See :meth:`InsertingTuner.insertions`."""
        return [
            Insertion(layer, 'ffn', adapter, parallel=True)
            for layer, adapter in enumerate(getattr(self, name))
        ]
