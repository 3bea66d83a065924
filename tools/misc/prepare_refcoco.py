"""Get the published datasets into the folders that the configs name, and check them.

Says what is missing and where it comes from; unpacks the archives that it finds in
--archives, after --download fetches those that have an address; then reads each dataset
 as training does, counts its expressions against the published numbers and records
sizes and checksums in prepare.json beside it. Run it again after any interruption.

Exit code 0 if the datasets named are complete, else 1.
"""

import argparse
import sys
from pathlib import Path

from mmdet.registry import DATASETS
from mmengine.config import Config
from mmengine.registry import init_default_scope

import m2ist_mm  # noqa: F401  registers the datasets
from m2ist_mm.config import iter_dataset_configs, load_config_file
from m2ist_mm.datasets import PUBLISHED_COUNTS, DatasetError
from m2ist_mm.datasets.preparation import (
    DATA_SETS,
    Archive,
    DataPart,
    Manifest,
    PublishedDataset,
)
from m2ist_mm.download import download
from m2ist_mm.engine.program import run_program

CONFIGS = Path(__file__).resolve().parents[2] / 'configs' / '_base_' / 'datasets'


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        'name', nargs='+', choices=DATA_SETS, help='datasets: %(choices)s'
    )
    parser.add_argument(
        '--archives',
        metavar='DIR',
        type=Path,
        default=Path('data/archives'),
        help='folder of downloaded archives (%(default)s)',
    )
    parser.add_argument(
        '--download',
        action='store_true',
        help='fetch what has an address, and go on where an earlier download was cut',
    )
    parser.add_argument(
        '--data-root',
        metavar='DIR',
        help='folder of the datasets, instead of the one in their config',
    )
    return parser.parse_args()


def find_archive(part: DataPart, folder: Path) -> Path | None:
    """Give the part's archive, if it is there."""
    paths = (folder / name for name in part.archives)
    return next((path for path in paths if path.is_file()), None)


def provide(part: DataPart, root: Path, args: argparse.Namespace) -> str | None:
    """Unpack what is missing of a part, and download it before where that is asked for.

    Returns:
        What must be done by hand, or None.
    """
    if not part.missing(root):
        return None
    archive = find_archive(part, args.archives)
    failure = ''
    if archive is None and part.urls and args.download:
        archive = args.archives / part.archives[0]
        print(f'downloading {archive}')
        try:
            download(part.urls, archive)
        except OSError as error:
            archive, failure = None, f'{error}\n  '
    if archive is not None:
        print(f'unpacking {archive}')
        try:
            Archive(archive).unpack(root, part.place)
        except (OSError, ValueError) as error:
            failure = f'{error}\n  '
    missing = part.missing(root)
    return f'{failure}{instruction(part, missing, root, args)}' if missing else None


def instruction(
    part: DataPart, missing: list[str], root: Path, args: argparse.Namespace
) -> str:
    """Say what to put where."""
    text = f'missing below {root}: {", ".join(missing)}\n  from {part.source}\n'
    if part.urls:
        text += f'  address: {part.urls[0]}'
        text += '\n' if args.download else ' (--download fetches it)\n'
    name = ' or '.join(str(args.archives / archive) for archive in part.archives)
    return (
        f'{text}  by hand: put the archive there as {name} and run this again, or '
        f'put the files themselves below {root}'
    )


def verify(config: Config) -> tuple[dict[str, int], list[str]]:
    """Build the datasets of train and test as training does, without decoding.

    Returns:
        Expressions by split, and the faults.
    """
    counts, faults = {}, []
    for loader, settings in iter_dataset_configs(config):
        if loader == 'val':  # the test reads its split as well
            continue
        settings = {**settings, 'pipeline': [], 'test_mode': True}
        try:
            samples = DATASETS.build(settings)
        except DatasetError as error:
            faults += error.faults
            continue
        for index in range(len(samples)):
            split = samples.get_data_info(index)['split']
            counts[split] = counts.get(split, 0) + 1
    return counts, list(dict.fromkeys(faults))


def prepare(dataset: PublishedDataset, args: argparse.Namespace) -> bool:
    """Make one dataset complete, as far as it can be.

    Returns:
        Whether it is.
    """
    config = load_config_file(CONFIGS / f'{dataset.config}.py', args.data_root)
    root = Path(config.data_root)
    print(f'{dataset.config}: {root}')
    manifest = Manifest(root)
    files = [file for part in dataset.parts for file in part.files]
    changed = manifest.changed(files)
    to_do = [provide(part, root, args) for part in dataset.parts]
    to_do = changed + [text for text in to_do if text is not None]
    if not to_do:
        counts, faults = verify(config)
        if faults and complete_from_archives(dataset, root, args):
            counts, faults = verify(config)
        to_do = faults[: DatasetError.max_shown]
        if len(faults) > len(to_do):
            to_do.append(f'... and {len(faults) - len(to_do)} more faults')
        if faults:
            names = ', '.join(part.archives[0] for part in dataset.parts)
            to_do.append(
                'a file that was deleted comes again from its archive: put it into '
                f'{args.archives} ({names}) and run this again'
            )
    if to_do:
        print(*(f'  {text}' for text in to_do), sep='\n')
        print(f'{dataset.config}: not complete')
        return False
    expected = PUBLISHED_COUNTS[config.dataset.expected_count]
    manifest.record(files)
    print(
        f'{dataset.config}: complete: '
        + ', '.join(f'{split} {counts[split]:,}' for split in expected)
        + f'; recorded in {manifest.path}'
    )
    return True


def complete_from_archives(
    dataset: PublishedDataset, root: Path, args: argparse.Namespace
) -> bool:
    """Unpack what is missing inside folders that are there.

    Returns:
        Whether anything was unpacked.
    """
    paths = [(part, find_archive(part, args.archives)) for part in dataset.parts]
    return any([Archive(path).unpack(root, p.place) for p, path in paths if path])


def main() -> int:
    args = parse_args()
    init_default_scope('mmdet')
    done = [prepare(DATA_SETS[name], args) for name in dict.fromkeys(args.name)]
    return 0 if all(done) else 1


if __name__ == '__main__':
    sys.exit(run_program(main))
