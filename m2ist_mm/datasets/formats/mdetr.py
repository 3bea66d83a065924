"""MDETR's COCO files of referring expressions."""

from collections import defaultdict

from .coco_tables import read_coco_tables
from .fields import read_fields, to_xyxy


def read_mdetr(
    path: str, with_boxes: bool = True, backend_args: dict | None = None
) -> tuple[list[dict], list[str]]:
    """Read a file such as ``finetune_refcoco_train.json`` (MDETR, arXiv 2104.12763).

    Each entry of ``images`` is one expression: ``caption``, the image's ``file_name``
    and size, and the ``dataset_name`` it is from. Its box is the one annotation of that
    entry, xywh. ``origins`` are the entries' ids.

    Args:
        path, with_boxes, backend_args: See :class:`FileFormat`.

    Returns:
        tuple[list[dict], list[str]]: Expressions and faults, see
        :meth:`RECFileDataset.load_expressions`.

    Raises:
        DatasetError: The file is missing, incomplete or not in COCO's layout.
    """
    images, annotations, faults = read_coco_tables(
        path, dict(caption=str), with_boxes, backend_args
    )
    for table in (images, annotations):
        faults += [row for row in table.values() if isinstance(row, str)]
    boxes = defaultdict(list)
    for annotation in annotations.values():
        if isinstance(annotation, dict):
            boxes[annotation['image_id']].append(annotation['bbox'])

    expressions = []
    for image in images.values():
        if isinstance(image, str):
            continue
        entry = f'{path}: images id {image["id"]}'
        try:
            more = read_fields(image, {}, dict(original_id=int | str, dataset_name=str))
        except ValueError as error:
            faults.append(f'{entry}: {error}')
            continue
        found = boxes.pop(image['id'], [])
        if with_boxes and not found and faults:
            continue  # its annotation may be the faulty one
        expression = dict(
            text=image['caption'],
            sent_id=image['id'],
            image=image['file_name'],
            img_id=more.get('original_id', image['id']),
            width=image['width'],
            height=image['height'],
            dataset=more.get('dataset_name'),
            entry=entry,
            origins=[image['id']],
        )
        if with_boxes:
            expression['boxes'] = [to_xyxy(bbox, 'xywh') for bbox in found]
        expressions.append(expression)
    if not faults:  # else their images may be the faulty ones
        faults = [f'{path}: images id {key}: has annotations alone' for key in boxes]
    return expressions, faults
