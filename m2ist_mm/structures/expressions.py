"""The expressions of one sample, and which boxes are whose."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import get_box_tensor
from mmengine.structures import InstanceData
from torch import Tensor


@dataclass(frozen=True)
class Expressions:
    """Expressions of one sample; one entry per expression in every tuple.

    Boxes belong to expressions by their label, never by their position: label i of
    ``gt_instances`` and ``pred_instances`` is the sample's expression i. An expression
    may have several boxes, or none.

    Attributes:
        texts: What they say.
        ids: Their ``sent_id``, ``None`` where the dataset has none.
        kinds: What the metric reports apart, ``None`` where the dataset has none.
        truncated: Whether the tokenizer cut them; false before it has seen them.
        img_path: The image, for messages.
    """

    texts: tuple[str, ...]
    ids: tuple[int | None, ...]
    kinds: tuple[str | None, ...]
    truncated: tuple[bool, ...]
    img_path: str | None = None

    @classmethod
    def of(cls, sample: DetDataSample | Mapping[str, Any]) -> 'Expressions':
        """Read a sample's expressions.

        Args:
            sample: A data sample, its dict, or a sample before it is packed, with
                ``text``, see :func:`as_texts`, and, as far as known, ``sent_id``,
                ``kind`` and ``truncated``.

        Raises:
            ValueError: ``text`` is no text, or there are not as many ids, kinds or
                flags as texts.
        """
        texts = as_texts(sample.get('text', ()))
        img_path = sample.get('img_path')
        columns = []
        for key, unknown in (('sent_id', None), ('kind', None), ('truncated', False)):
            value = sample.get(key)
            column = (unknown,) * len(texts) if value is None else _as_tuple(value)
            if len(column) != len(texts):
                raise ValueError(
                    f'{img_path}: {len(column)} values of {key!r} for '
                    f'{len(texts)} expressions'
                )
            columns.append(column)
        return cls(texts, *columns, img_path)

    def __len__(self) -> int:
        return len(self.texts)

    def rows(self, labels: Tensor) -> list[Tensor]:
        """Find the boxes of each expression.

        Args:
            labels: (N,) int64, the expression of each of N boxes.

        Returns:
            For each expression the positions of its boxes, (n,) int64; n may be 0.

        Raises:
            ValueError: A label names no expression.
        """
        wrong = labels[(labels < 0) | (labels >= len(self))]
        if len(wrong):
            raise ValueError(
                f'{self.img_path}: a box has the label {int(wrong[0])}, and labels are '
                f'the index of the expression, of which there are {len(self)}'
            )
        return [torch.nonzero(labels == index).flatten() for index in range(len(self))]

    def one_box_each(self, instances: InstanceData | Mapping[str, Any]) -> Tensor:
        """Give the one box of each expression.

        Args:
            instances: With ``bboxes`` (N, 4) and ``labels`` (N,).

        Returns:
            (k, 4), in the order of the k expressions.

        Raises:
            ValueError: An expression has several boxes or none.
        """
        labels = instances['labels']
        ordered, rows = labels.sort()
        if not torch.equal(ordered, torch.arange(len(self), device=labels.device)):
            counts = [len(found) for found in self.rows(labels)]
            index, count = next((i, n) for i, n in enumerate(counts) if n != 1)
            raise ValueError(
                f'{self.img_path} (sent_id {self.ids[index]}): the expression has '
                f'{count} boxes, not one'
            )
        return get_box_tensor(instances['bboxes'])[rows]


def as_texts(text: str | Sequence[str] | np.ndarray) -> tuple[str, ...]:
    """Read the ``text`` of a sample: a str is one expression, a sequence several.

    Args:
        text: A str, as mmdet's ``inference_detector`` passes it, or a sequence or array
            of str.

    Raises:
        ValueError: It is something else.
    """
    texts = _as_tuple(text)
    if not all(isinstance(one, str) for one in texts):
        raise ValueError(f'text must be a str or a sequence of str, got {text!r}')
    return texts


def _as_tuple(value: Any) -> tuple:
    """Make one value, a sequence or an array a tuple; str and bytes are one value."""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return tuple(value)
    return (value,)
