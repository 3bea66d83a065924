"""mmdet's ODVG files of referring expressions."""

from ..dataset_error import DatasetError
from .fields import read_boxes, read_fields
from .json_text import parse_json_rows, read_text
from .regions import finish_regions

CAPTION, PHRASE = 'caption', 'phrase'


def read_odvg(
    path: str,
    text_field: str | None = None,
    with_boxes: bool = True,
    backend_args: dict | None = None,
) -> tuple[list[dict], list[str]]:
    """Read what mmdet's ``refcoco2odvg.py`` writes, one JSON value per line.

    A row has ``filename``, ``height``, ``width`` and ``grounding``, whose ``caption``
    is the expression and whose ``regions`` have its boxes, xyxy: a referring
    expression has one region with one box.

    Args:
        path, with_boxes, backend_args: See :class:`FileFormat`.
        text_field (str, optional): 'caption', or 'phrase': each region's phrase is an
            expression.

    Returns:
        tuple[list[dict], list[str]]: Expressions and faults, see
        :meth:`RECFileDataset.load_expressions`. A caption's ``sent_id`` and ``origins``
        are the number of its row.

    Raises:
        DatasetError: The file is missing or incomplete.
    """
    if text_field not in (None, CAPTION, PHRASE):
        raise DatasetError(
            f'{path}: has no text_field={text_field!r}; the fields are '
            f'{CAPTION!r}, {PHRASE!r}'
        )
    fields = [PHRASE, CAPTION] if text_field == PHRASE else [CAPTION, PHRASE]
    by_row, faults = [], []
    rows = parse_json_rows(path, read_text(path, backend_args))
    for number, (entry, row) in enumerate(rows):
        try:
            values = read_fields(
                row, dict(filename=str, height=int, width=int, grounding=dict)
            )
            if text_field == PHRASE:
                found = _read_phrases(values['grounding'])
            else:
                found = [_read_caption(values['grounding'], with_boxes)]
        except ValueError as error:
            faults.append(f'{entry}: {error}')
            continue
        for expression in found:
            expression.update(
                sent_id=number,
                image=values['filename'],
                width=values['width'],
                height=values['height'],
                entry=entry,
                origins=[number],
                text_fields=fields,
            )
        by_row.append(found)
    if text_field == PHRASE:
        return finish_regions(by_row, with_boxes), faults
    return [expression for found in by_row for expression in found], faults


def _read_caption(grounding: dict, with_boxes: bool) -> dict:
    """Read a caption and the boxes of its regions.

    Raises:
        ValueError: A value is missing or of another type.
    """
    read = read_fields(grounding, dict(caption=str))
    expression = dict(text=read['caption'])
    if with_boxes:
        regions = read_fields(grounding, dict(regions=list))['regions']
        expression['boxes'] = [box for region in regions for box in read_boxes(region)]
    return expression


def _read_phrases(grounding: dict) -> list[dict]:
    """Read the phrases of the regions, each with its boxes.

    Raises:
        ValueError: A value is missing or of another type.
    """
    found = []
    for region in read_fields(grounding, dict(regions=list))['regions']:
        phrase = read_fields(region, dict(phrase=str | list))['phrase']
        words = phrase if isinstance(phrase, list) else [phrase]
        if not all(isinstance(word, str) for word in words):
            raise ValueError(f"its 'phrase' is {words!r:.80}, no text")
        found.append(dict(text=' '.join(words), boxes=read_boxes(region)))
    return found
