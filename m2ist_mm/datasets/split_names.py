"""Names of splits."""

import re


def in_split(split: str, named: str | None) -> bool:
    """Whether what a file names a split of is in another split.

    Args:
        split (str): The split that is read.
        named (str, optional): The split of an entry. RefCLEF's joint splits count for
            each of theirs: 'testAB' for 'testA' and for 'testB'.
    """
    if named == split:
        return True
    joint = re.fullmatch('test([A-Z]{2,})', named or '')
    alone = re.fullmatch('test([A-Z])', split)
    return bool(joint and alone) and alone[1] in joint[1]
