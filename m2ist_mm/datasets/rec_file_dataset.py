"""Datasets with images, expressions and boxes in one file per split."""

from mmdet.registry import DATASETS
from mmengine.fileio import join_path
from mmengine.logging import print_log

from .carved_split import carve_split
from .dataset_error import DatasetError
from .formats import SEVERAL, build_reader, keep_one_box
from .rec_dataset import RECDataset
from .split_names import in_split


@DATASETS.register_module()
class RECFileDataset(RECDataset):
    """Expressions in one of several file formats, each read by ``formats/NAME.py``.

    ============ ================================================================
    rows         your own data: one row per expression, in JSON or CSV
    label-studio Label Studio's JSON export: rectangles with a text per region
    cvat         CVAT for images 1.1 (XML): boxes with a text attribute
    coco         COCO with a text at each annotation, as CVAT exports it
    odvg         output of mmdet's ``refcoco2odvg.py``
    mdetr        MDETR's COCO files
    swift        ms-swift's grounding rows
    transvg      TransVG's ``.pth`` lists
    ============ ================================================================

    Args:
        file_format (str): The format.
        ann_file (str): The file, below ``data_root``. ``{split}`` in it stands for the
            split's name: one file per split. Without it, the rows must name their
            splits, which the formats 'rows' and 'cvat' alone can.
        bbox_form (str, optional): 'xyxy' or 'xywh', for the formats 'rows' (where
            xyxy is the default) and 'transvg' (where it must be given).
        text_field (str, optional): Which field holds the text, where the format leaves
            it to the user ('rows', 'label-studio', 'cvat', 'coco', 'odvg'). Defaults to
            the one that is called 'expression' or 'caption', or the only one.
        several (str): What to do with expressions that have several boxes or none:
            'refuse', 'leave-out' or 'join', see :func:`keep_one_box`. Defaults to
            'refuse'.
        carve (dict, optional): Splits that the file does not have, taken out of one
            that it has: ``dict(dev=dict(source='train', images=750, seed=0))`` moves
            all expressions of 750 images of 'train' to 'dev'. For rows that name their
            splits. Defaults to None.
        **kwargs: See :class:`RECDataset`.

    Raises:
        ValueError: If there is no such format, or an option does not go with it.
    """

    def __init__(
        self,
        *args,
        file_format: str,
        bbox_form: str | None = None,
        text_field: str | None = None,
        several: str = 'refuse',
        carve: dict[str, dict] | None = None,
        **kwargs,
    ) -> None:
        self._read = build_reader(file_format, bbox_form, text_field)
        if several not in SEVERAL:
            raise ValueError(
                f'several={several!r}: must be one of {", ".join(map(repr, SEVERAL))}'
            )
        self.several = several
        self.carve = carve or {}
        super().__init__(*args, **kwargs)

    def load_expressions(self) -> tuple[list[dict], list[str]]:
        """Read the splits' files, or the one file and its rows of these splits.

        Readers give dicts with ``text``, ``sent_id``, ``image`` (path below the image
        folder), ``boxes`` (a list of xyxy; or ``bbox``, one), ``entry``, ``origins``
        (places in the file, for an export) and, where the file has them, ``split``,
        ``img_id``, ``width`` and ``height``, ``kind``, ``dataset``, ``aliases`` (other
        names of the image's file), ``box_unit`` and ``text_fields`` (the field of the
        text, and the others that could have been named).

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
            names = [expression.pop('image'), *expression.pop('aliases', [])]
            expression['img_path'], *expression['other_paths'] = (
                join_path(self.data_prefix['img'], name) for name in names
            )
        return expressions, faults

    def _read_file(self, path: str) -> tuple[list[dict], list[str]]:
        found, faults = self._read(
            path, with_boxes=self.with_boxes, backend_args=self.backend_args
        )
        kept, wrong, counts = keep_one_box(found, self.several)
        if self.several != 'refuse' and counts:
            print_log(
                f'{self.label}: {counts["several"]} expressions of {path} have several '
                f'boxes ({self.several}), {counts["none"]} have none (left out)',
                logger='current',
            )
        return kept, faults + wrong

    def _split_faults(self, expressions: list[dict]) -> list[str]:
        """Look whether every row names its split, and all splits are there."""
        without = [e['entry'] for e in expressions if 'split' not in e]
        if expressions and len(without) == len(expressions):
            raise DatasetError(
                f'{self.ann_file}: names no splits; write one file per split '
                "and name them by ann_file='NAME_{split}.EXTENSION', or give each "
                "row of the format 'rows' its 'split'"
            )
        named = {e['split'] for e in expressions if 'split' in e}
        if named:
            self._check_splits(named)
        return [f"{entry}: has no 'split', and others have" for entry in without]
