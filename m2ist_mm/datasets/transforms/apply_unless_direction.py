"""Applies transforms that could make direction words wrong."""

from mmcv.transforms import RandomApply
from mmdet.registry import TRANSFORMS

from ...structures import as_texts
from .direction_words import has_direction_word


@TRANSFORMS.register_module()
class ApplyUnlessDirection(RandomApply):
    """Apply transforms with a probability, to expressions without direction.

    After a crop, "the bottom bowl" may no longer be the bottom one. If any
    expression of the sample says left, right, top, bottom or middle, the
    sample passes unchanged.

    Required keys: ``text`` (a str or several, see :func:`as_texts`) and those of the
    transforms.

    Args:
        transforms (list[dict]): The transforms to apply.
        prob (float): Probability to apply them to a sample without direction
            words. Defaults to 0.5.
    """

    def transform(self, results: dict) -> dict | None:
        """Apply the transforms or pass the sample on.

        Args:
            results (dict): Result dict of the pipeline.

        Returns:
            dict: The transformed or the same dict.
        """
        if any(has_direction_word(text) for text in as_texts(results['text'])):
            return results
        return super().transform(results)
