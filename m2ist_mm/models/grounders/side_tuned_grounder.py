"""The grounder: towers, side networks and head as an mmdet detector."""

from mmdet.models.detectors import BaseDetector
from mmdet.registry import MODELS
from mmdet.structures import SampleList
from mmengine.logging import print_log
from torch import Tensor

from ...checkpoints import start_from_grounder
from ...structures import Features, TowerFeatures


@MODELS.register_module()
class SideTunedGrounder(BaseDetector):
    """Referring expression comprehension by side-tuning (M²IST, arXiv 2407.01131).

    To ask many expressions of one image, encode it once: :meth:`encode_image`,
    :meth:`encode_text`, :meth:`ground`.

    Args:
        backbone: Config of the two towers, see ``SideTuningBackbone``.
        bbox_head: Config of the head, see ``RECHead``; it is given the towers.
        neck: Config of the side networks, see ``SideNetwork``; it is given the towers.
            ``None`` passes the towers' outputs to the head unchanged.
        data_preprocessor: Config of the preprocessor; it is given the towers' input
            contract and needs no arguments, see ``RECDataPreprocessor``.
        init_grounder: Checkpoint of a trained grounder that a training starts from: see
            :func:`start_from_grounder`. ``None`` starts from scratch.
    """

    def __init__(
        self,
        backbone: dict,
        bbox_head: dict,
        neck: dict | None = None,
        data_preprocessor: dict | None = None,
        init_grounder: str | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg=init_cfg)
        self.init_grounder = init_grounder
        self.backbone = MODELS.build(backbone)
        towers = dict(towers=self.backbone.towers)
        self.neck = None if neck is None else MODELS.build(neck, default_args=towers)
        self.bbox_head = MODELS.build(bbox_head, default_args=towers)
        self.data_preprocessor = MODELS.build(
            dict(type='RECDataPreprocessor') | dict(data_preprocessor or {}),
            default_args=dict(input_spec=self.backbone.input_spec),
        )

    def init_weights(self) -> None:
        """Initialise what is trained, from a trained grounder if one is given."""
        super().init_weights()
        if self.init_grounder is not None:
            line = start_from_grounder(self, self.init_grounder)
            print_log(line, logger='current')

    def encode_image(self, images: Tensor, padding_mask: Tensor) -> TowerFeatures:
        """Encode images: vision tower and vision side network.

        Args:
            images: Normalised images, (I, 3, H, W).
            padding_mask: (I, H, W) bool, true = padding.

        Returns:
            Tokens (I, N, C_v) for :meth:`ground`, with mask and grid.
        """
        features = self.backbone.vision.encode(images, padding_mask)
        tokens = features.tokens if self.neck is None else self.neck.vision(features)
        return TowerFeatures(tokens, features.mask, grid=features.grid)

    def encode_text(self, input_ids: Tensor, attention_mask: Tensor) -> TowerFeatures:
        """Encode expressions: language tower and language side network.

        Args:
            input_ids: (E, L) int64.
            attention_mask: (E, L) int64, 1 = token; padding is on the right.

        Returns:
            Tokens (E, L, C_l) for :meth:`ground`, with mask.
        """
        features = self.backbone.language.encode(input_ids, attention_mask)
        tokens = features.tokens if self.neck is None else self.neck.language(features)
        return TowerFeatures(tokens, features.mask)

    def ground(self, features: Features) -> Tensor:
        """Boxes (E, 4) ``cxcywh`` in [0, 1], relative to the canvas."""
        return self.bbox_head(features)

    def extract_feat(self, batch_inputs: dict[str, Tensor]) -> Features:
        """Run towers and side networks.

        Args:
            batch_inputs: Output of the preprocessor: ``images``, ``padding_mask``,
                ``input_ids``, ``attention_mask`` and ``image_index``.

        Returns:
            Tokens of both modalities, without those that are padding in every image.
        """
        vision, language = self.backbone(
            batch_inputs['images'],
            batch_inputs['padding_mask'],
            batch_inputs['input_ids'],
            batch_inputs['attention_mask'],
        )
        tokens = vision.tokens, language.tokens
        if self.neck is not None:
            # both sides in one call, by which data-parallel wrappers see it
            tokens = self.neck(vision, language)
        return Features(
            TowerFeatures(tokens[0], vision.mask, grid=vision.grid),
            TowerFeatures(tokens[1], language.mask),
            batch_inputs['image_index'],
        ).without_padding()

    def _forward(
        self,
        batch_inputs: dict[str, Tensor],
        batch_data_samples: SampleList | None = None,
    ) -> Tensor:
        """Boxes of :meth:`ground`, without postprocessing."""
        return self.ground(self.extract_feat(batch_inputs))

    def loss(
        self, batch_inputs: dict[str, Tensor], batch_data_samples: SampleList
    ) -> dict[str, Tensor]:
        """Losses of a batch, see the head's ``loss_by_feat``."""
        return self.bbox_head.loss(self.extract_feat(batch_inputs), batch_data_samples)

    def predict(
        self, batch_inputs: dict[str, Tensor], batch_data_samples: SampleList
    ) -> SampleList:
        """Data samples with ``pred_instances``, see the head's ``predict_by_feat``."""
        results = self.bbox_head.predict(
            self.extract_feat(batch_inputs), batch_data_samples
        )
        for sample, instances in zip(batch_data_samples, results, strict=True):
            sample.pred_instances = instances
        return batch_data_samples
