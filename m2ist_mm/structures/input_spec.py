"""Input contract of a tower."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from math import isfinite
from numbers import Real

MIN_TOKENS = 3  # [CLS], one word and [SEP]


@dataclass(frozen=True)
class InputSpec:
    """Input contract of a tower; fields that do not apply to it are ``None``.

    Attributes:
        size: Canvas (h, w) in pixels; need not be square.
        mean: Mean of each channel in pixel units (0 to 255), in ``channel_order``.
        std: Standard deviation of each channel, likewise; above 0.
        channel_order: ``'rgb'`` or ``'bgr'``.
        pad_value: Value of each channel in the padding, in pixel units, as in
            pre-training; ``None`` is the mean, which is 0 after normalisation.
        tokenizer: Hub name, folder or ``'package:MODULE/FOLDER'`` of the tokenizer.
        max_tokens: Maximum number of tokens per expression, special tokens included.

    Lists become tuples.

    Raises:
        ValueError: A field is not as above; the message names it.
    """

    size: tuple[int, int] | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    channel_order: str | None = None
    pad_value: tuple[float, ...] | None = None
    tokenizer: str | None = None
    max_tokens: int | None = None

    def __post_init__(self) -> None:
        for name in ('size', 'mean', 'std', 'pad_value'):
            value = getattr(self, name)
            if isinstance(value, Sequence) and not isinstance(value, str | bytes):
                object.__setattr__(self, name, tuple(value))
        if self.channel_order not in (None, 'rgb', 'bgr'):
            raise ValueError(
                f"channel_order is 'rgb' or 'bgr', not {self.channel_order!r}"
            )
        if self.size is not None and not (
            isinstance(self.size, tuple)
            and len(self.size) == 2
            and all(type(side) is int and side > 0 for side in self.size)
        ):
            raise ValueError(f'size must be (h, w) in pixels, got {self.size!r}')
        for name in ('mean', 'std', 'pad_value'):
            value = getattr(self, name)
            if value is not None and not _is_color(value):
                raise ValueError(
                    f'{name} must be 3 finite numbers, one per channel, got {value!r}'
                )
        if self.std is not None and min(self.std) <= 0:
            raise ValueError(f'std must be above 0, got {self.std!r}')
        if self.max_tokens is not None and (
            type(self.max_tokens) is not int or self.max_tokens < MIN_TOKENS
        ):
            raise ValueError(
                f'max_tokens must be an integer of at least {MIN_TOKENS}, got '
                f'{self.max_tokens!r}'
            )

    def join(self, other: 'InputSpec') -> 'InputSpec':
        """Fill the fields that are ``None`` here from the spec of another tower."""
        missing = [f.name for f in fields(self) if getattr(self, f.name) is None]
        return replace(self, **{name: getattr(other, name) for name in missing})


def _is_color(value: object) -> bool:
    return (
        isinstance(value, tuple)
        and len(value) == 3
        and all(isinstance(one, Real) and isfinite(one) for one in value)
    )
