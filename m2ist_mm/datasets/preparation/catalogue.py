"""Where the published datasets come from."""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath


@dataclass(frozen=True)
class DataPart:
    """What of a dataset comes in one archive.

    Attributes:
        files (tuple[str, ...]): Files below the dataset's folder. What ends with '/'
            is a folder of images.
        archives (tuple[str, ...]): Names that the archive goes by; a download has the
            first.
        source (str): Who publishes it, and what one has to do there.
        urls (tuple[str, ...]): Addresses of the archive itself, tried in turn. Empty
            where a person must ask for it.
    """

    files: tuple[str, ...]
    archives: tuple[str, ...]
    source: str
    urls: tuple[str, ...] = ()

    def place(self, member: str) -> str | None:
        """Say where a file of the archive goes.

        Archives differ in the folders around the same files, so a file is known by its
        name and the last folder.

        Args:
            member (str): Its path in the archive.

        Returns:
            str | None: Its path below the dataset's folder, or ``None`` for what is
            not part of it.
        """
        parts = PurePosixPath(member).parts
        if not parts or '__MACOSX' in parts or parts[-1].startswith('._'):
            return None
        for file in self.files:
            wanted = PurePosixPath(file)
            if parts[-len(wanted.parts) :] == wanted.parts:
                return str(wanted) if not file.endswith('/') else None
            if file.endswith('/') and wanted.name in parts[:-1]:
                below = parts[parts.index(wanted.name) + 1 :]
                return str(wanted.joinpath(*below))
        return None

    def missing(self, root: Path) -> list[str]:
        """Give those of ``files`` that are not below ``root``."""
        return [
            file
            for file in self.files
            if not (
                (root / file).is_dir() if file[-1] == '/' else (root / file).is_file()
            )
        ]


@dataclass(frozen=True)
class PublishedDataset:
    """A published dataset.

    Attributes:
        config (str): Its file in ``configs/_base_/datasets/``, without ending: folder,
            splits and counts are those.
        parts (tuple[DataPart, ...]): What it is made of.
    """

    config: str
    parts: tuple[DataPart, ...]


_COCO = DataPart(
    files=('train2014/',),
    archives=('train2014.zip',),
    source='COCO, 2014 train images (https://cocodataset.org/#download)',
    urls=('http://images.cocodataset.org/zips/train2014.zip',),
)


def _refer(name: str, refs_file: str, snapshot: str) -> tuple[DataPart, ...]:
    """RefCOCO, RefCOCO+ or RefCOCOg: REFER's archive and COCO's images."""
    original = f'https://bvisionweb1.cs.unc.edu/licheng/referit/data/{name}.zip'
    refer = DataPart(
        files=(f'{name}/{refs_file}', f'{name}/instances.json'),
        archives=(f'{name}.zip',),
        source='REFER (https://github.com/lichengunc/refer)',
        # the publisher's host is often down; id_ asks for the bytes as they were
        urls=(f'https://web.archive.org/web/{snapshot}id_/{original}', original),
    )
    return refer, _COCO


def _transvg(prefix: str) -> DataPart:
    """TransVG's lists of a dataset."""
    return DataPart(
        files=tuple(f'{prefix}_{split}.pth' for split in ('train', 'val', 'test')),
        archives=('data.tar',),
        source='TransVG, "data indices" of its page '
        'https://github.com/djiajunustc/TransVG/blob/main/docs/GETTING_STARTED.md '
        '(Google Drive, by the browser)',
    )


DATA_SETS = {
    dataset.config: dataset
    for dataset in (
        PublishedDataset('refcoco', _refer('refcoco', 'refs(unc).p', '20220413011718')),
        PublishedDataset(
            'refcoco+', _refer('refcoco+', 'refs(unc).p', '20220413011656')
        ),
        PublishedDataset(
            'refcocog-umd', _refer('refcocog', 'refs(umd).p', '20220413012904')
        ),
        PublishedDataset(
            'refcocog-google', _refer('refcocog', 'refs(google).p', '20220413012904')
        ),
        PublishedDataset(
            'referit',
            (
                _transvg('referit'),
                DataPart(
                    files=('images/',),
                    archives=('referitdata.tar.gz',),
                    source='ReferItGame with the images of SAIAPR TC-12, as the '
                    "download script of TransVG's repository names it",
                    urls=(
                        'http://www.eecs.berkeley.edu/~ronghang/projects/'
                        'cvpr16_text_obj_retrieval/referitdata.tar.gz',
                    ),
                ),
            ),
        ),
        PublishedDataset(
            'flickr30k',
            (
                _transvg('flickr'),
                DataPart(
                    files=('flickr30k-images/',),
                    archives=('flickr30k-images.tar', 'flickr30k-images.tar.gz'),
                    source='Flickr30k, by the form of its page '
                    'http://shannon.cs.illinois.edu/DenotationGraph/',
                ),
            ),
        ),
    )
}
