"""One box per expression."""

from collections.abc import Sequence

import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample, SampleList
from mmdet.structures.bbox import bbox_cxcywh_to_xyxy, bbox_xyxy_to_cxcywh
from mmdet.utils import InstanceList, reduce_mean
from mmengine.structures import InstanceData
from torch import Tensor, nn

from ...structures import Expressions, Features, Placement, check_box_frame
from ..towers import Tower
from .box_refinement import BoxRefinement, box_mlp
from .token_fusion import FusedTokens, TokenFusion


@MODELS.register_module()
class RECHead(TokenFusion):
    """REG token and box MLP (TransVG, arXiv 2104.08541 §3).

    Args:
        towers: See :class:`TokenFusion`.
        loss_bbox: Config of the L1 loss on relative ``cxcywh``.
        loss_iou: Config of the IoU loss on relative ``xyxy``.
        loss_attention: Weight of the attention loss, see :meth:`loss_by_feat`; 0, as in
            the paper, is none.
        refinements: How many times the box is corrected, see :class:`BoxRefinement`; 0,
            as in the paper, leaves it as the box MLP gives it.
        kwargs: See :class:`TokenFusion`.
    """

    def __init__(
        self,
        towers: dict[str, Tower],
        loss_bbox: dict | None = None,
        loss_iou: dict | None = None,
        loss_attention: float = 0.0,
        refinements: int = 0,
        **kwargs,
    ) -> None:
        super().__init__(towers, num_targets=1, **kwargs)
        embed_dims = self.reg_token.embedding_dim
        self.bbox_mlp = box_mlp(embed_dims, embed_dims)
        self.loss_bbox = MODELS.build(loss_bbox or dict(type='L1Loss', loss_weight=1.0))
        self.loss_iou = MODELS.build(loss_iou or dict(type='GIoULoss', loss_weight=1.0))
        self.loss_attention = loss_attention
        self.refinements = nn.ModuleList(
            BoxRefinement(embed_dims, self.grid, self.image_grid)
            for _ in range(refinements)
        )
        self.init_weights()

    def forward(self, features: Features) -> Tensor:
        """Predict boxes.

        Args:
            features: See :meth:`TokenFusion.fuse`.

        Returns:
            (E, 4) float32, ``cxcywh`` in [0, 1], relative to the canvas.
        """
        boxes = self._boxes(self.fuse(features))[-1]
        return _on_canvas(boxes) if self.refinements else boxes

    def loss(
        self, features: Features, batch_data_samples: SampleList
    ) -> dict[str, Tensor]:
        """Predict boxes and compare them, see :meth:`loss_by_feat`."""
        fused = self.fuse(features, self.loss_attention > 0)
        *earlier, boxes = self._boxes(fused)
        return self.loss_by_feat(boxes, fused.attention, batch_data_samples, earlier)

    def predict(
        self, features: Features, batch_data_samples: SampleList
    ) -> InstanceList:
        """Predict boxes in pixels of the images, see :meth:`predict_by_feat`."""
        return self.predict_by_feat(self(features), batch_data_samples)

    def _boxes(self, fused: FusedTokens) -> list[Tensor]:
        """Boxes of the box MLP and of each refinement, (E, 4) float32."""
        # bfloat16 has 8 bits: too coarse for the place of a box
        with torch.autocast(fused.targets.device.type, enabled=False):
            target = fused.targets[:, 0].float()
            boxes = [self.bbox_mlp(target).sigmoid()]
            for refinement in self.refinements:
                box = _on_canvas(boxes[-1])
                boxes.append(refinement(box, target, fused.vision, fused.images))
            return boxes

    def loss_by_feat(
        self,
        boxes: Tensor,
        attention: Tensor | None,
        batch_data_samples: SampleList,
        earlier: Sequence[Tensor] = (),
    ) -> dict[str, Tensor]:
        """L1 (summed over the four numbers) and GIoU, each a mean over expressions.

        Under DDP it is the mean over the expressions of all ranks, whose numbers may
        differ if they are grouped by image.

        The attention loss is -log of the share of the REG token's attention on the
        tokens whose cells overlap the ground-truth box (an attention mask supervised by
        the box, as in AttnGrounder, ECCV Workshops 2020). It adds no parameter and does
        not affect prediction. It helps a small head to start learning on towers that
        were not trained to localise.

        Args:
            boxes: Boxes of :meth:`forward`, (E, 4).
            attention: Attention of :meth:`TokenFusion.fuse`, (E, 1, N); needed by the
                attention loss.
            batch_data_samples: Samples of the I images, with ``batch_input_shape`` and
                ``gt_instances``: ``bboxes`` in canvas pixels and their ``labels``, the
                indices of the expressions; one box per expression, E in total.
            earlier: Boxes (E, 4) before each refinement, the first ones first.

        Returns:
            ``loss_bbox``, ``loss_iou`` and, with ``loss_attention``, the loss of that
            name; the first two for earlier boxes too, as ``d0.loss_bbox``, ….

        Raises:
            ValueError: An expression has several boxes, or none, or the boxes are in
                pixels of the original image.
        """
        for sample in batch_data_samples:
            check_box_frame(sample, 'canvas')
        target = torch.cat(
            [
                Expressions.of(sample).one_box_each(sample.gt_instances)
                / _canvas_size(sample, boxes)
                for sample in batch_data_samples
            ]
        )
        count = reduce_mean(boxes.new_tensor(boxes.shape[0]))
        stages = {f'd{number}.': one for number, one in enumerate(earlier)}
        losses = {}
        for prefix, one in {'': boxes, **stages}.items():
            losses[f'{prefix}loss_bbox'] = self.loss_bbox(
                one, bbox_xyxy_to_cxcywh(target), avg_factor=count
            )
            losses[f'{prefix}loss_iou'] = self.loss_iou(
                bbox_cxcywh_to_xyxy(one), target, avg_factor=count
            )
        if self.loss_attention:
            share = (attention[:, 0] * self._meets(target)).sum(dim=1)
            # as good as none: keeps the logarithm finite
            losses['loss_attention'] = (
                -self.loss_attention * share.clamp(min=1e-4).log().sum() / count
            )
        return losses

    def _meets(self, boxes: Tensor) -> Tensor:
        """Which tokens' cells overlap each box (E, 4), ``xyxy`` in [0, 1]: (E, N)."""
        left, top, right, bottom = (edge[:, None] for edge in boxes.unbind(1))
        height, width = self.grid
        x = torch.linspace(0, 1, width + 1, device=boxes.device)
        y = torch.linspace(0, 1, height + 1, device=boxes.device)
        columns = (x[1:] > left) & (x[:-1] < right)
        rows = (y[1:] > top) & (y[:-1] < bottom)
        return (rows[:, :, None] & columns[:, None, :]).flatten(1)

    def predict_by_feat(
        self, boxes: Tensor, batch_data_samples: SampleList
    ) -> InstanceList:
        """Turn relative boxes into boxes in pixels of the original images.

        The model predicts one box per expression and no score.

        Args:
            boxes: Output of :meth:`forward`, (E, 4).
            batch_data_samples: Samples of the I images, in the order of the
                expressions, with ``placement``.

        Returns:
            For each image ``bboxes`` (k, 4) ``xyxy``, clipped to the image, and
            ``labels`` (k,), the index of the expression of each box.
        """
        counts = [len(Expressions.of(sample)) for sample in batch_data_samples]
        results = []
        for sample, relative in zip(
            batch_data_samples, boxes.split(counts), strict=True
        ):
            bboxes = bbox_cxcywh_to_xyxy(relative) * _canvas_size(sample, boxes)
            bboxes = Placement.of(sample).to_image(bboxes, clip=True)
            labels = torch.arange(len(bboxes), device=bboxes.device)
            results.append(InstanceData(bboxes=bboxes, labels=labels))
        return results


def _on_canvas(boxes: Tensor) -> Tensor:
    """Clip boxes, relative ``cxcywh``, to the canvas: a part of each remains."""
    centre, size = boxes.chunk(2, 1)
    corners = bbox_cxcywh_to_xyxy(torch.cat([centre.clamp(0, 1), size], 1))
    return bbox_xyxy_to_cxcywh(corners.clamp(0, 1))


def _canvas_size(sample: DetDataSample, like: Tensor) -> Tensor:
    height, width = sample.batch_input_shape
    return like.new_tensor([width, height, width, height])
