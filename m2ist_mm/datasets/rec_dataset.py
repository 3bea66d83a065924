"""Base of all data sets for referring expression comprehension."""

import logging
import math
import random
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import mmcv
import numpy as np
import torch
from mmdet.datasets import BaseDetDataset
from mmengine.fileio import exists, get
from mmengine.logging import print_log
from rich.progress import track

from .dataset_error import DatasetError

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
    """Pictures with expressions that name one box each.

    A subclass reads its files in :meth:`load_expressions`; everything else is
    here: checks, grouping, random numbers, errors.

    A sample before its pipeline is a dict with ``img_path``, ``img_id``,
    ``height`` and ``width`` (pixels), ``split``, the aligned lists ``text``,
    ``sent_id`` and (where the data set has it) ``kind``, and ``instances``:
    mmdet's, one for each expression, all of class 0, 'referent'.

    Random numbers: once :meth:`set_epoch` was called, a sample's pipeline draws
    from generators seeded by (seed, epoch, index), whichever worker runs it, so
    that an interrupted training repeats exactly. Without it they are the
    worker's own.

    Args:
        split (str): Name of the split.
        max_expressions_per_sample (int): Up to so many expressions of the same
            picture make one sample; k = 1, the default, is one sample an
            expression. Larger ones let the model see a picture once for k
            expressions. Which ones go together is drawn once, from ``seed``.
        seed (int): Seed of grouping and of augmentation. Defaults to 0.
        check_images (bool): Look for each picture's file when the data set is
            built. Defaults to True.
        expected_count (int, optional): Number of expressions that the split
            must have. Defaults to None: not checked.
        filter_cfg (dict, optional): ``dict(skip_faulty=True)`` leaves faulty
            entries out, with a warning, instead of refusing the data set.
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
        split: str,
        max_expressions_per_sample: int = 1,
        seed: int = 0,
        check_images: bool = True,
        expected_count: int | None = None,
        **kwargs,
    ) -> None:
        if max_expressions_per_sample < 1:
            raise ValueError(
                'max_expressions_per_sample must be at least 1, got '
                f'{max_expressions_per_sample}'
            )
        self.split = split
        self.max_expressions_per_sample = max_expressions_per_sample
        self.seed = seed
        self.check_images = check_images
        self.expected_count = expected_count
        self._epoch = torch.full((1,), NO_EPOCH, dtype=torch.int64).share_memory_()
        super().__init__(*args, **kwargs)

    # -- reading -----------------------------------------------------------

    def load_expressions(self) -> tuple[list[dict], list[str]]:
        """Read the expressions of ``self.split`` from the data set's files.

        Returns:
            tuple[list[dict], list[str]]: The expressions in the order of the
            file, and the faults found on the way. An expression is a dict with
            ``text`` (str), ``sent_id`` (int), ``img_path`` (str), ``img_id``
            (int), ``width`` and ``height`` (pixels), ``bbox`` (xyxy pixels),
            ``entry`` (where it stands, for messages) and optionally ``kind``
            (str).

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
        sound = self._check_expressions(expressions, faults)
        if self.expected_count not in (None, len(expressions)):
            faults.append(
                f'{self.source}: split {self.split!r} has {len(expressions)} '
                f'expressions, not the {self.expected_count} it should have; get the '
                'original file, or set expected_count=None if a subset is meant'
            )
        if not sound:
            faults.append(f'{self.source}: no sound expression in split {self.split!r}')
        skip_faulty = (self.filter_cfg or {}).get('skip_faulty', False)
        if faults and not (skip_faulty and sound):
            raise DatasetError(
                faults,
                'mend the files, or leave faulty entries out by '
                "the data set's filter_cfg=dict(skip_faulty=True)",
            )
        if faults:
            print_log(
                f'{type(self).__name__} {self.split}: left out the faulty entries; '
                f'{len(faults)} faults, the first: {faults[0]}',
                logger='current',
                level=logging.WARNING,
            )
        self.faults = faults
        return [self._build_sample(group) for group in self._group(sound)]

    @property
    def source(self) -> str:
        """The file that messages about the whole split name."""
        return self.ann_file

    def _check_expressions(
        self, expressions: list[dict], faults: list[str]
    ) -> list[dict]:
        """Append what is wrong to ``faults``; return what is right.

        Boxes that leave the picture by at most one pixel, as rounding makes
        them, are clipped and counted in the log.
        """
        missing = self._missing_images(expressions, faults)
        seen, sound, clipped = set(), [], 0
        for expression in expressions:
            problems = []
            if not expression['text'].strip():
                problems.append('the expression is empty')
            if expression['sent_id'] in seen:
                problems.append('its sent_id is not unique')
            seen.add(expression['sent_id'])

            bbox = [float(number) for number in expression['bbox']]
            width, height = expression['width'], expression['height']
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
                    f'its box {bbox} (xyxy) leaves the picture of {width}x{height} '
                    'pixels'
                )
            faults += [f'{expression["entry"]}: {problem}' for problem in problems]
            if not problems and expression['img_path'] not in missing:
                clipped += bbox != inside
                sound.append({**expression, 'bbox': inside})
        if clipped:
            print_log(
                f'{type(self).__name__} {self.split}: clipped the boxes of {clipped} '
                'expressions that left their picture by up to one pixel',
                logger='current',
            )
        return sound

    def _missing_images(self, expressions: list[dict], faults: list[str]) -> set[str]:
        """Look for each picture once; a fault for each that is not there."""
        if not self.check_images:
            return set()
        folder = self.data_prefix['img']
        if not exists(folder, backend_args=self.backend_args):
            raise DatasetError(
                [f'{folder}: no such picture folder; check data_root and data_prefix']
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
            f'{path}: no such picture, named by {entry}; check data_root and '
            f'data_prefix ({len(missing)} of {len(first_entry)} pictures are missing)'
            for path, entry in missing.items()
        ]
        return set(missing)

    def _group(self, expressions: list[dict]) -> list[list[dict]]:
        """Group expressions of one picture, at most the allowed number each."""
        size = self.max_expressions_per_sample
        if size == 1:
            return [[expression] for expression in expressions]
        by_image = defaultdict(list)
        for expression in expressions:
            by_image[expression['img_path']].append(expression)
        generator = np.random.default_rng(self.seed)
        groups = []
        for members in by_image.values():
            # The file has an object's expressions in a row: unshuffled, a
            # group would name the same box again and again.
            members = [members[index] for index in generator.permutation(len(members))]
            groups += [
                members[start : start + size] for start in range(0, len(members), size)
            ]
        return groups

    def _build_sample(self, group: list[dict]) -> dict:
        """Turn expressions of one picture into mmdet's form of a sample."""
        first = group[0]
        sample = {key: first[key] for key in ('img_path', 'img_id', 'height', 'width')}
        sample['split'] = self.split
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
                    'tools/misc/check_dataset.py finds all broken pictures'
                ]
            ) from error
        if packed is None:
            raise DatasetError([f'{place}: the pipeline gave no sample for it'])
        return packed

    # -- checking ----------------------------------------------------------

    def check_pictures(self) -> list[str]:
        """Decode every picture once, with a progress bar.

        Returns:
            list[str]: A fault for each picture that is broken, or whose size
            is not the one in the annotations.
        """
        sizes = {}
        for index in range(len(self)):
            sample = self.get_data_info(index)
            sizes[sample['img_path']] = sample['width'], sample['height']
        faults = []
        for path, (width, height) in track(sizes.items(), 'decoding the pictures'):
            try:
                # Unlike some versions of OpenCV, Pillow refuses a truncated file.
                picture = mmcv.imfrombytes(
                    get(path, backend_args=self.backend_args), backend='pillow'
                )
            except Exception as error:
                faults.append(f'{path}: broken picture: {error}')
            else:
                if picture.shape[:2] != (height, width):
                    faults.append(
                        f'{path}: is {picture.shape[1]}x{picture.shape[0]} pixels, '
                        f'and {width}x{height} in the annotations'
                    )
        return faults
