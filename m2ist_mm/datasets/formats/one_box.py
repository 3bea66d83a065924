"""Expressions with several boxes, or with none."""

from collections import Counter
from collections.abc import Sequence

SEVERAL = ('refuse', 'leave-out', 'join')


def keep_one_box(
    expressions: Sequence[dict], several: str = 'refuse'
) -> tuple[list[dict], list[str], Counter]:
    """Give each expression the one box that a referring expression has.

    Boxes without a sentence are passed over: who labels objects need not describe all.

    Args:
        expressions (Sequence[dict]): With ``text``, ``entry`` and ``boxes``, a list of
            boxes (xyxy); those with a ``bbox`` are kept as they are.
        several (str): What to do where there is not one box: 'refuse' makes it a
            fault; 'leave-out' leaves the expression out; 'join' takes the box around
            all of several boxes, and leaves out the expressions without a box.

    Returns:
        tuple[list[dict], list[str], Counter]: The expressions, each with a ``bbox``;
        faults; and the numbers of expressions with ``several`` boxes, with ``none``,
        and of boxes ``without_text``.
    """
    kept, faults, counts = [], [], Counter()
    for expression in expressions:
        if 'boxes' not in expression:
            kept.append(expression)
            continue
        boxes = expression['boxes']
        if expression['text'] is None:
            counts['without_text'] += len(boxes)
            continue
        if len(boxes) != 1:
            counts['several' if boxes else 'none'] += 1
            if several == 'refuse':
                faults.append(
                    f'{expression["entry"]}: has {len(boxes) or "no"} '
                    f'box{"es" if boxes else ""}, and a referring expression one; '
                    "several='leave-out' leaves such rows out, 'join' takes the box "
                    'around all'
                )
            if several != 'join' or not boxes:
                continue
        low, high = boxes[0][:2], boxes[0][2:]
        for box in boxes[1:]:
            low = [min(pair) for pair in zip(low, box[:2], strict=True)]
            high = [max(pair) for pair in zip(high, box[2:], strict=True)]
        kept.append({**expression, 'bbox': [*low, *high]})
    return kept, faults, counts
