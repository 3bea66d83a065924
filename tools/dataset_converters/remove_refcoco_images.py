"""Take the images that RefCOCO, RefCOCO+ and RefCOCOg test with out of COCO's file.

A detector that is trained on what is left has not seen them, and may pre-train a tower.
"""

import argparse
import json
import sys
from pathlib import Path

from m2ist_mm.atomic_file import write_atomically
from m2ist_mm.datasets import DatasetError, load_refs
from m2ist_mm.datasets.formats import read_fields, read_json
from m2ist_mm.engine.program import run_program


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('instances', help="COCO's instances_train2017.json")
    parser.add_argument(
        'refs',
        nargs='+',
        help="REFER's files: refs(unc).p, refs(umd).p, refs(google).p",
    )
    parser.add_argument('out', help='file to write')
    return parser.parse_args()


def read_instances(path: str) -> dict:
    """Read a COCO file and check what is needed of it.

    Raises:
        DatasetError: It has no lists of images and annotations with ids.
    """
    content = read_json(path)
    for name, key in (('images', 'id'), ('annotations', 'image_id')):
        rows = content.get(name) if isinstance(content, dict) else None
        if not isinstance(rows, list):
            raise DatasetError(
                f'{path}: has no list {name!r}; it must be a COCO file of instances'
            )
        for number, row in enumerate(rows):
            try:
                read_fields(row, {key: int})
            except ValueError as error:
                raise DatasetError(f'{path}: {name} entry {number}: {error}') from error
    return content


def read_held_out(path: str, image_ids: set[int]) -> set[int]:
    """Give the images of the splits other than train.

    Args:
        path: A ``refs(*).p``.
        image_ids: The images of the COCO file.

    Raises:
        DatasetError: It has no such splits, or no such image is in the COCO file.
    """
    held_out = {ref['image_id'] for ref in load_refs(path) if ref['split'] != 'train'}
    if not held_out:
        raise DatasetError(f'{path}: has no split but train; nothing to hold out')
    if not held_out & image_ids:
        raise DatasetError(
            f'{path}: none of its {len(held_out)} val and test images is in the '
            "COCO file: one of the two is the wrong file (it takes RefCOCO's, "
            "RefCOCO+'s or RefCOCOg's, and COCO's instances of train)"
        )
    return held_out


def main() -> None:
    args = parse_args()
    if Path(args.out).resolve() in (
        Path(path).resolve() for path in (args.instances, *args.refs)
    ):
        raise ValueError(f'{args.out}: is read and would be overwritten; name another')
    content = read_instances(args.instances)
    image_ids = {image['id'] for image in content['images']}
    held_out = set()
    for path in args.refs:
        found = read_held_out(path, image_ids)
        print(
            f'{path}: {len(found):,} val and test images, '
            f'{len(found & image_ids):,} of them in the COCO file'
        )
        held_out |= found
    kept = {
        **content,
        'images': [i for i in content['images'] if i['id'] not in held_out],
        'annotations': [
            a for a in content['annotations'] if a['image_id'] not in held_out
        ],
    }
    if not kept['images']:
        raise ValueError(f'{args.instances}: no image would be left')
    write_atomically(args.out, json.dumps(kept).encode())
    print(
        f'{args.out}: '
        + ', '.join(
            f'{len(kept[name]):,} of {len(content[name]):,} {name}'
            for name in ('images', 'annotations')
        )
    )


if __name__ == '__main__':
    sys.exit(run_program(main))
