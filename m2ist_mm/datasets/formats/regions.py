"""What labelling tools call a region: a box, perhaps with a sentence."""

from collections.abc import Iterable


def finish_regions(images: Iterable[list[dict]], with_boxes: bool) -> list[dict]:
    """Make expressions of the regions of each image, and number them.

    Regions of one image that say the same are one expression with several boxes.

    Args:
        images (Iterable[list[dict]]): The regions of each image, with ``text`` (None
            where a box has no sentence), ``boxes`` (a list of xyxy) and ``origins``.
        with_boxes (bool): Whether boxes are wanted; without, each text is an
            expression, and what has none is left out.

    Returns:
        list[dict]: The expressions, each with its ``sent_id``.
    """
    expressions = []
    for regions in images:
        by_text = {}
        for region in regions:
            text = region['text'] and region['text'].strip()
            if not with_boxes:
                del region['boxes']
                expressions += [region] if text is not None else []
            elif text is not None and text in by_text:
                by_text[text]['boxes'] += region['boxes']
                by_text[text]['origins'] += region['origins']
            else:
                expressions.append(region)
                by_text[text] = region
    for number, expression in enumerate(expressions):
        expression['sent_id'] = number
    return expressions


def rotated(degrees: float | None) -> str | None:
    """Say it if a box is rotated, which no box of an expression can be."""
    if not isinstance(degrees, int | float) or degrees % 360 == 0:
        return None
    return (
        f'its box is rotated by {degrees:g} degrees, and boxes here are upright: draw '
        'it anew without rotation'
    )
