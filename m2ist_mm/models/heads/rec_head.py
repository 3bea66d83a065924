"""From the tokens of both modalities to one box per expression."""

import math

import torch
import torch.nn.functional as F
from mmdet.models.layers import SinePositionalEncoding
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample, SampleList
from mmdet.structures.bbox import bbox_cxcywh_to_xyxy, bbox_xyxy_to_cxcywh
from mmdet.utils import reduce_mean
from mmengine.model import BaseModule
from mmengine.structures import InstanceData
from torch import Tensor, nn

from ...structures import Placement, expressions_of
from ..layers import VLEncoder


@MODELS.register_module()
class RECHead(BaseModule):
    """Projections, V-L encoder, REG token and box MLP (TransVG, arXiv 2104.08541 §3).

    Args:
        vision_channels: Width of the vision tokens.
        language_channels: Width of the language tokens.
        num_vision_tokens: Vision tokens of an image; the input size is fixed by it.
        num_text_tokens: Most text tokens of an expression, ``[CLS]`` and ``[SEP]``
            included.
        embed_dims: Width C of the V-L encoder.
        num_layers: Number of V-L encoder layers.
        num_heads: Number of attention heads.
        feedforward_channels: Hidden width of their FFNs.
        dropout: Their dropout probability.
        recompute: Whether backward recomputes the V-L layers, to save memory.
        projection_norm: Whether a LayerNorm follows each projection (the paper: no).
        position_in_values: Whether the position embedding is added to the tokens as
            well (the paper: to queries and keys alone), its vision part starting as a
            2-D sine encoding of a square token map. For towers whose tokens do not
            carry their absolute position: the REG token can decode only what the
            attention's values hold.
        loss_bbox: Config of the L1 loss on relative ``cxcywh``.
        loss_iou: Config of the IoU loss on relative ``xyxy``.
        loss_attention: Weight of the attention loss, see :meth:`loss`; 0, the paper's,
            is without.

    Raises:
        ValueError: An option that knows where tokens lie is asked for, and
            ``num_vision_tokens`` is no square.
    """

    def __init__(
        self,
        vision_channels: int = 256,
        language_channels: int = 768,
        num_vision_tokens: int = 400,
        num_text_tokens: int = 20,
        embed_dims: int = 256,
        num_layers: int = 6,
        num_heads: int = 8,
        feedforward_channels: int = 2048,
        dropout: float = 0.1,
        recompute: bool = False,
        projection_norm: bool = False,
        position_in_values: bool = False,
        loss_bbox: dict | None = None,
        loss_iou: dict | None = None,
        loss_attention: float = 0.0,
    ) -> None:
        super().__init__()
        self.map_side = math.isqrt(num_vision_tokens)
        if (position_in_values or loss_attention) and (
            self.map_side**2 != num_vision_tokens
        ):
            raise ValueError(
                'RECHead: position_in_values and loss_attention need a square token '
                f'map, and num_vision_tokens={num_vision_tokens} is no square'
            )
        self.loss_attention = loss_attention
        self.num_vision_tokens = num_vision_tokens
        self.num_text_tokens = num_text_tokens
        self.vision_proj = _projection(vision_channels, embed_dims, projection_norm)
        self.language_proj = _projection(language_channels, embed_dims, projection_norm)
        self.reg_token = nn.Embedding(1, embed_dims)
        self.position_embedding = nn.Embedding(
            1 + num_text_tokens + num_vision_tokens, embed_dims
        )
        self.position_in_values = position_in_values
        self.encoder = VLEncoder(
            num_layers,
            dict(
                embed_dims=embed_dims,
                num_heads=num_heads,
                feedforward_channels=feedforward_channels,
                dropout=dropout,
            ),
            recompute,
        )
        self.bbox_mlp = nn.Sequential(
            nn.Linear(embed_dims, embed_dims),
            nn.ReLU(),
            nn.Linear(embed_dims, embed_dims),
            nn.ReLU(),
            nn.Linear(embed_dims, 4),
        )
        self.loss_bbox = MODELS.build(loss_bbox or dict(type='L1Loss', loss_weight=1.0))
        self.loss_iou = MODELS.build(loss_iou or dict(type='GIoULoss', loss_weight=1.0))
        self.init_weights()

    def init_weights(self) -> None:
        """Initialise the V-L encoder and, of ``position_in_values``, the positions."""
        self.encoder.init_weights()
        if self.position_in_values:
            table = self.position_embedding.weight
            sine = SinePositionalEncoding(table.shape[1] // 2, normalize=True)
            token_map = table.new_zeros(1, self.map_side, self.map_side)
            encoded = sine(token_map).flatten(2)[0].T
            table.data[-self.num_vision_tokens :] = encoded

    def forward(
        self,
        vision_tokens: Tensor,
        vision_mask: Tensor,
        language_tokens: Tensor,
        language_mask: Tensor,
        image_index: Tensor,
    ) -> Tensor:
        """Predict one box per expression: the boxes of :meth:`ground`."""
        return self.ground(
            vision_tokens, vision_mask, language_tokens, language_mask, image_index
        )[0]

    def ground(
        self,
        vision_tokens: Tensor,
        vision_mask: Tensor,
        language_tokens: Tensor,
        language_mask: Tensor,
        image_index: Tensor,
    ) -> tuple[Tensor, Tensor | None]:
        """Predict one box per expression, and say where the REG token looked.

        Args:
            vision_tokens: (I, N, C_v).
            vision_mask: (I, N) bool, true = padding.
            language_tokens: (E, L, C_l); L may be below ``num_text_tokens``.
            language_mask: (E, L) bool, true = padding.
            image_index: (E,) int64, the image (0 … I - 1) of each expression.

        Returns:
            Boxes (E, 4) float32, ``cxcywh`` in [0, 1], relative to the padded input;
            and, where there is an attention loss, the REG token's attention to the
            vision tokens in the last layer, (E, N), a mean over heads.

        Raises:
            ValueError: The number of tokens is not what the head was made for.
        """
        num_text, num_vision = language_tokens.shape[1], vision_tokens.shape[1]
        if num_vision != self.num_vision_tokens or num_text > self.num_text_tokens:
            raise ValueError(
                f'RECHead was made for {self.num_vision_tokens} vision tokens and at '
                f'most {self.num_text_tokens} text tokens, got {num_vision} and '
                f'{num_text}: set num_vision_tokens to the canvas size divided by the '
                'stride, squared, and max_tokens of the preprocessor to num_text_tokens'
            )
        # padding is attended by none: what all images have of it is left out
        kept = _unpadded_first(vision_mask)
        vision_mask = vision_mask.gather(1, kept)
        vision_tokens = vision_tokens.gather(
            1, kept[:, :, None].expand(-1, -1, vision_tokens.shape[2])
        )
        vision = self.vision_proj(vision_tokens)[image_index]
        language = self.language_proj(language_tokens)
        # position tables are looked up in their own type; autocast makes vision another
        reg = self.reg_token.weight.expand(len(language), 1, -1).to(language.dtype)
        tokens = torch.cat([reg, language, vision], dim=1)
        mask = torch.cat(
            [
                language_mask.new_zeros(len(language), 1),
                language_mask,
                vision_mask[image_index],
            ],
            dim=1,
        )
        table = self.position_embedding.weight.to(tokens.dtype)
        position = torch.cat(
            [
                table[: 1 + num_text].expand(len(tokens), -1, -1),
                F.embedding(kept, table[-num_vision:])[image_index],
            ],
            dim=1,
        )
        if self.position_in_values:
            tokens = tokens + position
        reg, attention = self.encoder(
            tokens, position, mask, with_attention=self.loss_attention > 0
        )
        # bfloat16 has 8 bits: too coarse for the place of a box
        with torch.autocast(reg.device.type, enabled=False):
            boxes = self.bbox_mlp(reg.float()).sigmoid()
        if attention is not None:
            seen = attention[:, 1 + num_text :].float()
            attention = seen.new_zeros(len(seen), num_vision)
            attention = attention.scatter(1, kept[image_index], seen)
        return boxes, attention

    def loss(
        self,
        boxes: Tensor,
        data_samples: SampleList,
        attention: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """L1 (summed over the four numbers) and GIoU, each a mean over expressions.

        Under DDP it is the mean over all ranks' expressions, which may be of different
        number where they are grouped by image.

        The attention loss is -log of the share of the REG token's attention that lies
        on the tokens whose cells meet the true box (an attention mask trained by the
        box's rectangle, as in AttnGrounder, ECCV Workshops 2020).
        It needs no further parameter and nothing of it is left in the prediction. It
        gets a small head going whose towers were not trained to hold boxes.

        Args:
            boxes: Boxes of :meth:`ground`, (E, 4).
            data_samples: Of the I images, with ``gt_instances.bboxes`` in canvas pixels
                and ``batch_input_shape``; together E boxes.
            attention: Attention of :meth:`ground`, (E, N); needed by the attention
                loss.

        Returns:
            ``loss_bbox``, ``loss_iou`` and, with ``loss_attention``, the loss of that
            name.
        """
        target = torch.cat(
            [
                sample.gt_instances.bboxes / _canvas_size(sample, boxes)
                for sample in data_samples
            ]
        )
        count = reduce_mean(boxes.new_tensor(len(boxes)))
        losses = dict(
            loss_bbox=self.loss_bbox(
                boxes, bbox_xyxy_to_cxcywh(target), avg_factor=count
            ),
            loss_iou=self.loss_iou(
                bbox_cxcywh_to_xyxy(boxes), target, avg_factor=count
            ),
        )
        if self.loss_attention:
            share = (attention * self._meets(target)).sum(dim=1)
            # as good as none: keeps the logarithm finite
            losses['loss_attention'] = (
                -self.loss_attention * share.clamp(min=1e-4).log().sum() / count
            )
        return losses

    def _meets(self, boxes: Tensor) -> Tensor:
        """Which tokens' cells meet each box (E, 4), ``xyxy`` in [0, 1]: (E, N)."""
        edges = torch.linspace(0, 1, self.map_side + 1, device=boxes.device)
        left, top, right, bottom = (edge[:, None] for edge in boxes.unbind(1))
        columns = (edges[1:] > left) & (edges[:-1] < right)
        rows = (edges[1:] > top) & (edges[:-1] < bottom)
        return (rows[:, :, None] & columns[:, None, :]).flatten(1)

    def predict(self, boxes: Tensor, data_samples: SampleList) -> list[InstanceData]:
        """Turn relative boxes into boxes in original-image pixels.

        REC has one answer and the model defines no score for it, so none is given.

        Args:
            boxes: Output of :meth:`forward`, (E, 4).
            data_samples: Of the I images, in the order of the expressions.

        Returns:
            For each image ``bboxes`` (k, 4) ``xyxy``, clipped to the image, and
            ``labels`` (k,) zeros, k = its number of expressions.
        """
        counts = [len(expressions_of(sample)) for sample in data_samples]
        results = []
        for sample, relative in zip(data_samples, boxes.split(counts), strict=True):
            bboxes = bbox_cxcywh_to_xyxy(relative) * _canvas_size(sample, boxes)
            bboxes = Placement.of(sample).to_image(bboxes, clip=True)
            labels = bboxes.new_zeros(len(bboxes), dtype=torch.long)
            results.append(InstanceData(bboxes=bboxes, labels=labels))
        return results


def _unpadded_first(mask: Tensor) -> Tensor:
    """Places (I, M) of the tokens of each image, M as many as the largest image has.

    Images with fewer tokens get places of padding behind theirs.
    """
    order = mask.to(torch.uint8).argsort(dim=1, stable=True)
    return order[:, : int((~mask).sum(dim=1).max())]


def _projection(in_channels: int, out_channels: int, norm: bool) -> nn.Module:
    linear = nn.Linear(in_channels, out_channels)
    return nn.Sequential(linear, nn.LayerNorm(out_channels)) if norm else linear


def _canvas_size(sample: DetDataSample, like: Tensor) -> Tensor:
    height, width = sample.batch_input_shape
    return like.new_tensor([width, height, width, height])
