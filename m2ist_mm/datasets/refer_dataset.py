"""Datasets in REFER's layout: RefCOCO, RefCOCO+, RefCOCOg, ReferItGame."""

from collections.abc import Sequence

from mmdet.registry import DATASETS
from mmengine.fileio import join_path
from mmengine.logging import print_log
from mmengine.utils import is_abs

from .formats import duplicates, read_coco_tables, to_xyxy
from .rec_dataset import RECDataset
from .refer_pickle import load_refs
from .split_names import in_split


@DATASETS.register_module()
class ReferDataset(RECDataset):
    """REFER layout: a pickle of referents and a COCO file of their boxes.

    Most annotations of the published files are no one's referent, which is as
    it should be. A referent without annotation is a fault; one without expression is
    counted in the log.

    Args:
        refs_file (str): The referents, ``refs(*).p``, below ``data_root``.
        ann_file (str): Images and boxes, ``instances.json``, below
            ``data_root``.
        split (str | Sequence[str]): 'train', 'val', 'testA', 'testB' or 'test',
            whichever the file has; or several. RefCLEF's joint splits count for
            each of theirs: 'testAB' for 'testA' and for 'testB'.
        held_out_by (Sequence[str]): Other files like ``refs_file``, below
            ``data_root``. Images of their splits other than 'train' are left out:
            RefCOCO, RefCOCO+ and RefCOCOg share images, and one's training split
            has test images of the others. ``expected_count`` counts what is left.
            Defaults to none.
        **kwargs: See :class:`RECDataset`.
    """

    def __init__(
        self, *args, refs_file: str, held_out_by: Sequence[str] = (), **kwargs
    ) -> None:
        self.refs_file = refs_file
        self.held_out_by = list(held_out_by)
        super().__init__(*args, **kwargs)

    def _join_prefix(self) -> None:
        """Put ``data_root`` before the files' names."""
        self.refs_file, *self.held_out_by = (
            path
            if is_abs(path) or not self.data_root
            else join_path(self.data_root, path)
            for path in (self.refs_file, *self.held_out_by)
        )
        super()._join_prefix()

    def source(self, split: str) -> str:
        """The file of the expressions."""
        return self.refs_file

    def load_expressions(self) -> tuple[list[dict], list[str]]:
        """Read the splits' referents and join them with their boxes.

        Returns:
            tuple[list[dict], list[str]]: Expressions and faults, see
            :meth:`RECDataset.load_expressions`.

        Raises:
            DatasetError: If a file is missing or damaged, or has no such split.
        """
        refs = load_refs(self.refs_file, self.backend_args)
        self._check_splits({ref['split'] for ref in refs})
        images, annotations, faults = read_coco_tables(
            self.ann_file, with_boxes=self.with_boxes, backend_args=self.backend_args
        )
        faults += duplicates(self.refs_file, 'ref_id', (ref['ref_id'] for ref in refs))
        held_out = {
            ref['image_id']
            for path in self.held_out_by
            for ref in load_refs(path, self.backend_args)
            if ref['split'] != 'train'
        }

        expressions, silent = [], 0
        for split in self.splits:
            for ref in refs:
                if not in_split(split, ref['split']) or ref['image_id'] in held_out:
                    continue
                silent += not ref['sentences']
                entry = f'{self.refs_file}: ref_id {ref["ref_id"]}'
                image = images.get(ref['image_id'])
                annotation = annotations.get(ref['ann_id'])
                fault = self._wrong_ref(ref, image, annotation, entry)
                if fault:
                    faults.append(fault)
                else:
                    bbox = annotation['bbox'] if self.with_boxes else None
                    expressions += self._ref_expressions(ref, split, image, bbox, entry)
        if silent:
            print_log(
                f'{self.label}: {silent} referents have no expression',
                logger='current',
            )
        # several referents may share a faulty image
        return expressions, list(dict.fromkeys(faults))

    def _wrong_ref(
        self,
        ref: dict,
        image: dict | str | None,
        annotation: dict | str | None,
        entry: str,
    ) -> str | None:
        """Say what is wrong with a referent's image and annotation, if anything."""
        named = dict(image=image, annotation=annotation)
        if not self.with_boxes:
            del named['annotation']
        for name, row in named.items():
            if isinstance(row, str):
                return row  # its own fault
            if row is None:
                key = ref['ann_id' if name == 'annotation' else 'image_id']
                return f'{entry}: its {name} {key!r} is not in {self.ann_file}'
        if self.with_boxes and annotation['image_id'] != image['id']:
            return (
                f'{entry}: is on image {image["id"]}, its annotation '
                f'{annotation["id"]} on image {annotation["image_id"]}'
            )
        return None

    def _ref_expressions(
        self,
        ref: dict,
        split: str,
        image: dict,
        bbox: list[float] | None,
        entry: str,
    ) -> list[dict]:
        """Build the expressions of one referent."""
        expressions = []
        for sentence in ref['sentences']:
            expression = dict(
                text=sentence['sent'],
                split=split,
                sent_id=sentence['sent_id'],
                img_path=join_path(self.data_prefix['img'], image['file_name']),
                img_id=image['id'],
                width=image['width'],
                height=image['height'],
                entry=f'{entry}, sent_id {sentence["sent_id"]}',
            )
            if bbox is not None:
                expression['bbox'] = to_xyxy(bbox, 'xywh')
            if 'kind' in sentence:
                expression['kind'] = sentence['kind']
            expressions.append(expression)
        return expressions
