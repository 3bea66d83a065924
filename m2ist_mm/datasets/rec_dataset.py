"""Base of all datasets for referring expression comprehension."""

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from typing import Any

import torch
from mmdet.datasets import BaseDetDataset
from mmengine.logging import print_log

from ..seeding import seeded_generators
from .checks import (
    BOX_UNITS,
    check_arguments,
    check_decoding,
    check_expressions,
    check_sizes,
    convert_boxes,
    find_images,
    looks_like_unit,
)
from .dataset_error import DatasetError
from .grouping import group_expressions, spares_directions
from .published_counts import resolve_expected_count
from .split_names import in_split

NO_EPOCH = -1


class RECDataset(BaseDetDataset):
    """Images with expressions that name one box each.

    A subclass reads its files in :meth:`load_expressions`; everything else is
    here: checks, grouping, random numbers, errors.

    A sample before its pipeline is a dict with ``img_path``, ``img_id``,
    ``height`` and ``width`` (pixels), ``split``, ``dataset`` (where it has a name),
    the aligned lists ``text``, ``sent_id`` and (where the dataset has it)
    ``kind``, and ``instances``: mmdet's, one for each expression, whose
    ``bbox_label`` is the index of the expression.

    Random numbers: once :meth:`set_epoch` was called, a sample's pipeline draws
    from generators seeded by (seed, epoch, index), whichever worker runs it, so
    that an interrupted training repeats exactly. Without it they are the
    worker's own.

    Args:
        split (str | Sequence[str]): Name of the split, or of several, which are
            read one after the other.
        data_prefix (dict): ``img`` is the image folder below ``data_root``. Defaults
            to ``data_root`` itself.
        name (str, optional): The dataset's name, under which the metric reports it
            where several are tested together.
        lowercase (bool): Put expressions in lower case. Defaults to True.
        max_expressions_per_sample (int): Up to so many expressions of the same
            image make one sample; k = 1, the default, is one sample an
            expression. Larger ones let the model see an image once for k
            expressions. Which ones go together is drawn once, from ``seed``; where
            the pipeline has ``ApplyUnlessDirection``, expressions without direction
            words go together only with those of the same object, so that the crop
            is to each of them what it is alone.
        seed (int): Seed of grouping and of augmentation. Defaults to 0.
        check_images (bool): Look for each image's file when the dataset is
            built and read its header: its size must be the annotated one, and is
            taken where none is annotated. Defaults to True. Without it such samples
            have no size, and only the boxes' order is checked.
        with_boxes (bool): Whether the files have a box for each expression.
            Defaults to True. Without, the dataset can be predicted
            (``tools/test.py --out``), and needs ``test_mode=True``.
        box_unit (str, optional): Unit of the boxes: 'pixel', or 'relative' (0 to 1),
            'percent' (0 to 100) or 'permille' (0 to 1000) of the image's width and
            height, which are converted. Defaults to None: pixels, unless they look
            like another unit, which is an error; a box within the first pixel is a
            fault.
        box_tolerance (float): Pixels by which a box may leave its image; it is
            clipped, and the log says how many are. Defaults to 1, for rounding.
        expected_count (str | dict | int, optional): Number of expressions that
            the split must have: itself, by split, or as the name of a published
            dataset, one of ``PUBLISHED_COUNTS``. Defaults to None: not
            checked, for datasets of your own and subsets.
        filter_cfg (dict, optional): ``dict(skip_faulty=True)`` leaves faulty
            entries out, with a warning, instead of refusing the dataset.
        **kwargs: mmdet's arguments: ``data_root``, ``ann_file``, ``pipeline``,
            ``indices``, ``test_mode``, ``lazy_init``, ``backend_args`` ...; not
            ``proposal_file``, a pickle that could run code.

    Attributes:
        faults (list[str]): What ``skip_faulty`` passed over, once loaded.

    Raises:
        ValueError: If an argument means nothing.
        DatasetError: If the files have faults.
    """

    METAINFO = dict(classes=('referent',), palette=[(0, 200, 0)])

    def __init__(
        self,
        *args,
        split: str | Sequence[str],
        data_prefix: dict[str, str] | None = None,
        name: str | None = None,
        lowercase: bool = True,
        max_expressions_per_sample: int = 1,
        seed: int = 0,
        check_images: bool = True,
        with_boxes: bool = True,
        box_unit: str | None = None,
        box_tolerance: float = 1.0,
        expected_count: str | dict[str, int] | int | None = None,
        **kwargs,
    ) -> None:
        self.splits = tuple(split) if isinstance(split, list | tuple) else (split,)
        data_prefix = data_prefix or dict(img='')
        check_arguments(
            self.splits,
            data_prefix=data_prefix,
            max_expressions_per_sample=max_expressions_per_sample,
            seed=seed,
            lowercase=lowercase,
            check_images=check_images,
            with_boxes=with_boxes,
            box_unit=box_unit,
            box_tolerance=box_tolerance,
            **{
                name: kwargs.get(name)
                for name in ('filter_cfg', 'proposal_file', 'test_mode')
            },
        )
        self.name = name
        self.lowercase = lowercase
        self.max_expressions_per_sample = max_expressions_per_sample
        self.seed = seed
        self.check_images = check_images
        self.with_boxes = with_boxes
        self.box_unit = box_unit
        self.box_tolerance = box_tolerance
        self.expected_count = resolve_expected_count(expected_count, self.splits)
        self._epoch = torch.full((1,), NO_EPOCH, dtype=torch.int64).share_memory_()
        super().__init__(*args, data_prefix=data_prefix, **kwargs)

    # -- reading -----------------------------------------------------------

    def load_expressions(self) -> tuple[list[dict], list[str]]:
        """Read the expressions of ``self.splits`` from the dataset's files.

        Returns:
            tuple[list[dict], list[str]]: The expressions, split by split in the
            order of the file, and the faults found on the way. An expression is a
            dict with ``text`` (str), ``split`` (str), ``sent_id`` (int, unique in
            its split), ``img_path`` (str), ``bbox`` (xyxy in ``box_unit``; absent
            without ``with_boxes``), ``entry`` (where it stands, for messages) and
            optionally ``img_id`` (int, one for each
            image unless given), ``width`` and ``height`` (pixels, read from the
            image unless given), ``kind`` (str), ``dataset`` (str; ``name`` goes before
            it), ``box_unit`` (str, its own) and ``other_paths`` (list[str], where its
            image may be instead).

        Raises:
            DatasetError: If a file cannot be read or has no such split.
        """
        raise NotImplementedError(f'{type(self).__name__} has no load_expressions')

    def load_data_list(self) -> list[dict]:
        """Read, check and group the split's expressions.

        Returns:
            list[dict]: The samples.

        Raises:
            DatasetError: If there are faults.
        """
        expressions, faults = self.load_expressions()
        for expression in expressions:
            text = expression['text'].strip()
            expression['text'] = text.lower() if self.lowercase else text
        sound = self._check(expressions, faults)
        found, left = (
            Counter(e['split'] for e in rows) for rows in (expressions, sound)
        )
        for split in self.splits:
            if self.expected_count.get(split, found[split]) != found[split]:
                faults.append(
                    f'{self.source(split)}: split {split!r} has {found[split]} '
                    f'expressions, not the {self.expected_count[split]} it should '
                    'have; get the original file, or set expected_count=None if a '
                    'subset is meant'
                )
            if not left[split] and (sound or not faults):
                faults.append(
                    f'{self.source(split)}: no sound expression in split {split!r}'
                )
        skip_faulty = (self.filter_cfg or {}).get('skip_faulty', False)
        if faults and not (skip_faulty and sound):
            raise DatasetError(
                faults,
                'mend the files, or leave faulty entries out by '
                "the dataset's filter_cfg=dict(skip_faulty=True)",
            )
        if faults:
            print_log(
                f'{self.label}: left out the faulty entries; '
                f'{len(faults)} faults, the first: {faults[0]}',
                logger='current',
                level=logging.WARNING,
            )
        self.faults = faults
        image_ids = {}
        for expression in sound:
            number = image_ids.setdefault(expression['img_path'], len(image_ids))
            expression.setdefault('img_id', number)
        groups = group_expressions(
            sound,
            self.max_expressions_per_sample,
            self.seed,
            crops=spares_directions(self.pipeline),
        )
        return [self._build_sample(group) for group in groups]

    @property
    def label(self) -> str:
        """What the log calls this dataset: its name and splits."""
        return f'{self.name or type(self).__name__} {", ".join(self.splits)}'

    def source(self, split: str) -> str:
        """The file that messages about a whole split name."""
        return self.ann_file.replace('{split}', split)

    def _check_splits(self, known: Iterable[str]) -> None:
        """Refuse splits that the files do not have.

        Raises:
            DatasetError: If one is missing; names those that there are.
        """
        for split in self.splits:
            if not any(in_split(split, name) for name in known):
                raise DatasetError(
                    f'{self.source(split)}: no split {split!r}; there are '
                    f'{", ".join(sorted(known))}'
                )

    def _check(self, expressions: list[dict], faults: list[str]) -> list[dict]:
        """Append what is wrong to ``faults``; return what is right.

        Raises:
            DatasetError: The boxes look like another unit; no entry could be left out.
        """
        unusable = set()
        if self.check_images:
            unusable = self._check_images(expressions, faults)
        boxed = [expression for expression in expressions if 'bbox' in expression]
        faults += self._convert_own_units(boxed)
        boxed = [expression for expression in boxed if 'box_unit' not in expression]
        if self.box_unit in BOX_UNITS:
            faults += convert_boxes(boxed, self.box_unit)
        elif self.box_unit is None and (found := looks_like_unit(boxed)):
            unit, count = found
            whole = BOX_UNITS[unit]
            faults.append(
                f'{self.source(self.splits[0])}: all boxes ({count}) lie within '
                f'{whole} where images are larger, so they seem to be in {unit} units '
                f'(0 to {whole}), not in pixels: convert them by '
                f"box_unit={unit!r}, or say box_unit='pixel' if they are right"
            )
            raise DatasetError(faults[::-1])
        sound, wrong, clipped = check_expressions(
            expressions, unusable, self.with_boxes, self.box_tolerance, self.box_unit
        )
        faults += wrong
        if clipped:
            print_log(
                f'{self.label}: clipped the boxes of {clipped} expressions that left '
                f'their image by up to {self.box_tolerance:g} pixels',
                logger='current',
            )
        return sound

    def _convert_own_units(self, boxed: list[dict]) -> list[str]:
        """Convert the boxes of entries that name their unit; return the faults."""
        faults = []
        for unit in BOX_UNITS:
            own = [e for e in boxed if e.get('box_unit') == unit]
            faults += convert_boxes(own, unit)
        return faults

    def _check_images(self, expressions: list[dict], faults: list[str]) -> set[str]:
        """Append what is wrong with images to ``faults``; return those images."""
        missing, wrong, renamed = find_images(
            expressions, self.data_prefix['img'], self.backend_args
        )
        if renamed:
            print_log(
                f"{self.label}: {renamed} images are there by COCO's other name "
                '(COCO_train2014_000000000009.jpg, or 000000000009.jpg since 2017)',
                logger='current',
            )
        unreadable, unread = check_sizes(expressions, missing, self.backend_args)
        faults += wrong + unread
        return missing | unreadable

    def _build_sample(self, group: list[dict]) -> dict:
        """Turn expressions of one image into mmdet's form of a sample."""
        first = group[0]
        sample = {
            key: first[key]
            for key in ('img_path', 'img_id', 'height', 'width', 'split')
            if key in first
        }
        dataset = self.name or first.get('dataset')
        if dataset is not None:
            sample['dataset'] = dataset
        for key in ('text', 'sent_id', 'kind'):
            if any(key in expression for expression in group):
                sample[key] = [expression.get(key) for expression in group]
        sample['instances'] = [
            dict(bbox=expression['bbox'], bbox_label=index, ignore_flag=0)
            for index, expression in enumerate(group)
            if 'bbox' in expression
        ]
        return sample

    # -- samples -----------------------------------------------------------

    def set_epoch(self, epoch: int) -> None:
        """Tie the random numbers of each sample to an epoch.

        The number lies in shared memory, so workers that live through the
        epochs see it too.

        Args:
            epoch (int): Number of the epoch, from 0.
        """
        if not self._epoch.is_shared():  # a copy made by get_subset
            self._epoch.share_memory_()
        self._epoch.fill_(epoch)

    def prepare_data(self, idx: int) -> Any:
        """Run a sample through the pipeline.

        Unlike mmengine's, a training sample that fails is an error, and never
        replaced by another one in silence.

        Args:
            idx (int): Index of the sample.

        Returns:
            Any: What the pipeline gives.

        Raises:
            DatasetError: If the pipeline fails; names the file and the entry.
        """
        sample = self.get_data_info(idx)
        place = f'{sample["img_path"]} (sent_id {sample["sent_id"]})'
        epoch = int(self._epoch)
        if epoch == NO_EPOCH:
            seeded = nullcontext()
        else:
            seeded = seeded_generators(self.seed, epoch, sample['sample_idx'])
        try:
            with seeded:
                packed = self.pipeline(sample)
        except Exception as error:
            raise DatasetError(
                f'{place} cannot be prepared: {type(error).__name__}: {error}; '
                'tools/misc/check_dataset.py finds all broken images'
            ) from error
        if packed is None:
            raise DatasetError(f'{place}: the pipeline gave no sample for it')
        return packed

    def get_cat_ids(self, idx: int) -> list[int]:
        """Categories of a sample's boxes: all are referents, whatever their label.

        mmdet's ``ClassBalancedDataset`` repeats samples of rare ones.
        """
        return [0] * len(self.get_data_info(idx)['instances'])

    def check_decoding(self) -> list[str]:
        """Decode every image once, with a progress bar.

        Returns:
            list[str]: A fault for each image that is broken, or whose size
            is not the one in the annotations.
        """
        sizes = {}
        for index in range(len(self)):
            sample = self.get_data_info(index)
            sizes[sample['img_path']] = sample.get('width'), sample.get('height')
        return check_decoding(sizes, self.backend_args)
