"""Expressions that are asked of images, and their bounds."""

from collections.abc import Sequence

from ..datasets.checks import wrong_text

MAX_CHARACTERS = 1000  # of an expression
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
        ValueError: An expression is empty, says nothing or is too long, an image has
            too many, or there are not as many lists as images.
    """
    if not isinstance(texts, Sequence):
        raise ValueError(
            f'texts are an expression or a list of them, not {type(texts).__name__}'
        )
    texts = [texts] if isinstance(texts, str) else list(texts)
    if all(isinstance(text, str) for text in texts):
        texts = [texts] * images
    elif any(isinstance(text, str) for text in texts):
        raise ValueError(
            'texts are expressions, or a list of expressions for each image, not both'
        )
    elif len(texts) != images:
        raise ValueError(
            f'{len(texts)} lists of expressions for {images} images: give one for '
            'each, or one list for all'
        )
    stripped = [[text.strip() for text in group] for group in texts]
    for group in stripped:
        if not group or not all(group):
            raise ValueError('an expression is empty: say in words what to look for')
        if len(group) > MAX_EXPRESSIONS:
            raise ValueError(
                f'{len(group)} expressions for one image; at most {MAX_EXPRESSIONS} go '
                'together, ask for it again with the others'
            )
        wrong = next(filter(None, map(wrong_text, group)), None)
        if wrong is not None:
            raise ValueError(f'{wrong}: say in words what to look for')
        longest = max(group, key=len)
        if len(longest) > MAX_CHARACTERS:
            raise ValueError(
                f'an expression has {len(longest)} characters, and at most '
                f'{MAX_CHARACTERS} are taken: {longest[:40]}...'
            )
    return stripped


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
