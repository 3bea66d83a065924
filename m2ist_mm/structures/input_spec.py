"""Input contract of a tower."""

from dataclasses import dataclass, fields, replace

MIN_TOKENS = 3  # [CLS], one word and [SEP]


@dataclass(frozen=True)
class InputSpec:
    """Input contract of a tower; fields that do not apply to it are ``None``.

    Attributes:
        size: Canvas (h, w) in pixels; need not be square.
        mean: Mean of each channel in pixel units (0 to 255), in ``channel_order``.
        std: Standard deviation of each channel, likewise.
        channel_order: ``'rgb'`` or ``'bgr'``.
        pad_value: Value of each channel in the padding, in pixel units, as in
            pre-training; ``None`` is the mean, which is 0 after normalisation.
        tokenizer: Hub name, folder or ``'package:MODULE/FOLDER'`` of the tokenizer.
        max_tokens: Maximum number of tokens per expression, special tokens included.
    """

    size: tuple[int, int] | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    channel_order: str | None = None
    pad_value: tuple[float, ...] | None = None
    tokenizer: str | None = None
    max_tokens: int | None = None

    def __post_init__(self) -> None:
        if self.channel_order not in (None, 'rgb', 'bgr'):
            raise ValueError(
                f"channel_order is 'rgb' or 'bgr', not {self.channel_order!r}"
            )
        if self.size is not None and (
            len(self.size) != 2 or any(type(s) is not int or s < 1 for s in self.size)
        ):
            raise ValueError(f'size must be (h, w) in pixels, got {self.size!r}')
        if self.max_tokens is not None and self.max_tokens < MIN_TOKENS:
            raise ValueError(
                f'max_tokens must be at least {MIN_TOKENS}, got {self.max_tokens}'
            )

    def join(self, other: 'InputSpec') -> 'InputSpec':
        """Fill the fields that are ``None`` here from the spec of another tower."""
        missing = [f.name for f in fields(self) if getattr(self, f.name) is None]
        return replace(self, **{name: getattr(other, name) for name in missing})
