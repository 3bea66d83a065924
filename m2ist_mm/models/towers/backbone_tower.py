"""An mmdet backbone alone as a vision tower."""

from mmdet.registry import MODELS
from torch import Tensor

from ...structures import TowerFeatures
from .map_tower import MapTower
from .padding import map_padding


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

    def forward(self, images: Tensor, padding_mask: Tensor) -> TowerFeatures:
        """Encode images.

        Args:
            images: Normalised images, (B, 3, H, W).
            padding_mask: (B, H, W) bool, true = padding.

        Returns:
            Tokens (B, h·w, C) of the backbone's h × w map, row by row, without taps
            and without ``inputs``: no tokens of this width and number enter it.
        """
        feature_map = self.backbone(images)[-1]
        grid = tuple(feature_map.shape[-2:])
        return TowerFeatures(
            tokens=feature_map.flatten(2).transpose(1, 2),
            mask=map_padding(padding_mask, grid).flatten(1),
            grid=grid,
        )
