"""Horizontal flip of image, boxes and words."""

from mmdet.datasets.transforms import RandomFlip
from mmdet.registry import TRANSFORMS

from ...structures import as_texts
from .direction_words import swap_left_right


@TRANSFORMS.register_module()
class RECRandomFlip(RandomFlip):
    """Mirror image and boxes, and swap left and right in the expressions.

    Required keys: ``img``, ``text`` (a str or several, see :func:`as_texts`; becomes a
    list), ``gt_bboxes`` (optional).
    Modified keys: the same. Added keys: ``flip``, ``flip_direction``.

    Args:
        prob (float): Probability of a flip. Defaults to 0.5.
    """

    def __init__(self, prob: float = 0.5) -> None:
        # Vertical flips are not offered: no swap of words makes "top of the
        # hill" true of them.
        super().__init__(prob=float(prob), direction='horizontal')

    @property
    def deterministic(self) -> bool:
        """Whether always or never is mirrored."""
        return self.prob in (0, 1)

    def views(self) -> list['RECRandomFlip']:
        """The plain and the mirrored view, as far as they come."""
        if self.deterministic:
            return [self]
        return [RECRandomFlip(prob=0.0), RECRandomFlip(prob=1.0)]

    def transform(self, results: dict) -> dict:
        """Flip with probability ``prob``.

        Args:
            results (dict): Result dict of the pipeline.

        Returns:
            dict: The same dict, flipped or not.
        """
        results['text'] = list(as_texts(results['text']))
        results = super().transform(results)
        if results['flip']:
            results['text'] = [swap_left_right(text) for text in results['text']]
        return results
