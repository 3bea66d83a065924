"""Direction words of an expression: found, and mirrored with the image.

RefCOCO's expressions are typed in haste: next to "left" stand "leftmost",
"left-hand", "bottomright", "theleft" and "leftguy". So ``left`` and ``right``
count wherever they stand in a word, unless the word is an ordinary English
one that only happens to contain them ("bright", "upright", "leftover"). "rt" and "lt"
count as words of their own, but before a colour ("lt blue" is light blue). Positions on
a dial ("4 oclock") are mirrored as well.

What no rule on words can see stays as it is: "left" the verb ("the slice
left"), "right" the adverb ("right behind her"), and misspelt words ("rigth").
"""

import re

# Ordinary words with "left" or "right" in them, as stems at the start of a
# word. None is the beginning of another, so at most one can match.
_ORDINARY_STEMS = (
    'allright',
    'alright',
    'birthright',
    'bright',
    'cartwright',
    'cleft',
    'copyright',
    'downright',
    'forthright',
    'fright',
    'leftist',
    'leftover',
    'millwright',
    'outright',
    'playwright',
    'righteous',
    'rightful',
    'rightist',
    'rightly',
    'shipwright',
    'spright',
    'upright',
    'wheelwright',
    'wright',
)
_MIRROR = {'left': 'right', 'right': 'left', 'lt': 'rt', 'rt': 'lt'}


def _mirror_match(match: re.Match) -> str:
    word = match.group()
    mirrored = _MIRROR.get(word.lower())
    if mirrored is None:  # an ordinary word
        return word
    if word.isupper():
        return mirrored.upper()
    return mirrored.capitalize() if word[0].isupper() else mirrored


# The mirror images ("bleft", "rightover") are left alone too: only so does
# mirroring twice give the first text back.
_GUARDED = sorted(
    set(_ORDINARY_STEMS)
    | {
        re.sub('left|right', lambda m: _MIRROR[m.group()], stem)
        for stem in _ORDINARY_STEMS
    }
)
_COLOURS = 'blue|green|brown|gr[ae]y|pink|red|yellow|orange|purple|tan|beige|colou?r'
_LEFT_RIGHT = re.compile(
    rf'(?<![a-z])(?:{"|".join(_GUARDED)})|left|right'
    rf'|(?<![a-z])(?:lt|rt)(?![a-z])(?!\W*(?:{_COLOURS}))',
    re.IGNORECASE | re.ASCII,
)
_HOUR = re.compile(
    r"(?<![\d:.])(?:1[0-2]|[1-9])(?= ?o ?['’]? ?clock(?![a-z]))",
    re.IGNORECASE | re.ASCII,
)
# "top" hides in too many things on photographs (laptop, stop sign, topping) to
# count anywhere but in these words.
_TOP_BOTTOM_MIDDLE = re.compile(
    r'(?<![a-z])(?:on)?top(?:most|side|cent(?:er|re)|corner)?(?![a-z])'
    r'|bottom(?!less)|middle(?!m[ae]n|weight)',
    re.IGNORECASE | re.ASCII,
)


def swap_left_right(text: str) -> str:
    """Swap left and right in direction words, their compounds and clock positions.

    Swapping twice gives the first text back, as long as each "left" and
    "right" is written in lower case, in capitals or with a capital first
    letter (other mixtures come out in one of these).

    Args:
        text (str): An expression.

    Returns:
        str: The expression that fits the mirrored image.

    Examples:
        >>> swap_left_right('bright bowl left of the bottomright one')
        'bright bowl right of the bottomleft one'
        >>> swap_left_right('slice at 4 oclock')
        'slice at 8 oclock'
    """
    text = _LEFT_RIGHT.sub(_mirror_match, text)
    return _HOUR.sub(lambda match: str(12 - int(match.group()) % 12), text)


def has_direction_word(text: str) -> bool:
    """Whether an expression says left, right, top, bottom, middle or an hour.

    Such an expression may no longer be true of a cropped image.

    Args:
        text (str): An expression.

    Returns:
        bool: True with any of the five words, a compound of them, or a position on a
        dial.
    """
    return bool(_TOP_BOTTOM_MIDDLE.search(text) or _HOUR.search(text)) or any(
        match.group().lower() in _MIRROR for match in _LEFT_RIGHT.finditer(text)
    )
