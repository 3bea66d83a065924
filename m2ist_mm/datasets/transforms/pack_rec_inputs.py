"""Last step of a pipeline: the packed sample."""

import torch
from mmdet.datasets.transforms import PackDetInputs
from mmdet.registry import TRANSFORMS
from mmdet.structures.bbox import BaseBoxes

from ...structures import BOX_FRAME_KEY, Expressions, Placement, find_box_frame


@TRANSFORMS.register_module()
class PackRECInputs(PackDetInputs):
    """Pack a sample as ``dict(inputs=..., data_samples=...)``.

    ``inputs`` is the image, a uint8 tensor (3, H, W) in BGR. The
    ``DetDataSample`` has ``gt_instances`` with ``bboxes`` (n, 4) xyxy float32
    pixels and ``labels`` (n,), the index of the expression that each box belongs
    to; its metainfo has the keys below, as far as the sample has them. ``text``,
    ``sent_id`` and ``kind``, lists of the k expressions until here, become tuples, as
    :class:`Expressions` reads them.

    ``placement`` says where the image lies on the canvas: it alone maps boxes there and
    back (``scale_factor`` and ``flip`` are those of the last resize and flip only).
    ``box_frame`` says in whose pixels ``gt_instances`` are: ``'image'`` (ground truth
    loaded after the transforms that move boxes, as metrics need it), ``'canvas'``
    (before them, as losses need it), or ``None`` where both are the same. It follows
    from the boxes of ``instances``, unless a transform has set it.

    Args:
        meta_keys (Sequence[str]): Keys to keep as metainfo.
    """

    deterministic = True

    def __init__(
        self,
        meta_keys=(
            'img_id',
            'img_path',
            'ori_shape',
            'img_shape',
            'scale_factor',
            'flip',
            'placement',
            BOX_FRAME_KEY,
            'text',
            'sent_id',
            'kind',
            'split',
            'dataset',
        ),
    ) -> None:
        super().__init__(meta_keys=meta_keys)

    def transform(self, results: dict) -> dict:
        """Pack the sample.

        Args:
            results (dict): Result dict of the pipeline.

        Returns:
            dict: ``inputs`` and ``data_samples``.

        Raises:
            ValueError: It is not known where the image lies or in whose pixels the
                boxes are, or the expressions are no texts.
        """
        results = dict(results, placement=Placement.read(results))
        expressions = Expressions.of(results)
        for key, column in (
            ('text', expressions.texts),
            ('sent_id', expressions.ids),
            ('kind', expressions.kinds),
        ):
            if key in results:
                results[key] = column
        # There are no crowds to ignore among referents.
        results.pop('gt_ignore_flags', None)
        if isinstance(results.get('gt_bboxes'), BaseBoxes):
            results['gt_bboxes'] = results['gt_bboxes'].tensor
        boxes, instances = results.get('gt_bboxes'), results.get('instances')
        if instances and boxes is not None and BOX_FRAME_KEY not in results:
            in_image = torch.tensor([instance['bbox'] for instance in instances])
            results[BOX_FRAME_KEY] = find_box_frame(
                torch.as_tensor(boxes), in_image, results['placement']
            )
        return super().transform(results)
