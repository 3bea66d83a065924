"""Precision of the one predicted box."""

import json
import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from mmdet.registry import METRICS
from mmdet.structures.bbox import bbox_overlaps, get_box_tensor
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log
from torch import Tensor

from ...atomic_file import write_atomically
from ...structures import Expressions, check_box_frame


@METRICS.register_module()
class RECMetric(BaseMetric):
    """Share of expressions whose predicted box overlaps the ground truth enough.

    Reports, in percent of all expressions: ``P@0.5`` (main metric), ``P@0.6``
    to ``P@0.9`` and ``mIoU``; and the number of ``expressions`` and of those
    the tokenizer ``truncated``. An expression without a prediction, or with a
    box that is not finite, counts as an IoU of 0. Of several predictions the one
    of the highest score counts.

    An expression with several ground-truth boxes is found if the prediction
    overlaps any of them enough: its IoU is the highest one (the any-box protocol of
    phrase grounding, arXiv 1908.03557 and 2104.12763). One without ground truth is
    written to the results and not counted.

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
            ``<outfile_prefix>.json``: one entry per expression, whose ``label`` is
            its index in the sample, ``pred_bbox`` the prediction, ``gt_bbox`` the
            ground-truth box that ``iou`` is measured with, each ``null`` where
            there is none. Defaults to None.
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

    def reports(self, name: str) -> bool:
        """Whether a figure may be reported: ``'rec/P@0.5'``, ``'rec/testA/mIoU'``."""
        prefix, _, rest = name.partition('/')
        known = [f'P@{t:g}' for t in self.thresholds]
        known += ['mIoU', 'expressions', 'truncated']
        return prefix == self.prefix and rest.rpartition('/')[2] in known

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Compare a batch's predictions with the ground truth.

        Args:
            data_batch (Any): Not used.
            data_samples (Sequence[dict]): Data samples as dicts, with
                ``gt_instances`` and ``pred_instances``, whose ``bboxes`` (n, 4)
                are xyxy pixels of the original image and whose ``labels`` (n,) are
                the index of the expression, and metainfo. Predictions may have
                ``scores`` (n,).

        Raises:
            ValueError: A label names no expression, an expression has several
                predictions without scores, or the ground truth is in canvas pixels.
        """
        # One result per sample, not per expression: mmengine cuts what distributed
        # samplers add by the number of samples.
        for sample in data_samples:
            expressions = Expressions.of(sample)
            check_box_frame(sample, 'image')
            truth = _boxes(sample['gt_instances'])
            rows = expressions.rows(sample['gt_instances']['labels'].cpu())
            predicted = _predictions(expressions, sample['pred_instances'])
            self.results.append(
                [
                    dict(
                        label=index,
                        sent_id=expressions.ids[index],
                        img_path=sample['img_path'],
                        dataset=sample.get('dataset'),
                        split=sample.get('split'),
                        kind=expressions.kinds[index],
                        text=expressions.texts[index],
                        truncated=bool(expressions.truncated[index]),
                        **_compare(truth[rows[index]], predicted[index]),
                    )
                    for index in range(len(expressions))
                ]
            )

    def compute_metrics(self, results: list[list[dict]]) -> dict[str, float]:
        """Compute the figures, and write the results if asked to.

        mmengine calls this on the first rank alone.

        Args:
            results (list[list[dict]]): What :meth:`process` made of each
                sample.

        Returns:
            dict[str, float]: The figures, see the class; none where nothing has
            ground truth and the results were written.

        Raises:
            ValueError: Nothing has ground truth, and the results are not written.
        """
        expressions = [expression for sample in results for expression in sample]
        if self.outfile_prefix is not None:
            path = f'{self.outfile_prefix}.json'
            write_atomically(path, json.dumps(expressions, indent=1).encode())
            print_log(f'results of each expression: {path}', logger='current')
        expressions = self._measurable(expressions)
        if not expressions:
            return {}

        figures = self._figures(expressions)
        several = len({expression['dataset'] for expression in expressions}) > 1
        parts = _group_by(expressions, *(['dataset'] if several else []), 'split')
        if len(parts) > 1:
            for part, members in parts.items():
                for key, value in self._figures(members).items():
                    figures[f'{part}/{key}'] = value
        return figures

    def _measurable(self, expressions: list[dict]) -> list[dict]:
        """Give the expressions with ground truth; log how many lack something."""
        measurable = [e for e in expressions if e['gt_bbox'] is not None]
        if not measurable and self.outfile_prefix is None:
            raise ValueError(
                'no expression has ground truth, so there is nothing to measure; '
                'tools/test.py --out FILE.json writes the predictions'
            )
        missed = sum(e['pred_bbox'] is None for e in measurable)
        for count, what in (
            (len(expressions) - len(measurable), 'ground truth; they are not counted'),
            (missed, 'finite prediction; they count as IoU 0'),
        ):
            if count:
                print_log(
                    f'{count} of {len(expressions)} expressions have no {what}',
                    logger='current',
                    level=logging.WARNING,
                )
        return measurable

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


def _predictions(
    expressions: Expressions, instances: Mapping[str, Any]
) -> list[Tensor]:
    """Predicted box (1, 4) float64 of each expression, or (0, 4) where it has none.

    Raises:
        ValueError: An expression has several and no scores to choose by.
    """
    boxes, scores = _boxes(instances), instances.get('scores')
    predictions = []
    for index, rows in enumerate(expressions.rows(instances['labels'].cpu())):
        if len(rows) > 1:
            if scores is None:
                raise ValueError(
                    f'{expressions.img_path} (sent_id {expressions.ids[index]}): '
                    f'{len(rows)} predicted boxes for one expression, and no scores '
                    'to choose by'
                )
            rows = rows[scores.cpu()[rows].argmax()].reshape(1)
        predictions.append(boxes[rows])
    return predictions


def _boxes(instances: Mapping[str, Any]) -> Tensor:
    """Boxes (n, 4) of instances, float64, on the CPU."""
    return get_box_tensor(instances['bboxes']).double().cpu().reshape(-1, 4)


def _compare(truth: Tensor, predicted: Tensor) -> dict[str, Any]:
    """Compare one expression's boxes, (n, 4) and (at most 1, 4).

    Returns:
        dict[str, Any]: ``pred_bbox`` and ``gt_bbox`` (xyxy or None) and ``iou``
        (None without ground truth).
    """
    predicted = predicted[predicted.isfinite().all(dim=1)]
    iou, best = (0.0 if len(truth) else None), 0
    if len(truth) and len(predicted):
        overlaps = bbox_overlaps(truth, predicted)[:, 0]
        best = int(overlaps.argmax())
        iou = float(overlaps[best])
    return dict(
        pred_bbox=predicted[0].tolist() if len(predicted) else None,
        gt_bbox=truth[best].tolist() if len(truth) else None,
        iou=iou,
    )


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
