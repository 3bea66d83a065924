"""The grounder: towers, side networks and head as an mmdet detector."""

from mmdet.models.detectors import BaseDetector
from mmdet.registry import MODELS
from mmdet.structures import SampleList
from torch import Tensor


@MODELS.register_module()
class SideTunedGrounder(BaseDetector):
    """Referring expression comprehension by side-tuning (M²IST, arXiv 2407.01131).

    Args:
        backbone: Config of the two towers, see ``SideTuningBackbone``.
        neck: Config of the side networks, see ``M3ISA``; ``None`` hands the towers'
            outputs on as they are.
        bbox_head: Config of the head, see ``RECHead``.
        data_preprocessor: Config of the preprocessor, see ``RECDataPreprocessor``.
    """

    def __init__(
        self,
        backbone: dict,
        bbox_head: dict,
        neck: dict | None = None,
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        if data_preprocessor is not None:
            data_preprocessor = MODELS.build(data_preprocessor)
        super().__init__(data_preprocessor=data_preprocessor, init_cfg=init_cfg)
        self.backbone = MODELS.build(backbone)
        self.neck = None if neck is None else MODELS.build(neck)
        self.bbox_head = MODELS.build(bbox_head)
        if getattr(self.backbone, 'vision_cache', None) is not None:
            self.data_preprocessor.image_keys = True

    def extract_feat(self, inputs: dict[str, Tensor]) -> tuple[Tensor, ...]:
        """Run towers and side networks.

        Args:
            inputs: What the preprocessor gives: ``images``, ``padding_mask``,
                ``input_ids``, ``attention_mask``, and ``image_keys`` if there are.

        Returns:
            Vision tokens and mask, language tokens and mask.
        """
        vision, language = self.backbone(
            inputs['images'],
            inputs['padding_mask'],
            inputs['input_ids'],
            inputs['attention_mask'],
            inputs.get('image_keys'),
        )
        if self.neck is None:
            tokens = vision.tokens, language.tokens
        else:
            tokens = self.neck(vision, language)
        return tokens[0], vision.mask, tokens[1], language.mask

    def _forward(
        self, inputs: dict[str, Tensor], data_samples: SampleList | None = None
    ) -> Tensor:
        """Boxes (E, 4) ``cxcywh`` relative to the padded input, without postprocess."""
        return self.bbox_head(*self.extract_feat(inputs), inputs['image_index'])

    def loss(
        self, inputs: dict[str, Tensor], data_samples: SampleList
    ) -> dict[str, Tensor]:
        """Losses of a batch, see ``RECHead.loss``."""
        boxes, attention = self.bbox_head.ground(
            *self.extract_feat(inputs), inputs['image_index']
        )
        return self.bbox_head.loss(boxes, data_samples, attention)

    def predict(
        self, inputs: dict[str, Tensor], data_samples: SampleList
    ) -> SampleList:
        """Data samples with ``pred_instances.bboxes`` in original-image pixels."""
        results = self.bbox_head.predict(self._forward(inputs), data_samples)
        for sample, instances in zip(data_samples, results, strict=True):
            sample.pred_instances = instances
        return data_samples
