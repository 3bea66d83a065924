"""COCO files whose annotations have a text: CVAT's COCO export, and others'."""

from collections import defaultdict

from ...standalone.predict import has_lone_surrogate
from .coco_tables import coco_tables
from .fields import choose_text_field, to_xyxy
from .json_text import read_json
from .regions import finish_regions, rotated

CATEGORY = 'category'


def read_coco(
    path: str,
    text_field: str | None = None,
    with_boxes: bool = True,
    backend_args: dict | None = None,
) -> tuple[list[dict], list[str]]:
    """Read a COCO file with a text at each annotation.

    The text is a value of the annotation itself, such as ``caption``, or of its
    ``attributes``, where CVAT writes those that a project defines; a list of texts is
    several expressions. ``kind`` is the name of the category.

    Args:
        path, with_boxes, backend_args: See :class:`FileFormat`.
        text_field (str, optional): The name of this value; 'category' for the name of
            the category.

    Returns:
        tuple[list[dict], list[str]]: Expressions and faults, see
        :meth:`RECFileDataset.load_expressions`. ``origins`` are the annotations' ids.

    Raises:
        DatasetError: The file is missing, incomplete or not in COCO's layout, or the
            field of the text must be named.
    """
    content = read_json(path, backend_args)
    images, annotations, faults = coco_tables(path, content)
    categories = _category_names(content)
    sound = {key: row for key, row in annotations.items() if isinstance(row, dict)}
    texts = {key: _texts(row) for key, row in sound.items()}
    faulty = [row for row in annotations.values() if isinstance(row, str)]
    if faulty and not any(texts.values()) and text_field != CATEGORY:
        return [], faults + faulty  # the texts may be theirs
    by_field = defaultdict(list)
    for own in texts.values():
        for name, said in own.items():
            by_field[name] += said
    fields = choose_text_field(
        path, by_field, text_field, [CATEGORY] if categories else []
    )
    field = fields[0]
    faults += faulty
    by_image = defaultdict(list)
    for key, row in sound.items():
        entry = f'{path}: annotations id {key}'
        image = images.get(row['image_id'])
        if not isinstance(image, dict):
            faults.append(image or f'{entry}: its image {row["image_id"]} is not there')
            continue
        if fault := rotated(_attributes(row).get('rotation')):
            faults.append(f'{entry}: {fault}')
            continue
        expression = dict(
            image=image['file_name'],
            img_id=image['id'],
            width=image['width'],
            height=image['height'],
            entry=entry,
            text_fields=fields,
        )
        number = row.get('category_id')
        category = categories.get(number) if isinstance(number, int) else None
        if category is not None:
            expression['kind'] = category
        if field == CATEGORY and CATEGORY not in texts[key]:
            said = [category]
        else:
            said = texts[key].get(field, [None])
        by_image[image['id']] += [
            dict(
                expression,
                text=text,
                boxes=[to_xyxy(row['bbox'], 'xywh')],
                origins=[key],
            )
            for text in said
        ]
    expressions = finish_regions(by_image.values(), with_boxes)
    return expressions, list(dict.fromkeys(faults))


def _category_names(content: dict) -> dict[int, str]:
    """Names of the categories by their id; what is none is passed over."""
    rows = content.get('categories')
    return {
        row['id']: row['name']
        for row in (rows if isinstance(rows, list) else [])
        if isinstance(row, dict)
        and isinstance(row.get('id'), int)
        and isinstance(row.get('name'), str)
        and not has_lone_surrogate(row['name'])
    }


def _attributes(annotation: dict) -> dict:
    attributes = annotation.get('attributes')
    return attributes if isinstance(attributes, dict) else {}


def _texts(annotation: dict) -> dict[str, list[str]]:
    """Find the texts of an annotation and of its attributes, by their field."""
    texts = {}
    for name, value in {**annotation, **_attributes(annotation)}.items():
        values = [v for v in (value if isinstance(value, list) else [value]) if v]
        if name != 'id' and values and all(isinstance(v, str) for v in values):
            texts[name] = values
    return texts
