"""Finds the annotation files of a folder."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ...datasets.dataset_error import DatasetError
from ...datasets.formats import (
    ANNOTATION_SUFFIXES,
    FORMATS,
    REFER,
    recognise_format,
)

DATA_FORMATS = (*(name for name in FORMATS if name != 'transvg'), REFER)
SPLITS = ('train', 'val', 'test')
_WRITTEN = ('images.json', 'summary.json', 'train.jsonl')
_SPLIT_WORDS = {
    **dict.fromkeys(('train', 'training', 'trn'), 'train'),
    **dict.fromkeys(('val', 'valid', 'validation', 'dev'), 'val'),
    **dict.fromkeys(('test', 'testing'), 'test'),
}


@dataclass(frozen=True)
class Source:
    """Annotation files of one format.

    Attributes:
        data_format: One of ``DATA_FORMATS``.
        files: Each file, and the split that its name says, if there are several.
        folder: The folder below which images are looked for.
        passed_over: Why other files in it are no annotations, one line each.
    """

    data_format: str
    files: dict[Path, str | None]
    folder: Path
    passed_over: tuple[str, ...] = ()


def find_source(
    source: Path, data_format: str | None = None, ignored: Path | None = None
) -> Source:
    """Find the annotation files, and recognise their format by their content.

    Args:
        source: One annotation file, or a folder with such files of one format.
        data_format: The format, one of ``DATA_FORMATS``; in a folder, files of other
            formats are then passed over.
        ignored: A folder that is not searched.

    Raises:
        DatasetError: There is none, or several formats, or several files whose names
            do not say their splits.
        ValueError: There is no such format.
    """
    if data_format is not None and data_format not in DATA_FORMATS:
        raise ValueError(
            f'data_format={data_format!r} is not known; there are '
            f'{", ".join(DATA_FORMATS)}'
        )
    source = source.resolve()
    if source.is_file():
        name = data_format or recognise_format(str(source))
        return Source(name, {source: None}, source.parent)
    if not source.is_dir():
        raise DatasetError(f'{source}: no such file or folder')
    files = _annotation_files(source, ignored and ignored.resolve())
    found, reasons = {}, []
    for path in files:
        try:
            found.setdefault(recognise_format(str(path)), []).append(path)
        except DatasetError as error:
            reasons += error.faults
    if not found:
        raise DatasetError(_nothing_found(source, reasons))
    if data_format in found:
        found = {data_format: found[data_format]}
    if len(found) > 1 or (data_format is not None and data_format not in found):
        named = '; '.join(
            f'{name}: {paths[0].relative_to(source)}'
            + (f' and {len(paths) - 1} more' if len(paths) > 1 else '')
            for name, paths in found.items()
        )
        if data_format is None:
            what = f'has files of {len(found)} formats'
        else:
            what = f'has no file of the format {data_format!r}'
        raise DatasetError(
            f'{source}: {what} ({named}); name the file that is meant, or its '
            'format by data_format'
        )
    ((name, paths),) = found.items()
    return Source(name, _split_files(source, name, paths), source, tuple(reasons))


def refuse_work_dir_around(
    work_dir: Path, source: Path, image_root: Path | None = None
) -> None:
    """Refuse a work dir that has the data in it: what is written there would be data.

    Args:
        work_dir: The work dir.
        source: An annotation file, or a folder with such files.
        image_root: The folder below which the images are; that of the source unless
            given.

    Raises:
        ValueError: The folder of the data is the work dir, or in it.
    """
    work_dir, source = work_dir.resolve(), source.resolve()
    folders = [source.parent if source.is_file() else source]
    folders += [image_root.resolve()] if image_root else []
    for folder in folders:
        if folder.is_relative_to(work_dir):
            raise ValueError(
                f'{work_dir}: the work dir is the data folder {folder}, or above it, '
                'and what is written there would be taken for data, or replace them; '
                'name another work dir'
            )


def walk(folder: Path, ignored: Path | None = None) -> Iterator[tuple[Path, list[str]]]:
    """Walk through the folders of a dataset, and give the names of their files.

    Links to folders are followed, but none is walked through twice. Left out are hidden
    folders, the one that is ignored, and what :func:`prepare_data` or a training wrote.
    """
    seen = set()
    for place, folders, names in os.walk(folder, followlinks=True):
        here, real = Path(place), os.path.realpath(place)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith('.')
            and here / name != ignored
            and not _was_written(here / name)
            and not _was_written(here / name / 'data')
        )
        yield here, sorted(names)


def _was_written(folder: Path) -> bool:
    """Whether a folder has all that :func:`prepare_data` alone writes together."""
    return all((folder / name).is_file() for name in _WRITTEN)


def standard_split(name: str) -> str | None:
    """Say which of ``SPLITS`` a name means: 'validation' is 'val', 'testA' 'test'."""
    name = name.strip()
    if re.fullmatch('test[A-Z]+', name):
        return 'test'
    return _SPLIT_WORDS.get(name.lower())


def _annotation_files(folder: Path, ignored: Path | None) -> list[Path]:
    """List files that may be annotations."""
    files = []
    for here, names in walk(folder, ignored):
        refer = [name for name in names if re.fullmatch(r'refs\(.*\)\.p', name)]
        # beside refs(*).p, the JSON files are the other half of REFER's layout
        taken = refer or [
            name
            for name in names
            if name.lower().endswith(ANNOTATION_SUFFIXES) and not name.startswith('.')
        ]
        files += [here / name for name in taken]
    return files


def _split_files(folder: Path, name: str, paths: list[Path]) -> dict[Path, str | None]:
    """Say the split of each of several files, by its name or that of its folder.

    Raises:
        DatasetError: The names do not say it.
    """
    if len(paths) == 1:
        return {paths[0]: None}
    splits = {path: _split_of(path, folder) for path in paths}
    if None in splits.values():
        named = ', '.join(str(path.relative_to(folder)) for path in paths)
        raise DatasetError(
            f'{folder}: has {len(paths)} files of the format {name!r}, and their '
            f'names do not say train, val or test ({named:.200}); name the one '
            'that is meant'
        )
    return splits


def _split_of(path: Path, folder: Path) -> str | None:
    parts = [path.stem, *path.relative_to(folder).parts[-2::-1]]
    for part in parts:
        words = re.findall('[A-Za-z]+', part)
        named = {split for word in words if (split := standard_split(word))}
        if len(named) == 1:
            return named.pop()
    return None


def _nothing_found(folder: Path, reasons: list[str]) -> str:
    """Say what a folder without annotations has instead."""
    archive = next(iter(sorted(folder.glob('*.zip'))), None)
    if reasons:
        more = f' ({len(reasons)} files were looked at)' if len(reasons) > 1 else ''
        return f'{folder}: no annotations found{more}: {reasons[0]}'
    if archive is not None:
        return f'{archive}: unpack it first'
    return (
        f'{folder}: no annotation file in it; wanted is one of '
        f'{", ".join(ANNOTATION_SUFFIXES)} or refs(*).p'
    )
