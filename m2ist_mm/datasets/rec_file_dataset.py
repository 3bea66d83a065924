"""Datasets with images, expressions and boxes in one file per split."""

from functools import partial

from mmdet.registry import DATASETS
from mmengine.fileio import join_path

from .carved_split import carve_split
from .dataset_error import DatasetError
from .formats import read_mdetr, read_odvg, read_rows, read_transvg
from .rec_dataset import RECDataset
from .split_names import in_split

_READERS = dict(rows=read_rows, odvg=read_odvg, mdetr=read_mdetr, transvg=read_transvg)
_WITH_BBOX_FORM = ('rows', 'transvg')


@DATASETS.register_module()
class RECFileDataset(RECDataset):
    """Expressions in one of four file formats.

    ======== ====================================================================
    rows     your own data: one JSON row per expression, see :func:`read_rows`
    odvg     output of mmdet's ``refcoco2odvg.py``, see :func:`read_odvg`
    mdetr    MDETR's COCO files, see :func:`read_mdetr`
    transvg  TransVG's ``.pth`` lists, see :func:`read_transvg`
    ======== ====================================================================

    Args:
        file_format (str): The format.
        ann_file (str): The file, below ``data_root``. ``{split}`` in it stands for the
            split's name: one file per split. Without it, the rows must name their
            splits, which the format 'rows' alone can.
        bbox_form (str, optional): 'xyxy' or 'xywh', for the formats 'rows' (where
            xyxy is the default) and 'transvg' (where it must be given).
        data_prefix (dict): ``img`` is the image folder below ``data_root``. Defaults
            to ``data_root`` itself.
        carve (dict, optional): Splits that the file does not have, taken out of one
            that it has: ``dict(dev=dict(source='train', images=750, seed=0))`` moves
            all expressions of 750 images of 'train' to 'dev'. For rows that name their
            splits. Defaults to None.
        **kwargs: See :class:`RECDataset`.

    Raises:
        ValueError: If there is no such format, or ``bbox_form`` or ``carve`` does not
            go with it.
    """

    def __init__(
        self,
        *args,
        file_format: str,
        bbox_form: str | None = None,
        data_prefix: dict | None = None,
        carve: dict[str, dict] | None = None,
        **kwargs,
    ) -> None:
        if file_format not in _READERS:
            raise ValueError(
                f'file_format={file_format!r} is not known; there are '
                f'{", ".join(_READERS)}'
            )
        if file_format == 'rows' and bbox_form is None:
            bbox_form = 'xyxy'
        allowed = ('xyxy', 'xywh') if file_format in _WITH_BBOX_FORM else (None,)
        if bbox_form not in allowed:
            raise ValueError(
                f'bbox_form={bbox_form!r} does not go with files of the format '
                f'{file_format!r}: it must be {" or ".join(map(repr, allowed))}'
            )
        self._read = _READERS[file_format]
        if bbox_form is not None:
            self._read = partial(self._read, bbox_form=bbox_form)
        self.carve = carve or {}
        super().__init__(*args, data_prefix=data_prefix or dict(img=''), **kwargs)

    def load_expressions(self) -> tuple[list[dict], list[str]]:
        """Read the splits' files, or the one file and its rows of these splits.

        Readers give dicts with ``text``, ``sent_id``, ``image`` (path below the image
        folder), ``bbox`` (xyxy), ``entry`` and, where the file has them,
        ``split``, ``img_id``, ``width`` and ``height``, ``kind`` and ``dataset``.

        Returns:
            tuple[list[dict], list[str]]: Expressions and faults, see
            :meth:`RECDataset.load_expressions`.

        Raises:
            DatasetError: If a file is missing or damaged, or has no such split.
        """
        if '{split}' in self.ann_file:
            if self.carve:
                raise ValueError(
                    f'{self.ann_file}: carve needs one file whose rows name splits'
                )
            expressions, faults = [], []
            for split in self.splits:
                found, wrong = self._read_file(self.source(split))
                expressions += [{**expression, 'split': split} for expression in found]
                faults += wrong
        else:
            found, faults = self._read_file(self.ann_file)
            for name, rule in self.carve.items():
                carve_split(found, name, **rule)
            faults += self._split_faults(found)
            expressions = [
                {**expression, 'split': split}
                for split in self.splits
                for expression in found
                if in_split(split, expression.get('split'))
            ]
        for expression in expressions:
            expression['img_path'] = join_path(
                self.data_prefix['img'], expression.pop('image')
            )
        return expressions, faults

    def _read_file(self, path: str) -> tuple[list[dict], list[str]]:
        return self._read(
            path, with_boxes=self.with_boxes, backend_args=self.backend_args
        )

    def _split_faults(self, expressions: list[dict]) -> list[str]:
        """Look whether every row names its split, and all splits are there."""
        without = [e['entry'] for e in expressions if 'split' not in e]
        if expressions and len(without) == len(expressions):
            raise DatasetError(
                [
                    f'{self.ann_file}: names no splits; write one file per split '
                    "and name them by ann_file='NAME_{split}.EXTENSION', or give each "
                    "row of the format 'rows' its 'split'"
                ]
            )
        named = {e['split'] for e in expressions if 'split' in e}
        if named:
            self._check_splits(named)
        return [f"{entry}: has no 'split', and others have" for entry in without]
