"""The expressions of a data sample."""

from mmdet.structures import DetDataSample


def expressions_of(sample: DetDataSample) -> tuple[str, ...]:
    """Expressions of a sample, whose ``text`` is one str or a tuple of them."""
    text = sample.get('text', ())
    return (text,) if isinstance(text, str) else tuple(text)
