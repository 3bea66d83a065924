"""Data sets in REFER's layout: RefCOCO, RefCOCO+, RefCOCOg, ReferItGame."""

import json
from collections import Counter
from pathlib import Path

from mmdet.registry import DATASETS
from mmengine.fileio import join_path
from mmengine.utils import is_abs

from .dataset_error import DatasetError
from .rec_dataset import RECDataset
from .refer_pickle import load_refs

# Expressions of each split as published (refs file: split: expressions).
PUBLISHED_COUNTS = {
    'refcoco_unc': dict(train=120624, val=10834, testA=5657, testB=5095),
    'refcoco+_unc': dict(train=120191, val=10758, testA=5726, testB=4889),
    'refcocog_umd': dict(train=80512, val=4896, test=9602),
    'refcocog_google': dict(train=85474, val=9536),
    'refclef_berkeley': dict(train=54127, val=5842, test=60103),
}


@DATASETS.register_module()
class ReferDataset(RECDataset):
    """REFER layout: a pickle of referents and a COCO file of their boxes.

    Most annotations of the published files are no one's referent, which is as
    it should be. A referent without annotation or expression is a fault.

    Args:
        refs_file (str): The referents, ``refs(*).p``, below ``data_root``.
        ann_file (str): Pictures and boxes, ``instances.json``, below
            ``data_root``.
        split (str): 'train', 'val', 'testA', 'testB' or 'test', whichever the
            file has.
        lowercase (bool): Put expressions in lower case. Defaults to True.
        expected_count (str | dict | int, optional): Number of expressions that
            the split must have: itself, by split, or as the name of a published
            data set, one of ``PUBLISHED_COUNTS``. Defaults to None: not
            checked, for data sets of your own and subsets.
        **kwargs: See :class:`RECDataset`.
    """

    def __init__(
        self,
        *args,
        refs_file: str,
        split: str,
        lowercase: bool = True,
        expected_count: str | dict | int | None = None,
        **kwargs,
    ) -> None:
        self.refs_file = refs_file
        self.lowercase = lowercase
        if isinstance(expected_count, str):
            if expected_count not in PUBLISHED_COUNTS:
                raise ValueError(
                    f'expected_count={expected_count!r} is no published data set; '
                    f'there are {", ".join(PUBLISHED_COUNTS)}'
                )
            expected_count = PUBLISHED_COUNTS[expected_count]
        if isinstance(expected_count, dict):
            expected_count = expected_count.get(split)
        super().__init__(*args, split=split, expected_count=expected_count, **kwargs)

    def _join_prefix(self) -> None:
        """Put ``data_root`` before the files' names."""
        if self.data_root and not is_abs(self.refs_file):
            self.refs_file = join_path(self.data_root, self.refs_file)
        super()._join_prefix()

    @property
    def source(self) -> str:
        """The file of the expressions."""
        return self.refs_file

    def load_expressions(self) -> tuple[list[dict], list[str]]:
        """Read the split's referents and join them with their boxes.

        Returns:
            tuple[list[dict], list[str]]: Expressions and faults, see
            :meth:`RECDataset.load_expressions`.

        Raises:
            DatasetError: If a file is missing or damaged, or has no such split.
        """
        refs = load_refs(self.refs_file)
        splits = Counter(ref['split'] for ref in refs)
        if self.split not in splits:
            raise DatasetError(
                [
                    f'{self.refs_file}: no split {self.split!r}; there are '
                    f'{", ".join(sorted(splits))}'
                ]
            )
        images, annotations, faults = self._load_instances()
        faults += _duplicates(self.refs_file, 'ref_id', (ref['ref_id'] for ref in refs))

        expressions = []
        for ref in refs:
            if ref['split'] != self.split:
                continue
            entry = f'{self.refs_file}: ref_id {ref["ref_id"]}'
            annotation = annotations.get(ref['ann_id'])
            image = images.get(ref['image_id'])
            if annotation is None:
                faults.append(
                    f'{entry}: its annotation {ref["ann_id"]} is not in {self.ann_file}'
                )
            elif image is None:
                faults.append(
                    f'{entry}: its image {ref["image_id"]} is not in {self.ann_file}'
                )
            elif annotation['image_id'] != image['id']:
                faults.append(
                    f'{entry}: is on image {image["id"]}, its annotation '
                    f'{annotation["id"]} on image {annotation["image_id"]}'
                )
            elif not ref['sentences']:
                faults.append(f'{entry}: has no expression')
            else:
                expressions += self._ref_expressions(ref, annotation, image, entry)
        return expressions, faults

    def _ref_expressions(
        self, ref: dict, annotation: dict, image: dict, entry: str
    ) -> list[dict]:
        """Build the expressions of one referent."""
        left, top, width, height = annotation['bbox']
        expressions = []
        for sentence in ref['sentences']:
            text = sentence['sent'].strip()
            expression = dict(
                text=text.lower() if self.lowercase else text,
                sent_id=sentence['sent_id'],
                img_path=join_path(self.data_prefix['img'], image['file_name']),
                img_id=image['id'],
                width=image['width'],
                height=image['height'],
                bbox=[left, top, left + width, top + height],
                entry=f'{entry}, sent_id {sentence["sent_id"]}',
            )
            if 'kind' in sentence:
                expression['kind'] = sentence['kind']
            expressions.append(expression)
        return expressions

    def _load_instances(self) -> tuple[dict[int, dict], dict[int, dict], list[str]]:
        """Read pictures and annotations by id, with the faults found."""
        path = Path(self.ann_file)
        if not path.is_file():
            raise DatasetError(
                [
                    f'{path}: no such file; it comes with the data set, so check '
                    'data_root and ann_file'
                ]
            )
        try:
            instances = json.loads(path.read_bytes())
        except ValueError as error:
            raise DatasetError(
                [
                    f'{path}: not a complete JSON file: {error}; get the original '
                    'file again'
                ]
            ) from error
        tables, faults = [], []
        for name, fields in (
            ('images', dict(id=int, file_name=str, width=int, height=int)),
            ('annotations', dict(id=int, image_id=int, bbox=list)),
        ):
            rows = instances.get(name) if isinstance(instances, dict) else None
            if not isinstance(rows, list):
                raise DatasetError(
                    [f'{path}: has no list {name!r}; it must be a COCO file']
                )
            sound = []
            for number, row in enumerate(rows):
                wrong = _wrong_field(row, fields)
                if wrong:
                    faults.append(f'{path}: {name} entry {number}: {wrong}')
                else:
                    sound.append(row)
            faults += _duplicates(path, f'{name} id', (row['id'] for row in sound))
            tables.append({row['id']: row for row in sound})
        return *tables, faults


def _wrong_field(row: object, fields: dict[str, type]) -> str | None:
    """Say what is wrong with a row of a COCO file, if anything."""
    if not isinstance(row, dict):
        return f'is a {type(row).__name__}, not a dict'
    for name, kind in fields.items():
        if not isinstance(row.get(name), kind):
            return f'its {name!r} is {row.get(name)!r}, not a {kind.__name__}'
    bbox = row.get('bbox', (0, 0, 0, 0))
    if len(bbox) != 4 or not all(isinstance(value, (int, float)) for value in bbox):
        return f"its 'bbox' is {bbox!r}, not four numbers"
    return None


def _duplicates(path: str | Path, name: str, ids) -> list[str]:
    """Give a fault for each id that occurs more than once."""
    return [
        f'{path}: {name} {value} occurs {count} times'
        for value, count in Counter(ids).items()
        if count > 1
    ]
