"""Planted faults: how many of them an audit finds."""

from collections.abc import Iterable

import numpy as np

from .neighbours import other_objects

KINDS = ('box', 'sentence')


def plant_faults(
    rows: list[dict], share: float = 0.05, seed: int = 0
) -> tuple[list[dict], dict[int, str]]:
    """Spoil the labels of some rows, as annotators do.

    Half of them get the box of another object in the same image, half swap sentences
    with a row of another image.

    Args:
        rows: See :func:`.load_rows`.
        share: Of the rows that are spoilt.
        seed: Of the choice.

    Returns:
        New rows in the same order, and the kind of fault, one of ``KINDS``, by the
        ``sent_id`` of the spoilt rows.

    Raises:
        ValueError: There are too few rows, or too few with another object in their
            image.
    """
    generator = np.random.default_rng(seed)
    spoilt = [dict(row) for row in rows]
    half = round(share * len(rows) / 4) * 2  # sentences are swapped in pairs
    others = other_objects(rows)
    order = generator.permutation(len(rows)).tolist()
    boxes = [index for index in order if others[index]][:half]
    rest = [index for index in order if index not in set(boxes)]
    if not half or len(boxes) < half or len(rest) < half:
        raise ValueError(
            f'{len(rows)} rows, {sum(map(bool, others))} of them with another object '
            f'in their image, are too few to spoil {share:.0%}'
        )
    planted = {}
    for index in boxes:
        other = others[index][generator.integers(len(others[index]))]
        spoilt[index]['bbox'] = rows[other]['bbox']
        planted[rows[index]['sent_id']] = 'box'
    while rest and sum(kind == 'sentence' for kind in planted.values()) < half:
        one = rest.pop()
        for other in reversed(rest):
            if _differ(rows[one], rows[other]):
                rest.remove(other)
                for index, text in ((one, other), (other, one)):
                    spoilt[index]['expression'] = rows[text]['expression']
                    planted[rows[index]['sent_id']] = 'sentence'
                break
    return spoilt, planted


def recall(listed: Iterable[int], planted: dict[int, str]) -> dict:
    """Share of the planted faults that an audit lists.

    Args:
        listed: ``sent_id`` of the rows that are listed as suspect.
        planted: See :func:`plant_faults`.

    Returns:
        ``planted`` and ``found`` faults, and their ``recall`` in percent, in all and
        under each of ``KINDS``.
    """
    listed = set(listed)
    result = _recall(set(planted), listed)
    for kind in KINDS:
        of_kind = {number for number, fault in planted.items() if fault == kind}
        result[kind] = _recall(of_kind, listed)
    return result


def _recall(planted: set[int], listed: set[int]) -> dict:
    found = len(listed & planted)
    percent = 100 * found / len(planted) if planted else 0.0
    return {'planted': len(planted), 'found': found, 'recall': round(percent, 1)}


def _differ(one: dict, other: dict) -> bool:
    return (
        one['image'] != other['image']
        and one['expression'].casefold() != other['expression'].casefold()
    )
