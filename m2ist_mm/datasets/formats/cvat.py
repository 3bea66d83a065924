"""CVAT's XML, version 1.1, of image tasks."""

import math
from collections import defaultdict
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from ..dataset_error import DatasetError
from .fields import choose_text_field
from .json_text import read_bytes
from .regions import finish_regions, rotated

LABEL = 'label'
_CORNERS = ('xtl', 'ytl', 'xbr', 'ybr')


def read_cvat(
    path: str,
    text_field: str | None = None,
    with_boxes: bool = True,
    backend_args: dict | None = None,
) -> tuple[list[dict], list[str]]:
    """Read boxes with a text attribute from 'CVAT for images 1.1', ``annotations.xml``.

    An ``<image>`` has ``name``, ``width`` and ``height``, and ``<box>`` elements with
    ``xtl``, ``ytl``, ``xbr``, ``ybr`` in pixels and ``<attribute name="...">``. Other
    shapes are passed over unless they have a text: then it has no box. An image's
    ``subset`` is its split, unless it is 'default'; ``kind`` is the label.

    Args:
        path, with_boxes, backend_args: See :class:`FileFormat`.
        text_field (str, optional): The name of the attribute; 'label' for the label.

    Returns:
        tuple[list[dict], list[str]]: Expressions and faults, see
        :meth:`RECFileDataset.load_expressions`. ``origins`` are (image, shape).

    Raises:
        DatasetError: The file is missing, incomplete, declares entities, or is no such
            export; or the field of the text must be named.
    """
    root = _parse(path, read_bytes(path, backend_args))
    images = root.findall('image')
    shapes = [shape for image in images for shape in image if shape.get(LABEL)]
    if root.find('track') is not None:
        raise DatasetError(
            f"{path}: is an export of a video; choose 'CVAT for images 1.1'"
        )
    by_field = defaultdict(list)
    for shape in shapes:
        for name, text in _texts(shape).items():
            by_field[name].append(text)
    fields = choose_text_field(path, by_field, text_field, [LABEL] * len(shapes))
    field = fields[0]
    by_image, faults = [], []
    for image_number, image in enumerate(images):
        by_image.append([])
        for shape_number, shape in enumerate(image):
            text = _texts(shape).get(field)
            if field == LABEL and text is None:
                text = shape.get(LABEL)
            if text is None and shape.tag != 'box':
                continue
            entry = f'{path}: image {image.get("name")!r}, {shape.tag} {shape_number}'
            try:
                region = _read_shape(image, shape)
            except ValueError as error:
                faults.append(f'{entry}: {error}')
                continue
            region.update(
                text=text,
                entry=entry,
                origins=[[image_number, shape_number]],
                text_fields=fields,
            )
            by_image[-1].append(region)
    return finish_regions(by_image, with_boxes), faults


def _parse(path: str, content: bytes) -> Element:
    """Parse the file; entities are refused, as they can blow up or read other files.

    Raises:
        DatasetError: It is no XML, declares entities, or is of another kind.
    """
    try:
        root = fromstring(content)
    except DefusedXmlException as error:
        raise DatasetError(
            f'{path}: declares entities, which CVAT does not write; not read'
        ) from error
    except (ParseError, ValueError, LookupError) as error:
        raise DatasetError(
            f'{path}: not a complete XML file: {error}; get the original file again'
        ) from error
    if root.tag != 'annotations':
        raise DatasetError(
            f"{path}: begins with <{root.tag}>, not with CVAT's <annotations>"
        )
    return root


def _texts(shape: Element) -> dict[str, str]:
    """Find the attributes of a shape that are not empty."""
    return {
        attribute.get('name', ''): attribute.text.strip()
        for attribute in shape.findall('attribute')
        if (attribute.text or '').strip()
    }


def _read_shape(image: Element, shape: Element) -> dict:
    """Read image, kind and box of a shape.

    Raises:
        ValueError: A value is missing or no number, or the box is rotated.
    """
    name = image.get('name')
    if not name:
        raise ValueError("its image has no 'name'")
    region = dict(image=name, kind=shape.get(LABEL, ''), boxes=[])
    for key in ('width', 'height'):
        if image.get(key) is not None:
            region[key] = int(_number(image, key))
    if image.get('subset', 'default') != 'default':
        region['split'] = image.get('subset')
    if shape.tag == 'box':
        if fault := rotated(_number(shape, 'rotation', '0')):
            raise ValueError(fault)
        region['boxes'] = [[_number(shape, key) for key in _CORNERS]]
    return region


def _number(element: Element, key: str, default: str | None = None) -> float:
    value = element.get(key, default)
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f'its {key!r} is {value!r}, not a number')
    return number
