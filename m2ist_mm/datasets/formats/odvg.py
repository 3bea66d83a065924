"""mmdet's ODVG files of referring expressions."""

from .fields import read_fields
from .json_text import parse_json_lines, read_text


def read_odvg(
    path: str, with_boxes: bool = True, backend_args: dict | None = None
) -> tuple[list[dict], list[str]]:
    """Read what mmdet's ``refcoco2odvg.py`` writes, one JSON value per line.

    A row has ``filename``, ``height``, ``width`` and ``grounding``, whose ``caption``
    is the expression and whose ``regions`` are one region with one box, xyxy.

    Args:
        path (str): The file.
        with_boxes (bool): Whether boxes are read.
        backend_args (dict, optional): Where mmengine reads it.

    Returns:
        tuple[list[dict], list[str]]: Expressions and faults, see
        :meth:`RECFileDataset.load_expressions`. A row's ``sent_id`` is its number.

    Raises:
        DatasetError: The file is missing or incomplete.
    """
    expressions, faults = [], []
    rows = parse_json_lines(path, read_text(path, backend_args))
    for number, (entry, row) in enumerate(rows):
        try:
            values = read_fields(
                row, dict(filename=str, height=int, width=int, grounding=dict)
            )
            grounding = read_fields(values['grounding'], dict(caption=str))
            boxes = _read_boxes(values['grounding']) if with_boxes else {}
        except ValueError as error:
            faults.append(f'{entry}: {error}')
            continue
        expressions.append(
            dict(
                text=grounding['caption'],
                sent_id=number,
                image=values['filename'],
                width=values['width'],
                height=values['height'],
                entry=entry,
                **boxes,
            )
        )
    return expressions, faults


def _read_boxes(grounding: dict) -> dict:
    """Read the box of a caption's one region.

    Raises:
        ValueError: There are several boxes, or none.
    """
    regions = read_fields(grounding, dict(regions=list))['regions']
    if len(regions) != 1:
        raise ValueError(
            f'its caption names {len(regions)} regions, and a referring expression one'
        )
    return read_fields(regions[0], dict(bbox=list))
