"""Adapter: serial bottlenecks after both sublayers."""

from mmdet.registry import MODELS
from mmengine.model import ModuleList

from ..adapters import BottleneckAdapter
from ..towers import Tower
from .inserting_tuner import InsertingTuner, Insertion


@MODELS.register_module()
class AdapterTuner(InsertingTuner):
    """Adapter (Houlsby et al. 2019, arXiv 1902.00751).

    In every layer of both towers, ``y + W_up ReLU(W_down y)`` replaces the output y of
    the attention sublayer and that of the FFN sublayer, before their residual sums. The
    paper leaves the non-linearity open. The towers' LayerNorms, which it also tunes,
    stay frozen here, as with every method.

    Args:
        hidden_channels: Bottleneck width h; ``4·C·h + 2·h + 2·C`` parameters per layer.
    """

    needs = dict(vision=('attention', 'ffn'), language=('attention', 'ffn'))

    def __init__(self, towers: dict[str, Tower], hidden_channels: int = 64) -> None:
        super().__init__(towers)
        for name, kinds in self.needs.items():
            for kind in kinds:
                adapters = ModuleList(
                    BottleneckAdapter(channels, hidden_channels)
                    for channels in towers[name].site_channels(kind)
                )
                self.add_module(f'{name}_{kind}', adapters)
        self.init_weights()

    def insertions(self, name: str) -> list[Insertion]:
        """See :meth:`InsertingTuner.insertions`."""
        return [
            Insertion(layer, kind, adapter)
            for kind in ('attention', 'ffn')
            for layer, adapter in enumerate(getattr(self, f'{name}_{kind}'))
        ]
