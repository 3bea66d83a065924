"""Numbers of expressions as published."""

# dataset and who split it: split: expressions
PUBLISHED_COUNTS = {
    'refcoco_unc': dict(train=120624, val=10834, testA=5657, testB=5095),
    'refcoco+_unc': dict(train=120191, val=10758, testA=5726, testB=4889),
    'refcocog_umd': dict(train=80512, val=4896, test=9602),
    'refcocog_google': dict(train=85474, val=9536),
    'referit_berkeley': dict(train=54127, val=5842, test=60103),
    'flickr30k': dict(train=427193, val=14433, test=14481),
}


def resolve_expected_count(
    expected_count: str | dict[str, int] | int | None, splits: tuple[str, ...]
) -> dict[str, int]:
    """Say how many expressions each split must have.

    Args:
        expected_count (str | dict[str, int] | int, optional): Name in
            ``PUBLISHED_COUNTS``, numbers by split, or the number of the one split.
        splits (tuple[str, ...]): The splits that are read.

    Returns:
        dict[str, int]: Numbers by split, of the splits whose number is known.

    Raises:
        ValueError: There are no such published counts, or one number for several
            splits.
    """
    if isinstance(expected_count, str):
        if expected_count not in PUBLISHED_COUNTS:
            raise ValueError(
                f'expected_count={expected_count!r} is no published dataset; '
                f'there are {", ".join(PUBLISHED_COUNTS)}'
            )
        return PUBLISHED_COUNTS[expected_count]
    if isinstance(expected_count, int):
        if len(splits) > 1:
            raise ValueError(
                f'expected_count={expected_count} is one number for the splits '
                f'{", ".join(splits)}; give a dict of numbers by split'
            )
        return {splits[0]: expected_count}
    return expected_count or {}
