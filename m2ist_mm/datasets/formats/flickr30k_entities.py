"""Flickr30k Entities as its authors publish it, turned into rows.

Plummer et al., ICCV 2015; https://github.com/BryanPlummer/flickr30k_entities
"""

import re
from collections import Counter
from pathlib import Path
from xml.etree.ElementTree import ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from ..image_size import read_image_size
from .json_text import read_bytes, read_text

SPLITS = ('train', 'val', 'test')
NOT_VISUAL = '0'  # the chain of all phrases that nobody drew boxes for
# chain, kinds and words of '[/EN#40122/clothing/bodyparts red sleeves]'
_PHRASE = re.compile(r'\[/EN#(\d+)((?:/\w+)+)\s+([^][\s][^][]*)\]')
_CORNERS = ('xmin', 'ymin', 'xmax', 'ymax')
_TOLERANCE = 1  # pixels that a box may leave its image by, as in RECDataset


def read_splits(folder: Path) -> dict[str, str]:
    """Read ``train.txt``, ``val.txt`` and ``test.txt``: the split of each image.

    Raises:
        ValueError: A list is missing, or an image is in two of them.
    """
    splits = {}
    for split in SPLITS:
        path = folder / f'{split}.txt'
        if not path.is_file():
            raise ValueError(
                f'{path}: no such list of the images of a split; it lies beside '
                'annotations.zip in the repository of Flickr30k Entities'
            )
        for image in read_image_numbers(path):
            if splits.setdefault(image, split) != split:
                raise ValueError(
                    f'{path}: image {image} is in {splits[image]}.txt, too; get the '
                    'original lists again'
                )
    return splits


def read_image_numbers(path: Path) -> list[str]:
    """Read a list of images, one per line, each known by the number it begins with.

    So '1000268201', '1000268201.jpg' and Flickr8k's '1000268201_693b08cb0e.jpg' are
    the same image.

    Raises:
        ValueError: The file is missing, or a line begins with something else.
    """
    images = []
    for number, line in enumerate(read_text(str(path)).split('\n'), 1):
        found = re.match(r'\s*([0-9]*)', line)
        if line.strip() and not found[1]:
            raise ValueError(
                f'{path}: line {number}, {line.strip()!r:.80}, does not begin with the '
                'number of an image, as 1000268201.jpg does; correct or remove it'
            )
        if found[1]:
            images.append(found[1])
    return images


def read_flickr30k_entities(
    folder: Path, images: Path, splits: dict[str, str]
) -> tuple[list[dict], list[str], Counter]:
    """Read the phrases of some images.

    Args:
        folder: The folder with ``Sentences/`` and ``Annotations/``.
        images: The folder with the images, ``NUMBER.jpg``.
        splits: By the number of each image that is to be read, its split.

    Returns:
        Rows of the format 'rows', one per distinct image, phrase and box; faults (an
        image with a fault has no rows); and how many phrases are 'without a box' or
        'repeated'. A row has ``image`` (below the parent of ``images``), ``expression``
        (in small letters), ``bbox`` (the union of ``boxes``, xyxy pixels), ``split``,
        ``kind`` (the first of the phrase's), ``boxes`` and ``sent_id`` (its number).
    """
    rows, faults, left_out = [], [], Counter()
    for number, split in splits.items():
        image = images / f'{number}.jpg'
        try:
            boxes = read_boxes(folder / 'Annotations' / f'{number}.xml', image)
            phrases = read_phrases(folder / 'Sentences' / f'{number}.txt', boxes)
        except ValueError as error:
            faults.append(str(error))
            continue
        found = {}
        for chain, kind, text in phrases:
            if not boxes.get(chain):
                left_out['without a box'] += 1
                continue
            left, top, right, bottom = zip(*boxes[chain], strict=True)
            bbox = (min(left), min(top), max(right), max(bottom))
            if (text, bbox) in found:
                left_out['repeated'] += 1
                continue
            found[text, bbox] = dict(
                image=f'{images.name}/{image.name}',
                expression=text,
                bbox=list(bbox),
                split=split,
                kind=kind,
                boxes=boxes[chain],
                sent_id=len(rows) + len(found),
            )
        rows += found.values()
    return rows, faults, left_out


def read_phrases(path: Path, boxes: dict[str, list]) -> list[tuple[str, str, str]]:
    """Read ``Sentences/NUMBER.txt``.

    Args:
        path: The file.
        boxes: By chain, see :func:`read_boxes`.

    Returns:
        Chain, first kind and text, in small letters, of each phrase.

    Raises:
        ValueError: The file is missing, a bracket opens or closes no phrase, or a chain
            is unknown.
    """
    phrases = []
    for number, line in enumerate(read_text(_existing(path)).split('\n'), 1):
        if re.search(r'[][]', _PHRASE.sub('', line)):
            raise ValueError(
                f'{path}: line {number} has a bracket that belongs to no phrase, such '
                'as [/EN#1/people A girl]; get the original file again'
            )
        for chain, kinds, words in _PHRASE.findall(line):
            if chain != NOT_VISUAL and chain not in boxes:
                raise ValueError(
                    f'{path}: line {number}, {words!r:.80} is of chain {chain}, which '
                    f'Annotations/{path.stem}.xml does not have; get both files again'
                )
            text = ' '.join(words.split()).lower()
            phrases.append((chain, kinds.split('/')[1], text))
    return phrases


def read_boxes(path: Path, image: Path) -> dict[str, list[list[int]]]:
    """Read ``Annotations/NUMBER.xml``, whose pixels count from 1.

    Args:
        path: The file.
        image: Its image, which must have the size that the file names.

    Returns:
        By chain, its boxes: xyxy pixels from 0, as the authors' reader gives them (all
        numbers less 1). None for a scene, or for what is not to be seen.

    Raises:
        ValueError: A file is missing or damaged, the XML declares entities, the image
            has another size, or a box is empty or leaves it.
    """
    content = read_bytes(_existing(path))
    boxes = {}
    try:
        root = fromstring(content)
        size = tuple(int(root.findtext(f'size/{k}', '')) for k in ('width', 'height'))
        for item in root.iter('object'):
            found = [
                [int(box.findtext(key, '')) - 1 for key in _CORNERS]
                for box in item.iter('bndbox')
            ]
            for name in item.iter('name'):
                boxes.setdefault((name.text or '').strip(), []).extend(found)
    except DefusedXmlException as error:
        raise ValueError(
            f'{path}: declares entities, which the release does not; not read; get the '
            'original file again'
        ) from error
    except (ParseError, ValueError, LookupError) as error:
        raise ValueError(
            f'{path}: no complete XML file with sizes and boxes in whole pixels: '
            f'{error}; get the original file again'
        ) from error
    if (actual := read_image_size(image)) != size:
        raise ValueError(
            f'{image}: has {actual[0]}x{actual[1]} pixels, and the boxes in {path} are '
            f'of {size[0]}x{size[1]}; get the original image of Flickr30k'
        )
    for box in (box for found in boxes.values() for box in found):
        for low, high, length in zip(box[:2], box[2:], size, strict=True):
            if not -_TOLERANCE <= low < high <= length + _TOLERANCE:
                raise ValueError(
                    f'{path}: the box {box} (xyxy, from 0) is empty or leaves the '
                    f'image of {size[0]}x{size[1]} pixels; get the original file again'
                )
    return boxes


def _existing(path: Path) -> str:
    if not path.is_file():
        raise ValueError(f'{path}: no such file; unpack annotations.zip again')
    return str(path)
