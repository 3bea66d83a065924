"""Two towers, frozen or tuned, that side networks read."""

from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor

from ...structures import InputSpec, TowerFeatures
from ..towers import Tower


@MODELS.register_module()
class SideTuningBackbone(BaseModule):
    """A vision and a language tower, read by the side networks (arXiv 2407.01131 §3).

    Frozen (the default), their outputs are bit-identical to those of the bare towers,
    see :class:`FrozenPart`. With ``freeze=False`` the same towers are fully fine-tuned
    (TransVG, arXiv 2104.08541). A ``tuner`` trains weights inside frozen towers, which
    then run with a graph.

    Args:
        vision: Config of the vision tower, see :class:`VisionTower`.
        language: Config of the language tower, see :class:`TransformersTower`.
        tuner: Config of a tuning method inside the frozen towers, for instance
            ``dict(type='LoRATuner')``, see :class:`BaseTuner`; ``None`` is none.
        freeze: Whether the towers are frozen.

    Raises:
        ValueError: ``freeze`` is no bool, or a tuner is given together with
            ``freeze=False``.
    """

    def __init__(
        self,
        vision: dict,
        language: dict,
        tuner: dict | None = None,
        freeze: bool = True,
    ) -> None:
        super().__init__()
        if not isinstance(freeze, bool):
            raise ValueError(f'freeze is True or False, not {freeze!r}')
        if tuner is not None and not freeze:
            raise ValueError('a tuner needs frozen towers (freeze=True)')
        self.vision: Tower = MODELS.build(vision)
        self.language: Tower = MODELS.build(language)
        self.tuner = None
        if tuner is not None:
            own = {name: tower.own_tensors() for name, tower in self.towers.items()}
            self.tuner = MODELS.build(
                dict(tuner), default_args=dict(towers=self.towers)
            )
            for name, tower in self.towers.items():
                tower.add_tuner(name, self.tuner, own[name])
        if freeze:
            for name, tower in self.towers.items():
                tower.freeze(
                    lambda key, name=name: (
                        self.tuner is not None and self.tuner.tunes(f'{name}.{key}')
                    )
                )

    @property
    def towers(self) -> dict[str, Tower]:
        """The two towers by name, ``'vision'`` and ``'language'``."""
        return {'vision': self.vision, 'language': self.language}

    @property
    def input_spec(self) -> InputSpec:
        """Input contract of both towers together."""
        return self.vision.input_spec.join(self.language.input_spec)

    @property
    def builds_graph(self) -> bool:
        """Whether gradients pass through a tower: it is tuned, or a part inside it."""
        return any(tower.builds_graph for tower in self.towers.values())

    def init_weights(self) -> None:
        """Initialise the towers that have no pre-trained weights, and the tuner."""
        for part in (self.vision, self.language, self.tuner):
            if part is not None:
                part.init_weights()

    def forward(
        self,
        images: Tensor,
        padding_mask: Tensor,
        input_ids: Tensor,
        attention_mask: Tensor,
    ) -> tuple[TowerFeatures, TowerFeatures]:
        """Run both towers.

        Args:
            images: Normalised images, (I, 3, H, W).
            padding_mask: (I, H, W) bool, true = padding.
            input_ids: (E, L) int64; E is the number of expressions, which may differ
                from that of the images.
            attention_mask: (E, L) int64, 1 = token; padding is on the right.

        Returns:
            Features of I images and of E expressions, with the taps that were chosen by
            :meth:`FrozenPart.tap`.
        """
        return (
            self.vision.encode(images, padding_mask, call=self.vision),
            self.language.encode(input_ids, attention_mask, call=self.language),
        )
