"""Ask a model for 'the CATEGORY' in all images that hold exactly one of it."""

import argparse
import sys
from pathlib import Path

from pycocotools.coco import COCO

from m2ist_mm.apis import DEFAULT_MODEL, RECInferencer
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


def single_objects(coco: COCO, category: str) -> dict[str, list[float]]:
    """Box (xywh) of the one object of a category, by the image's file name."""
    numbers = coco.getCatIds(catNms=[category])
    if not numbers:
        names = sorted(entry['name'] for entry in coco.dataset['categories'])
        raise ValueError(f'there is no category {category!r}, only {", ".join(names)}')
    found = {}
    for image in coco.loadImgs(sorted(coco.getImgIds(catIds=numbers))):
        objects = coco.loadAnns(coco.getAnnIds(image['id'], numbers))
        if len(objects) == 1 and not objects[0].get('iscrowd'):
            found[image['file_name']] = objects[0]['bbox']
    return found


def main() -> None:
    args = parse_args()
    objects = single_objects(COCO(args.ann_file), args.category)
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
