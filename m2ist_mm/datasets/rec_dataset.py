"""Base of all datasets for referring expression comprehension."""

import logging
import math
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from mmdet.datasets import BaseDetDataset
from mmengine.fileio import exists
from mmengine.logging import print_log
from rich.progress import track

from .dataset_error import DatasetError
from .image_reader import read_image
from .image_size import read_image_size
from .published_counts import resolve_expected_count
from .transforms import ApplyUnlessDirection, has_direction_word

NO_EPOCH = -1


@contextmanager
def _random_numbers_from(*key: int) -> Iterator[None]:
    """Seed Python's, numpy's and torch's CPU generators, and restore them after.

    Args:
        *key (int): Non-negative numbers that name the stream.
    """
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    seeds = np.random.SeedSequence(key).generate_state(3)
    random.seed(int(seeds[0]))
    np.random.seed(seeds[1])
    # Not torch.manual_seed: it would seed the GPUs' generators as well.
    torch.default_generator.manual_seed(int(seeds[2]))
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])


class RECDataset(BaseDetDataset):
    """Images with expressions that name one box each.

    A subclass reads its files in :meth:`load_expressions`; everything else is
    here: checks, grouping, random numbers, errors.

    A sample before its pipeline is a dict with ``img_path``, ``img_id``,
    ``height`` and ``width`` (pixels), ``split``, ``dataset`` (where it has a name),
    the aligned lists ``text``, ``sent_id`` and (where the dataset has it)
    ``kind``, and ``instances``: mmdet's, one for each expression, all of class 0,
    'referent'.

    Random numbers: once :meth:`set_epoch` was called, a sample's pipeline draws
    from generators seeded by (seed, epoch, index), whichever worker runs it, so
    that an interrupted training repeats exactly. Without it they are the
    worker's own.

    Args:
        split (str | Sequence[str]): Name of the split, or of several, which are
            read one after the other.
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
            built, and where the annotations have no sizes, read them from the
            images. Defaults to True. Without it such samples have no size, and
            only the boxes' order is checked.
        expected_count (str | dict | int, optional): Number of expressions that
            the split must have: itself, by split, or as the name of a published
            dataset, one of ``PUBLISHED_COUNTS``. Defaults to None: not
            checked, for datasets of your own and subsets.
        filter_cfg (dict, optional): ``dict(skip_faulty=True)`` leaves faulty
            entries out, with a warning, instead of refusing the dataset.
        **kwargs: mmdet's arguments: ``data_root``, ``ann_file``,
            ``data_prefix=dict(img=...)``, ``pipeline``, ``indices``,
            ``test_mode``, ``lazy_init``, ``backend_args`` ...

    Attributes:
        faults (list[str]): What ``skip_faulty`` passed over, once loaded.

    Raises:
        DatasetError: If the files have faults.
    """

    METAINFO = dict(classes=('referent',), palette=[(0, 200, 0)])

    def __init__(
        self,
        *args,
        split: str | Sequence[str],
        name: str | None = None,
        lowercase: bool = True,
        max_expressions_per_sample: int = 1,
        seed: int = 0,
        check_images: bool = True,
        expected_count: str | dict[str, int] | int | None = None,
        **kwargs,
    ) -> None:
        if max_expressions_per_sample < 1:
            raise ValueError(
                'max_expressions_per_sample must be at least 1, got '
                f'{max_expressions_per_sample}'
            )
        self.splits = (split,) if isinstance(split, str) else tuple(split)
        self.name = name
        self.lowercase = lowercase
        self.max_expressions_per_sample = max_expressions_per_sample
        self.seed = seed
        self.check_images = check_images
        self.expected_count = resolve_expected_count(expected_count, self.splits)
        self._epoch = torch.full((1,), NO_EPOCH, dtype=torch.int64).share_memory_()
        super().__init__(*args, **kwargs)

    # -- reading -----------------------------------------------------------

    def load_expressions(self) -> tuple[list[dict], list[str]]:
        """Read the expressions of ``self.splits`` from the dataset's files.

        Returns:
            tuple[list[dict], list[str]]: The expressions, split by split in the
            order of the file, and the faults found on the way. An expression is a
            dict with ``text`` (str), ``split`` (str), ``sent_id`` (int, unique in
            its split), ``img_path`` (str), ``bbox`` (xyxy pixels), ``entry`` (where
            it stands, for messages) and optionally ``img_id`` (int, one for each
            image unless given), ``width`` and ``height`` (pixels, read from the
            image unless given), ``kind`` (str) and ``dataset`` (str; ``name``
            goes before it).

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
        sound = self._check_expressions(expressions, faults)
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
                f'{self._label}: left out the faulty entries; '
                f'{len(faults)} faults, the first: {faults[0]}',
                logger='current',
                level=logging.WARNING,
            )
        self.faults = faults
        image_ids = {}
        for expression in sound:
            number = image_ids.setdefault(expression['img_path'], len(image_ids))
            expression.setdefault('img_id', number)
        return [self._build_sample(group) for group in self._group(sound)]

    @property
    def _label(self) -> str:
        """What the log calls this dataset."""
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
            if split not in known:
                raise DatasetError(
                    [
                        f'{self.source(split)}: no split {split!r}; there are '
                        f'{", ".join(sorted(known))}'
                    ]
                )

    def _check_expressions(
        self, expressions: list[dict], faults: list[str]
    ) -> list[dict]:
        """Append what is wrong to ``faults``; return what is right.

        Boxes that leave the image by at most one pixel, as rounding makes
        them, are clipped and counted in the log.
        """
        unusable = self._missing_images(expressions, faults)
        if self.check_images:
            unusable |= self._read_sizes(expressions, unusable, faults)
        seen, sound, clipped = set(), [], 0
        for expression in expressions:
            problems = []
            if not expression['text'].strip():
                problems.append('the expression is empty')
            key = expression['split'], expression['sent_id']
            if key in seen:
                problems.append(f'its sent_id {key[1]} is not unique')
            seen.add(key)

            bbox = [float(number) for number in expression['bbox']]
            width = expression.get('width', math.inf)
            height = expression.get('height', math.inf)
            x1, y1, x2, y2 = bbox
            inside = [max(x1, 0), max(y1, 0), min(x2, width), min(y2, height)]
            if not (all(map(math.isfinite, bbox)) and x1 < x2 and y1 < y2):
                problems.append(f'its box {bbox} (xyxy) has no area')
            elif (
                max(abs(old - new) for old, new in zip(bbox, inside, strict=True)) > 1
                or inside[0] >= inside[2]
                or inside[1] >= inside[3]
            ):
                problems.append(
                    f'its box {bbox} (xyxy) leaves the image of {width}x{height} pixels'
                )
            faults += [f'{expression["entry"]}: {problem}' for problem in problems]
            if not problems and expression['img_path'] not in unusable:
                clipped += bbox != inside
                sound.append({**expression, 'bbox': inside})
        if clipped:
            print_log(
                f'{self._label}: clipped the boxes of {clipped} '
                'expressions that left their image by up to one pixel',
                logger='current',
            )
        return sound

    def _missing_images(self, expressions: list[dict], faults: list[str]) -> set[str]:
        """Look for each image once; a fault for each that is not there."""
        if not self.check_images:
            return set()
        folder = self.data_prefix['img']
        if not exists(folder, backend_args=self.backend_args):
            raise DatasetError(
                [f'{folder}: no such image folder; check data_root and data_prefix']
            )
        first_entry = {}
        for expression in expressions:
            first_entry.setdefault(expression['img_path'], expression['entry'])
        missing = {
            path: entry
            for path, entry in first_entry.items()
            if not exists(path, backend_args=self.backend_args)
        }
        faults += [
            f'{path}: no such image, named by {entry}; check data_root and '
            f'data_prefix ({len(missing)} of {len(first_entry)} images are missing)'
            for path, entry in missing.items()
        ]
        return set(missing)

    def _read_sizes(
        self, expressions: list[dict], unusable: set[str], faults: list[str]
    ) -> set[str]:
        """Add the sizes that the annotations do not have; return what is broken."""
        sizes, broken = {}, set()
        for expression in expressions:
            path = expression['img_path']
            if 'width' in expression or path in unusable or path in broken:
                continue
            if path not in sizes:
                try:
                    sizes[path] = read_image_size(path, self.backend_args)
                except (OSError, ValueError) as error:
                    broken.add(path)
                    faults.append(str(error))
                    continue
            expression['width'], expression['height'] = sizes[path]
        return broken

    def _group(self, expressions: list[dict]) -> list[list[dict]]:
        """Group expressions of one image and split, at most the allowed number.

        A group shares its augmentation. So that each expression is cropped as often
        and as closely as alone, those that a crop spares stay apart from the others,
        and of the others only those of one object go together.
        """
        size = self.max_expressions_per_sample
        if size == 1:
            return [[expression] for expression in expressions]
        crops = any(
            isinstance(step, ApplyUnlessDirection) for step in self.pipeline.transforms
        )
        by_view = defaultdict(list)
        for expression in expressions:
            apart = crops and not has_direction_word(expression['text'])
            key = (
                expression['split'],
                expression.get('dataset'),
                expression['img_path'],
                tuple(expression['bbox']) if apart else None,
            )
            by_view[key].append(expression)
        generator = np.random.default_rng(self.seed)
        groups = []
        for members in by_view.values():
            # The file has an object's expressions in a row: unshuffled, a
            # group would name the same box again and again.
            members = [members[index] for index in generator.permutation(len(members))]
            groups += [
                members[start : start + size] for start in range(0, len(members), size)
            ]
        return groups

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
            dict(bbox=expression['bbox'], bbox_label=0, ignore_flag=0)
            for expression in group
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
        try:
            if epoch == NO_EPOCH:
                packed = self.pipeline(sample)
            else:
                with _random_numbers_from(self.seed, epoch, sample['sample_idx']):
                    packed = self.pipeline(sample)
        except Exception as error:
            raise DatasetError(
                [
                    f'{place} cannot be prepared: {type(error).__name__}: {error}; '
                    'tools/misc/check_dataset.py finds all broken images'
                ]
            ) from error
        if packed is None:
            raise DatasetError([f'{place}: the pipeline gave no sample for it'])
        return packed

    # -- checking ----------------------------------------------------------

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
        faults = []
        for path, (width, height) in track(sizes.items(), 'decoding the images'):
            try:
                image = read_image(path, self.backend_args)
            except (OSError, ValueError) as error:
                faults.append(str(error))
            else:
                if width is not None and image.shape[:2] != (height, width):
                    faults.append(
                        f'{path}: is {image.shape[1]}x{image.shape[0]} pixels, '
                        f'and {width}x{height} in the annotations'
                    )
        return faults
