"""Expressions that are asked of images, and their bounds."""

from collections.abc import Sequence

from ..standalone.predict import is_list, read_texts

MAX_EXPRESSIONS = 500  # of an image
MAX_DRAWN_CHARACTERS = 10_000  # of all expressions of an image


def queries_by_image(
    texts: str | Sequence[str] | Sequence[Sequence[str]], images: int
) -> list[list[str]]:
    """Expressions of each image, without blanks around.

    Args:
        texts: One or several for every image, or a list of them for each image.
        images: Number of images.

    Raises:
        ValueError: An expression is no text, is empty, says nothing or is too long, an
            image has too many, or there are not as many lists as images.
    """
    texts = [texts] if isinstance(texts, str) else texts
    nested = [is_list(one) for one in texts] if is_list(texts) else []
    if not any(nested):
        return [_read_group(texts)] * images
    if not all(nested):
        raise ValueError(
            'texts are expressions, or a list of expressions for each image, not both'
        )
    if len(texts) != images:
        raise ValueError(
            f'{len(texts)} lists of expressions for {images} images: give one for '
            'each, or one list for all'
        )
    return list(map(_read_group, texts))


def _read_group(texts: Sequence[str]) -> list[str]:
    """Read the expressions of an image."""
    if is_list(texts) and len(texts) > MAX_EXPRESSIONS:
        raise ValueError(
            f'{len(texts)} expressions for one image; at most {MAX_EXPRESSIONS} go '
            'together, ask for it again with the others'
        )
    return read_texts(texts)


def check_drawable(queries: list[list[str]]) -> None:
    """Refuse more text than an image can show.

    Raises:
        ValueError: The expressions of an image are too long together.
    """
    longest = max((sum(map(len, group)) for group in queries), default=0)
    if longest > MAX_DRAWN_CHARACTERS:
        raise ValueError(
            f'the expressions of an image have {longest} characters together, and at '
            f'most {MAX_DRAWN_CHARACTERS} are drawn; ask fewer, or without drawing '
            '(no_save_vis=True, --no-save-vis)'
        )
