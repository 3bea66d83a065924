"""Label Studio's JSON export."""

import re
from collections import defaultdict
from collections.abc import Iterator
from itertools import chain
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from ...standalone.predict import has_lone_surrogate
from ..dataset_error import DatasetError
from .fields import choose_text_field, read_fields
from .json_text import read_json
from .regions import finish_regions, rotated

_RECTANGLES = ('rectanglelabels', 'rectangle')
_RECTANGLE_KEYS = ('x', 'y', 'width', 'height')
_UPLOAD_PREFIX = re.compile('[0-9a-f]{8}-(?=.)')


def read_label_studio(
    path: str,
    text_field: str | None = None,
    with_boxes: bool = True,
    backend_args: dict | None = None,
) -> tuple[list[dict], list[str]]:
    """Read rectangles with a text per region from an export of the kind 'JSON'.

    A task has ``data`` with the image's address, and ``annotations``, each with a list
    ``result``. The results of one region share an ``id``: the rectangle, whose ``x``,
    ``y``, ``width`` and ``height`` are percent of the image, and what a
    ``<TextArea perRegion="true">`` holds, several texts being several expressions.
    Results without an ``id`` are of one region if they have the same rectangle.
    Skipped annotations are passed over. ``kind`` is the rectangle's label.

    Args:
        path, with_boxes, backend_args: See :class:`FileFormat`.
        text_field (str, optional): The ``name`` of the text area (``from_name`` in the
            file); or of the rectangle's labels, if these are the sentences.

    Returns:
        tuple[list[dict], list[str]]: Expressions and faults, see
        :meth:`RECFileDataset.load_expressions`. Boxes are in percent, as
        ``box_unit`` says. ``origins`` are (task, annotation, region).

    Raises:
        DatasetError: The file is missing, incomplete or no such export, or the field
            of the text must be named.
    """
    tasks = read_json(path, backend_args)
    if not isinstance(tasks, list):
        raise DatasetError(
            f"{path}: is no list of tasks; choose 'JSON' in Label Studio's export"
        )
    faults, annotations = [], []
    for number, task in enumerate(tasks):
        entry = f'{path}: task {number}'
        try:
            values = read_fields(
                task, dict(data=dict, annotations=list), dict(id=int | str)
            )
            entry = f'{path}: task {values.get("id", number)}'
            names = _image_names(values['data'])
            results = list(_results(values['annotations']))
        except ValueError as error:
            faults.append(f'{entry}: {error}')
            continue
        annotations += [
            (entry, names, (number, position), regions) for position, regions in results
        ]
    fields = choose_text_field(
        path,
        _texts_by_field(annotations, 'textarea'),
        text_field,
        _texts_by_field(annotations, 'rectanglelabels'),
    )
    by_annotation = []
    for entry, names, place, regions in annotations:
        found = []
        for region, results in regions.items():
            try:
                read = _read_region(results, fields[0])
            except ValueError as error:
                faults.append(f'{entry}, region {region}: {error}')
                continue
            for expression in read:
                expression.update(
                    image=names[0],
                    aliases=names[1:],
                    entry=f'{entry}, region {region}',
                    origins=[[*place, region]],
                    text_fields=fields,
                )
            found += read
        by_annotation.append(found)
    return finish_regions(by_annotation, with_boxes), faults


def region_of(result: dict) -> str:
    """Say which region a result belongs to: its ``id``, or else its rectangle."""
    if result.get('id') is None and _has_rectangle(result):
        corner = ', '.join(str(result['value'][key]) for key in _RECTANGLE_KEYS)
        return f'at {corner}'
    return str(result.get('id'))


def image_file_names(address: str) -> list[str]:
    """Name the files that an image of an export may be, the likeliest first.

    Label Studio keeps an upload as ``/data/upload/3/1a2b3c4d-dog.jpg`` and serves local
    files as ``/data/local-files/?d=images/my%20dog.jpg``.

    Args:
        address (str): What a task calls its image: such a path, a URL or a file.
    """
    url = urlsplit(address)
    served = parse_qs(url.query).get('d')
    path = served[0] if served else unquote(url.path)
    path = re.sub('^/?data/upload/([0-9]+/)?', '', path)
    base = path.rpartition('/')[2]
    names = [path.lstrip('/'), base, _UPLOAD_PREFIX.sub('', base, count=1)]
    if not url.scheme and not served:  # a file may have a % or a ? in its name
        names.append(address.rpartition('/')[2])
    return list(dict.fromkeys(filter(None, names)))


