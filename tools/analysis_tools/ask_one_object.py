"""Ask a model for 'the CATEGORY' in all images that hold exactly one of it."""

import argparse
import math
import sys
from collections import defaultdict
from pathlib import Path

from m2ist_mm.apis import DEFAULT_MODEL, RECInferencer
from m2ist_mm.datasets import DatasetError
from m2ist_mm.datasets.formats import duplicates, read_fields, read_json
from m2ist_mm.datasets.formats.coco_tables import coco_tables
from m2ist_mm.engine.program import run_program
from m2ist_mm.evaluation import aligned_iou


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog='example: python tools/analysis_tools/ask_one_object.py '
        'refcoco/instances.json train2014 dog',
    )
    parser.add_argument('ann_file', help="annotations in COCO's format")
    parser.add_argument('images', help='folder of the images')
    parser.add_argument('category', help='name of the category: dog')
    parser.add_argument(
        '--config', default=DEFAULT_MODEL, help='as in tools/image_demo.py'
    )
    parser.add_argument('--checkpoint', help='as in tools/image_demo.py')
    return parser.parse_args()


def single_objects(path: str, category: str) -> dict[str, list[float]]:
    """Box (xywh) of the one object of a category, by the image's file name.

    Raises:
        DatasetError: The file is missing or incomplete, or an entry is faulty.
        ValueError: There is no such category.
    """
    content = read_json(path)
    images, annotations, faults = coco_tables(path, content)
    faults += [row for row in images.values() if isinstance(row, str)]
    sound = [row for row in images.values() if isinstance(row, dict)]
    faults += duplicates(path, 'file_name', [row['file_name'] for row in sound])
    names = _category_names(path, content)
    objects = defaultdict(list)
    for key, row in annotations.items():
        entry = f'{path}: annotations id {key}'
        if isinstance(row, str):
            faults.append(row)
            continue
        try:
            number = read_fields(row, dict(category_id=int))['category_id']
        except ValueError as error:
            faults.append(f'{entry}: {error}')
            continue
        if names.get(number) != category:
            continue
        if row['image_id'] not in images:
            faults.append(f'{entry}: its image {row["image_id"]} is not there')
        elif not all(map(math.isfinite, row['bbox'])) or min(row['bbox'][2:]) <= 0:
            faults.append(f"{entry}: its 'bbox' {row['bbox']} is no box (x, y, w, h)")
        else:
            objects[row['image_id']].append(row)
    if faults:
        raise DatasetError(faults)
    if category not in names.values():
        known = ', '.join(sorted(names.values()))
        raise ValueError(f'there is no category {category!r}, only {known}')
    return {
        images[number]['file_name']: own[0]['bbox']
        for number, own in sorted(objects.items())
        if len(own) == 1 and not own[0].get('iscrowd')
    }


def _category_names(path: str, content: dict) -> dict[int, str]:
    """Names of the categories by their id.

    Raises:
        DatasetError: There are none, or one has no id or name.
    """
    rows = content.get('categories')
    if not isinstance(rows, list):
        raise DatasetError(f"{path}: has no list 'categories'; it must be a COCO file")
    names = {}
    for number, row in enumerate(rows):
        try:
            read = read_fields(row, dict(id=int, name=str))
        except ValueError as error:
            raise DatasetError(f'{path}: categories entry {number}: {error}') from error
        names[read['id']] = read['name']
    return names


def main() -> None:
    args = parse_args()
    objects = single_objects(args.ann_file, args.category)
    if not objects:
        raise ValueError(f'no image holds exactly one {args.category}')
    inferencer = RECInferencer(args.config, args.checkpoint)
    paths = [str(Path(args.images, name)) for name in objects]
    predictions = inferencer(paths, f'the {args.category}')['predictions']
    boxes = [[x, y, x + w, y + h] for x, y, w, h in objects.values()]
    ious = aligned_iou([found['bboxes'][0] for found in predictions], boxes)
    hits = int((ious >= 0.5).sum())
    print(f'P@0.5 {100 * hits / len(ious):.1f} % ({hits} of {len(ious)} images)')


if __name__ == '__main__':
    sys.exit(run_program(main))
