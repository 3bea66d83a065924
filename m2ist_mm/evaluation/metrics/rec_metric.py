"""Precision of the one predicted box."""

import json
import logging
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmdet.registry import METRICS
from mmdet.structures.bbox import bbox_overlaps, get_box_tensor
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log

from ...atomic_file import write_atomically


@METRICS.register_module()
class RECMetric(BaseMetric):
    """Share of expressions whose predicted box overlaps the true one enough.

    Gives, in percent of all expressions: ``P@0.5`` (the headline), ``P@0.6``
    to ``P@0.9`` and ``mIoU``; and the number of ``expressions`` and of those
    the tokenizer ``truncated``. An expression without a prediction, or with a
    box that is not finite, counts as an IoU of 0.

    Two breakdowns come from the samples' metainfo. Where expressions have a
    ``kind``, each kind has its ``<kind>/P@0.5`` and ``<kind>/expressions``. Where
    several splits were tested in one run, each has all the figures as
    ``<split>/...``, beside those of all expressions together; where they are of
    several datasets (a ConcatDataset), as ``<dataset>/<split>/...``.

    Boxes are compared where the model leaves them: pixels of the original
    image.

    Args:
        thresholds (Sequence[float]): Smallest IoUs that count as found.
        outfile_prefix (str, optional): Write every expression's result to
            ``<outfile_prefix>.json``. Defaults to None.
        collect_device (str): How the processes hand over their results: 'gpu' by
            messages, which need no GPU and leave no ``.dist_test/`` where a process
            dies; 'cpu' through files. Defaults to 'gpu'.
        **kwargs: ``prefix`` and ``collect_dir`` of mmengine's BaseMetric.
    """

    default_prefix = 'rec'

    def __init__(
        self,
        thresholds: Sequence[float] = (0.5, 0.6, 0.7, 0.8, 0.9),
        outfile_prefix: str | None = None,
        collect_device: str = 'gpu',
        **kwargs,
    ) -> None:
        super().__init__(collect_device, **kwargs)
        self.thresholds = tuple(thresholds)
        self.outfile_prefix = outfile_prefix

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Compare a batch's predictions with the truth.

        Args:
            data_batch (Any): Not used.
            data_samples (Sequence[dict]): Data samples as dicts, with
                ``gt_instances`` and ``pred_instances``, whose ``bboxes`` (k, 4)
                are xyxy pixels of the original image, and metainfo.

        Raises:
            ValueError: If a sample has another number of predictions than
                expressions, and not none.
        """
        # One result per sample, not an expression: mmengine cuts what
        # distributed samplers add by the number of samples.
        for sample in data_samples:
            true_boxes = get_box_tensor(sample['gt_instances']['bboxes']).double().cpu()
            count = len(true_boxes)
            boxes = get_box_tensor(sample['pred_instances']['bboxes']).double().cpu()
            if len(boxes) == 0:
                boxes = torch.full_like(true_boxes, torch.nan)
            if len(boxes) != count:
                raise ValueError(
                    f'{sample["img_path"]} (sent_id {sample.get("sent_id")}): '
                    f'{len(boxes)} predicted boxes for {count} expressions'
                )
            overlaps = bbox_overlaps(boxes, true_boxes, is_aligned=True)
            finite = boxes.isfinite().all(dim=1)
            overlaps = torch.where(finite, overlaps, 0.0)
            columns = {
                key: _per_expression(sample.get(key), count)
                for key in ('text', 'sent_id', 'kind', 'truncated')
            }
            self.results.append(
                [
                    dict(
                        sent_id=columns['sent_id'][row],
                        img_path=sample['img_path'],
                        dataset=sample.get('dataset'),
                        split=sample.get('split'),
                        kind=columns['kind'][row],
                        text=columns['text'][row],
                        truncated=bool(columns['truncated'][row]),
                        pred_bbox=boxes[row].tolist() if finite[row] else None,
                        gt_bbox=true_boxes[row].tolist(),
                        iou=float(overlaps[row]),
                    )
                    for row in range(count)
                ]
            )

    def compute_metrics(self, results: list[list[dict]]) -> dict[str, float]:
        """Compute the figures, and write the results if asked to.

        mmengine calls this on the first rank alone.

        Args:
            results (list[list[dict]]): What :meth:`process` made of each
                sample.

        Returns:
            dict[str, float]: The figures, see the class.
        """
        expressions = [expression for sample in results for expression in sample]
        missed = sum(expression['pred_bbox'] is None for expression in expressions)
        if missed:
            print_log(
                f'{missed} of {len(expressions)} expressions have no finite '
                'prediction; they count as IoU 0',
                logger='current',
                level=logging.WARNING,
            )
        if self.outfile_prefix is not None:
            path = f'{self.outfile_prefix}.json'
            write_atomically(path, json.dumps(expressions, indent=1).encode())
            print_log(f'results of each expression: {path}', logger='current')

        figures = self._figures(expressions)
        several = len({expression['dataset'] for expression in expressions}) > 1
        parts = _group_by(expressions, *(['dataset'] if several else []), 'split')
        if len(parts) > 1:
            for part, members in parts.items():
                for key, value in self._figures(members).items():
                    figures[f'{part}/{key}'] = value
        return figures

    def _figures(self, expressions: list[dict]) -> dict[str, float]:
        """Compute the figures of a set of expressions and of its kinds."""
        figures = self._precisions(expressions)
        figures['mIoU'] = 100 * float(np.mean([e['iou'] for e in expressions]))
        # MMEngine's JSON log knows floats alone
        figures['expressions'] = float(len(expressions))
        figures['truncated'] = float(sum(e['truncated'] for e in expressions))
        for kind, members in _group_by(expressions, 'kind').items():
            first, value = next(iter(self._precisions(members).items()))
            figures[f'{kind}/{first}'] = value
            figures[f'{kind}/expressions'] = float(len(members))
        return figures

    def _precisions(self, expressions: list[dict]) -> dict[str, float]:
        """Compute the percentage found at each threshold."""
        overlaps = np.array([expression['iou'] for expression in expressions])
        return {
            f'P@{threshold:g}': 100 * float((overlaps >= threshold).mean())
            for threshold in self.thresholds
        }


def _per_expression(value: Any, count: int) -> Sequence:
    """Spread metainfo, which is a single value unless a tuple, over expressions."""
    return value if isinstance(value, (tuple, list)) else [value] * count


def _group_by(expressions: list[dict], *keys: str) -> dict[str, list[dict]]:
    """Group expressions by the values of keys, as 'value/value'.

    Groups come in the order of their first appearance. None is no value, and an
    expression without any is in no group.
    """
    groups = defaultdict(list)
    for expression in expressions:
        values = [expression[key] for key in keys if expression[key] is not None]
        if values:
            groups['/'.join(values)].append(expression)
    return groups
