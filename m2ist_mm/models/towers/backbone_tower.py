"""An mmdet backbone alone as a vision tower."""

from mmdet.registry import MODELS
from torch import Tensor

from .map_tower import MapTower


@MODELS.register_module()
class BackboneTower(MapTower):
    """mmdet backbone whose one output map gives the tokens.

    Args:
        backbone: Config of an mmdet backbone with one output map (``out_indices``).
        weights: Checkpoint of an mmdet detector with this backbone, or of the tower,
            by path or URL; weights of neck and head are left out. ``None`` leaves
            the tower random.
        kwargs: See :class:`MapTower`.

    Raises:
        FileNotFoundError, ValueError: ``weights`` is missing or does not fit.
    """

    def __init__(self, backbone: dict, weights: str | None = None, **kwargs) -> None:
        super().__init__(weights=weights, **kwargs)
        self.architecture = backbone['type']
        self.backbone = MODELS.build(backbone)
        own = self.state_dict().keys()
        self.load(
            'Take the checkpoint of an mmdet detector with this backbone',
            lambda state: {name: state[name] for name in own & state.keys()},
        )
        *_, (self.embed_dims, self.stride) = self.probe(self.backbone)

    def init_random_weights(self) -> None:
        """Initialise the backbone as its config says."""
        self.backbone.init_weights()

    def feature_map(self, images: Tensor) -> Tensor:
        """See :meth:`MapTower.feature_map`."""
        return self.backbone(images)[-1]
