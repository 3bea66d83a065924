"""mmdet's ODVG files of referring expressions."""

from .fields import wrong_field
from .json_text import read_json_lines


def read_odvg(
    path: str, backend_args: dict | None = None
) -> tuple[list[dict], list[str]]:
    """Read what mmdet's ``refcoco2odvg.py`` writes, one JSON value per line.

    A row has ``filename``, ``height``, ``width`` and ``grounding``, whose ``caption``
    is the expression and whose ``regions`` are one region with one box, xyxy.

    Args:
        path (str): The file.
        backend_args (dict, optional): Where mmengine reads it.

    Returns:
        tuple[list[dict], list[str]]: Expressions and faults, see
        :meth:`RECFileDataset.load_expressions`. A row's ``sent_id`` is its number.

    Raises:
        DatasetError: The file is missing or incomplete.
    """
    expressions, faults = [], []
    for number, (entry, row) in enumerate(read_json_lines(path, backend_args)):
        wrong = (
            wrong_field(row, dict(filename=str, height=int, width=int, grounding=dict))
            or wrong_field(row['grounding'], dict(caption=str, regions=list))
            or _wrong_regions(row['grounding']['regions'])
        )
        if wrong:
            faults.append(f'{entry}: {wrong}')
            continue
        expressions.append(
            dict(
                text=row['grounding']['caption'],
                sent_id=number,
                image=row['filename'],
                width=row['width'],
                height=row['height'],
                bbox=row['grounding']['regions'][0]['bbox'],
                entry=entry,
            )
        )
    return expressions, faults


def _wrong_regions(regions: list) -> str | None:
    """Say it if a caption does not name exactly one box."""
    boxes = [region.get('bbox') for region in regions if isinstance(region, dict)]
    # several boxes of one phrase are a list of lists
    several = any(isinstance(b, list) and b and isinstance(b[0], list) for b in boxes)
    if len(regions) != 1 or several:
        return 'names no box or several, so it is no referring expression'
    return wrong_field(regions[0], dict(bbox=list))
