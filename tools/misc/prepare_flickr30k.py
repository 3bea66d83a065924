"""Turn the public release of Flickr30k Entities into expressions.jsonl.

Writes it beside the folder of the images, for the configs on flickr30k-part: one row
per distinct image, phrase and box. Phrases without a box are left out and counted. An
annotations.zip is unpacked there before (Sentences/ and Annotations/).

The figures of this project were made on the images that Flickr8k has, too, of which a
copy with a long side of 288 pixels was at hand. The original images are larger; the
configs scale both to their canvas. --only with a list of Flickr8k's images takes those.
"""

import argparse
import json
import os
import sys
from collections import Counter
from pathlib import Path

from m2ist_mm.atomic_file import write_atomically
from m2ist_mm.datasets.formats.flickr30k_entities import (
    SPLITS,
    read_flickr30k_entities,
    read_image_numbers,
    read_splits,
)
from m2ist_mm.datasets.preparation import Archive, DataPart
from m2ist_mm.engine.program import run_program

RELEASE = DataPart(
    files=('Sentences/', 'Annotations/', *(f'{split}.txt' for split in SPLITS)),
    archives=('annotations.zip',),
    source='https://github.com/BryanPlummer/flickr30k_entities',
)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        'release',
        type=Path,
        help=f'clone of {RELEASE.source}, or its annotations.zip beside its lists of '
        'splits, or a folder with Sentences/ and Annotations/',
    )
    parser.add_argument(
        'images',
        type=lambda path: Path(os.path.abspath(path)),  # '.' has a name and a parent
        help='folder of the images, NUMBER.jpg',
    )
    parser.add_argument(
        '--only',
        metavar='FILE',
        type=Path,
        help='take the images of this list alone: a name per line, of which the number '
        "at the beginning counts (Flickr30k's and Flickr8k's names)",
    )
    parser.add_argument(
        '--skip-missing',
        action='store_true',
        help='leave out images that are not in the folder, instead of refusing',
    )
    parser.add_argument(
        '--skip-faulty',
        action='store_true',
        help='leave out images whose files have a fault, instead of refusing',
    )
    return parser.parse_args()


def find_release(release: Path, target: Path) -> tuple[Path, dict[str, str]]:
    """Find, or unpack to ``target``, the release.

    Returns:
        The folder with Sentences/ and Annotations/, and the split of each image.
    """
    folder, places = release, (release, release.parent)
    if not (release / 'Sentences').is_dir():
        archive = release / RELEASE.archives[0] if release.is_dir() else release
        if not archive.is_file():
            raise ValueError(
                f'{release}: has neither Sentences/ nor {RELEASE.archives[0]}; get '
                f'them from {RELEASE.source}'
            )
        print(f'unpacking {archive}')
        Archive(archive).unpack(target, RELEASE.place)
        folder, places = target, (archive.parent, target)
    lists = (place for place in places if (place / f'{SPLITS[0]}.txt').is_file())
    return folder, read_splits(next(lists, places[0]))


def main() -> None:
    args = parse_args()
    folder, splits = find_release(args.release, args.images.parent)
    if args.only:
        names = set(read_image_numbers(args.only))
        unknown = len(names - splits.keys())
        print(f'{unknown:,} of the images in {args.only} are in no split')
        splits = {image: splits[image] for image in splits if image in names}
    missing = [i for i in splits if not (args.images / f'{i}.jpg').is_file()]
    if missing and not args.skip_missing:
        raise ValueError(
            f'{args.images}: {len(missing):,} of {len(splits):,} images are not there '
            f'({missing[0]}.jpg, ...); --skip-missing leaves them out'
        )
    for image in missing:
        del splits[image]
    rows, faults, left_out = read_flickr30k_entities(folder, args.images, splits)
    for fault in faults:
        print(fault)
    if faults and not args.skip_faulty:
        raise ValueError(
            f'{len(faults):,} images have faults, nothing was written; --skip-faulty '
            'leaves them out'
        )
    if not rows:
        raise ValueError(
            f'{args.images}: no image with phrases is left; nothing was written'
        )
    path = args.images.parent / 'expressions.jsonl'
    text = ''.join(json.dumps(row, ensure_ascii=False) + '\n' for row in rows)
    write_atomically(path, text.encode())
    counts = Counter(row['split'] for row in rows)
    print(f'{path}: ' + ', '.join(f'{split} {counts[split]:,}' for split in SPLITS))
    print(
        f'left out: {left_out["without a box"]:,} phrases without a box, '
        f'{left_out["repeated"]:,} repeated; {len(missing):,} images not in '
        f'{args.images}, {len(faults):,} with faults'
    )


if __name__ == '__main__':
    sys.exit(run_program(main))