def _image_names(data: dict) -> list[str]:
    """Find the image of a task.

    Raises:
        ValueError: There is none, or several.
    """
    addresses = {
        key: value
        for key, value in data.items()
        if isinstance(value, str)
        and (key == 'image' or re.search(r'\.\w{3,4}($|[?&])|^/data/', value))
    }
    if 'image' not in addresses and len(addresses) != 1:
        keys = ', '.join(map(repr, addresses or data))
        raise ValueError(f'its data must name one image; has {keys or "nothing"}')
    address = addresses.get('image') or next(iter(addresses.values()))
    names = image_file_names(address)
    if not names or has_lone_surrogate(address):
        raise ValueError(f'its image {address!r} names no file')
    return names


def _results(annotations: list) -> Iterator[tuple[int, dict[str, list[dict]]]]:
    """Give the results of each annotation by region.

    Raises:
        ValueError: An annotation is none.
    """
    for position, annotation in enumerate(annotations):
        values = read_fields(annotation, dict(result=list))
        if annotation.get('was_cancelled'):
            continue
        regions = defaultdict(list)
        for result in values['result']:
            if isinstance(result, dict) and 'value' in result:
                read_fields(result, dict(type=str, value=dict), dict(id=int | str))
                regions[region_of(result)].append(result)
        yield position, regions


def _has_rectangle(result: dict) -> bool:
    value = result.get('value')
    return isinstance(value, dict) and all(key in value for key in _RECTANGLE_KEYS)


def _texts_by_field(annotations: list[tuple], kind: str) -> dict[str, list[str]]:
    """Texts of the text areas, or of the rectangles' labels, by their names."""
    found = defaultdict(list)
    for *_, regions in annotations:
        for result in chain.from_iterable(regions.values()):
            if result['type'] == kind:
                value = result['value'].get('text' if kind == 'textarea' else kind)
                texts = value if isinstance(value, list) else [value]
                field = found[str(result.get('from_name'))]
                field += [
                    text for text in texts if isinstance(text, str) and text.strip()
                ]
    return found


def _read_region(results: list[dict], field: str) -> list[dict]:
    """Read the expressions of a region; a box without any has the text ``None``.

    Raises:
        ValueError: It is rotated or no rectangle of four numbers, or its text has
            neither an ``id`` nor a rectangle.
    """
    texts, common, boxes = [], {}, []
    for result in results:
        kind, value = result['type'], result['value']
        without_id = result.get('id') is None
        if result.get('from_name') == field:
            texts += _texts(value.get('text' if kind == 'textarea' else kind))
            if texts and without_id and not _has_rectangle(result):
                raise ValueError(
                    f'its text {texts[0]!r:.80} has no id, which says the rectangle '
                    "that it belongs to, nor x, y, width and height; choose 'JSON' in "
                    "Label Studio's export, which writes ids"
                )
        if kind in ('rectanglelabels', 'labels') and (
            labels := _texts(value.get(kind))
        ):
            common['kind'] = labels[0]
        if kind in _RECTANGLES or (kind == 'textarea' and without_id and texts):
            size = read_fields(
                result, {}, dict(original_width=int, original_height=int)
            )
            if len(size) == 2:
                common['width'], common['height'] = size.values()
            boxes = [_read_rectangle(result)]
    if not texts and boxes:
        texts = [None]
    return [
        dict(common, text=text, boxes=list(boxes), box_unit='percent') for text in texts
    ]


def _texts(value: Any) -> list[str]:
    """Read the texts of a region, one or a list of them, without empty ones.

    Raises:
        ValueError: They are none.
    """
    texts = value if isinstance(value, list) else [value or '']
    read = [read_fields(dict(text=text), dict(text=str))['text'] for text in texts]
    return [text for text in read if text.strip()]


def _read_rectangle(result: dict) -> list[float]:
    """Read a rectangle as xyxy in percent.

    Raises:
        ValueError: It is rotated or lacks a number.
    """
    number = int | float
    value = read_fields(
        result['value'],
        dict(x=number, y=number, width=number, height=number),
        dict(rotation=number),
    )
    turned = read_fields(result, {}, dict(image_rotation=number))
    if fault := rotated(value.get('rotation')):
        raise ValueError(fault)
    if turned.get('image_rotation', 0) % 360:
        raise ValueError(
            f'its image was turned by {turned["image_rotation"]:g} degrees while it '
            'was labelled: turn the file itself, and label it upright'
        )
    return [
        value['x'],
        value['y'],
        value['x'] + value['width'],
        value['y'] + value['height'],
    ]
