"""Turns what people have into rows of train, val and test."""

import hashlib
import json
from collections import Counter, defaultdict
from pathlib import Path

from ...atomic_file import write_atomically
from ...datasets import ReferDataset, load_refs
from ...datasets.checks import find_repetitions, other_coco_names
from ...datasets.dataset_error import DatasetError
from ...datasets.formats import REFER, SEVERAL, build_reader, keep_one_box
from .data_changed_error import DataChangedError
from .data_summary import FOLDER, DataSummary
from .image_digests import (
    digest_images,
    find_near_duplicates,
    group_look_alikes,
    same_files,
)
from .image_finder import ImageFinder, lies_elsewhere, names_of_others
from .read_dataset import ReadDataset
from .source import (
    SPLITS,
    Source,
    find_source,
    refuse_work_dir_around,
    standard_split,
)
from .splits import (
    FEWEST_IMAGES,
    complete_splits,
    draw_splits,
    read_splits,
    splits_table,
)
from .statistics import best_constant_box, constant_controls, describe, relative_boxes

_MOST_FAULTY = 1 / 3  # of the expressions, for skip_faulty to leave them out
_MOST_FAULTS = 2
_MOST_PASSED_OVER = 5
_XYWH = ('coco', 'mdetr', REFER)  # formats with left, top, width and height
_NO_SPLIT = ('', 'default')  # CVAT's name for no subset


def prepare_data(
    source: str | Path,
    work_dir: str | Path,
    *,
    data_format: str | None = None,
    image_root: str | Path | None = None,
    text_field: str | None = None,
    bbox_form: str | None = None,
    box_unit: str | None = None,
    box_tolerance: float = 1.0,
    several: str = 'leave-out',
    skip_faulty: bool = False,
    seed: int = 0,
    start: Path | None = None,
    started: bool = False,
) -> DataSummary:
    """Read annotations of any known format, check them, and write rows by split.

    Writes ``work_dir/data/``: ``train.jsonl``, ``val.jsonl`` and ``test.jsonl`` in the
    format 'rows'; ``splits.csv``, which can be edited and is read again by the next
    call; ``images.json``, fingerprints of the images; and ``summary.json``. Where the
    annotations name no splits, images are divided 80/10/10.

    Args:
        source: An annotation file, or a folder with such files of one format.
        work_dir: Where ``data/`` goes.
        data_format: One of ``DATA_FORMATS``; recognised by the content unless given.
        image_root: The folder below which the images are; that of the source unless
            given.
        text_field: The field of the text, where the format leaves it to the user.
        bbox_form: 'xyxy' or 'xywh', for rows.
        box_unit: 'pixel', 'relative', 'percent' or 'permille', for formats that do not
            say it.
        box_tolerance: Pixels by which a box may leave its image; it is clipped.
        several: What to do with expressions that have several boxes: 'leave-out', or
            'join' to one box around all; 'refuse' makes them faults. Those without a
            box are left out.
        skip_faulty: Leave faulty entries out instead of refusing the data.
        seed: By which images are divided.
        start: Checkpoint that the training starts from. Where it is an earlier fit's,
            images that this fit had keep the split that they had there.
        started: Whether something was computed already from what an earlier call
            wrote: then the data must be the same.

    Returns:
        What was read.

    Raises:
        DatasetError: The data have faults; one line each, the first ones.
        DataChangedError: ``started``, and the data differ; names the difference.
        ValueError: An argument means nothing, or the work dir is, or is above, the
            folder of the data.
    """
    if several not in SEVERAL:
        raise ValueError(
            f'several={several!r}: must be one of {", ".join(map(repr, SEVERAL))}'
        )
    work_dir = Path(work_dir).resolve()
    refuse_work_dir_around(work_dir, Path(source), image_root and Path(image_root))
    folder = work_dir / FOLDER
    previous = DataSummary.load(work_dir) if DataSummary.exists(work_dir) else None
    found = find_source(Path(source), data_format, work_dir)
    root = Path(image_root or found.folder).resolve()
    read, faults = _read(found, text_field, bbox_form)
    fields, others = _text_fields(read)
    unreadable = len(faults)
    kept, wrong, counts = keep_one_box(read, several)
    if not kept and not wrong and not faults:
        raise DatasetError(_no_sentence(found, fields, others, counts))
    candidates = len(kept) + len(wrong)
    missed, elsewhere = _find_images(kept, ImageFinder(root, work_dir))
    faults += wrong + missed
    checks = dict(box_unit=box_unit, box_tolerance=box_tolerance)
    if skip_faulty:
        checks['filter_cfg'] = dict(skip_faulty=True)
    rows = _check(kept, faults, found, root, checks, folder)
    digests, broken = digest_images(
        {row['image']: root / row['image'] for row in rows}, folder / 'images.json'
    )
    if broken and not skip_faulty:
        raise _refusal(broken, folder)
    rows = [row for row in rows if row['image'] in digests]
    counts['kept'] = len(rows)
    counts['faulty'] = unreadable + candidates - len(rows)
    counts['read'] = unreadable + sum(e['text'] is not None for e in read)
    if counts['faulty'] > _MOST_FAULTY * counts['read']:
        # of boxes xywh that are read as xyxy, those that pass are wrong
        raise DatasetError(
            f'{source}: skip_faulty would leave out {counts["faulty"]} of '
            f'{counts["read"]} expressions; so many mean that something is misread '
            "(bbox_form 'xyxy' or 'xywh', box_unit, image_root): look at them "
            'without skip_faulty'
        )
    if len(digests) < FEWEST_IMAGES:
        raise DatasetError(
            f'{source}: has {len(rows)} expressions on {len(digests)} images; at '
            f'least {FEWEST_IMAGES} images are needed to train, validate and test'
        )
    earlier = _earlier_splits(start, digests)
    splits, splits_from, notes = _split(
        rows, digests, earlier, folder / 'splits.csv', previous, seed, str(source)
    )
    order = SPLITS.index
    seen = sorted(
        name for name in earlier if order(splits[name]) > order(earlier[name])
    )
    if seen:
        notes.append(
            f'{len(seen)} images of val or test were in train or val of {start}, which '
            'the training starts from, so that figures of them are too good; the '
            f'first: {seen[0]}'
        )
    groups = group_look_alikes(digests)
    sizes = Counter(groups.values())
    by_split = {split: [] for split in SPLITS}
    for row in rows:
        row['split'] = splits[row['image']]
        if sizes[group := groups[row['image']]] > 1:
            row['group'] = group
        by_split[row['split']].append(row)
    empty = [split for split, own in by_split.items() if not own]
    if empty:
        raise DatasetError(
            f'{folder / "splits.csv"}: no image is of the split {empty[0]!r}'
        )
    box = best_constant_box(relative_boxes(by_split['train']), seed)
    table = splits_table(splits)
    summary = DataSummary(
        data_format=found.data_format,
        source=str(Path(source).resolve()),
        image_root=str(root),
        folder=str(folder),
        options=dict(
            text_field=text_field,
            bbox_form=bbox_form,
            box_unit=box_unit,
            box_tolerance=box_tolerance,
            several=several,
            skip_faulty=skip_faulty,
            seed=seed,
        ),
        counts={
            name: counts[name]
            for name in ('read', 'kept', 'several', 'none', 'faulty', 'without_text')
        },
        statistics={
            split: {**describe(own), **constant_controls(own, box)}
            for split, own in by_split.items()
        },
        constant_box=box.round(4).tolist(),
        splits_from=splits_from,
        text_fields=[] if text_field else fields,
        other_fields=[] if text_field else others,
        notes=_passed_over(found) + elsewhere + notes + _repetitions(by_split),
        near_duplicates=[
            dict(images=pair, splits=[splits[name] for name in pair], bits=bits)
            for *pair, bits in find_near_duplicates(
                {name: digest['look'] for name, digest in digests.items()}, splits
            )
        ],
        learnt_images=sum(split == 'train' for split in earlier.values()),
        fingerprint=_fingerprint(found, digests, splits, table),
    )
    if started and previous is not None:
        differences = summary.differences(previous)
        if differences:
            raise DataChangedError(differences, work_dir)
    for split, own in by_split.items():
        lines = [json.dumps(row, ensure_ascii=False) + '\n' for row in own]
        write_atomically(folder / f'{split}.jsonl', ''.join(lines).encode())
    summary.save()
    write_atomically(folder / 'splits.csv', table)
    return summary


def _read(
    source: Source, text_field: str | None, bbox_form: str | None
) -> tuple[list[dict], list[str]]:
    """Read all files; each expression gets its ``file`` and a ``sent_id`` of its own.

    Raises:
        DatasetError: A file is missing or damaged.
        ValueError: An option does not go with the format.
    """
    expressions, faults = [], []
    if source.data_format == REFER:
        if text_field or bbox_form:
            raise ValueError('text_field and bbox_form do not go with the format refer')
        read = _read_refer
    else:
        read = build_reader(source.data_format, bbox_form, text_field)
    for path, split in source.files.items():
        found, wrong = read(str(path))
        faults += wrong
        for expression in found:
            expression['file'] = path
            if source.data_format in _XYWH or bbox_form == 'xywh':
                expression['bbox_form'] = 'xywh'
            named = split or expression.get('split')
            expression['split'] = None
            if named is not None and named.lower() not in _NO_SPLIT:
                expression['split'] = standard_split(named)
                if expression['split'] is None:
                    faults.append(
                        f'{expression["entry"]}: its split {named!r} is none of '
                        f'{", ".join(SPLITS)}'
                    )
        expressions += found
    if len({expression['sent_id'] for expression in expressions}) < len(expressions):
        for number, expression in enumerate(expressions):
            expression['sent_id'] = number
    return expressions, faults


def _text_fields(expressions: list[dict]) -> tuple[list[str], list[str]]:
    """Fields of the sentences (one a file), and others; none if they are fixed."""
    chosen, others = {}, {}
    for expression in expressions:
        first, *more = expression.get('text_fields') or [None]
        chosen[first] = None
        others.update(dict.fromkeys(more))
    chosen.pop(None, None)
    return list(chosen), [name for name in others if name not in chosen]


def _no_sentence(
    source: Source, fields: list[str], others: list[str], counts: Counter
) -> str:
    """Say what there is instead of sentences with one box, and what may help."""
    of = f' of the field {", ".join(map(repr, fields))}' if fields else ''
    message = f'{next(iter(source.files))}: no sentence{of} has one box'
    found = {
        'have several boxes': counts['several'],
        'have no box': counts['none'],
    }
    told = [f'{count} {what}' for what, count in found.items() if count]
    if counts['without_text']:
        told.append(f'{counts["without_text"]} boxes have no sentence')
    if told:
        message += f': {", ".join(told)}'
    if others:
        message += (
            f'; name another field by text_field: {", ".join(map(repr, others)):.300}'
        )
    if counts['several']:
        message += "; several='join' takes the box around all of a sentence"
    return message


def _read_refer(path: str) -> tuple[list[dict], list[str]]:
    """Read all splits of a ``refs(*).p`` and of the ``instances.json`` beside it."""
    dataset = ReferDataset(
        refs_file=path,
        ann_file=str(Path(path).with_name('instances.json')),
        split=sorted({ref['split'] for ref in load_refs(path)}),
        data_prefix=dict(img=''),
        lazy_init=True,
    )
    found, faults = dataset.load_expressions()
    expressions = {}
    for expression in found:
        expression['image'] = expression.pop('img_path')
        expression['origins'] = [expression['sent_id']]
        # a joint split such as testAB was read once for each of its parts
        expressions.setdefault(expression['sent_id'], expression)
    return list(expressions.values()), faults


def _find_images(
    expressions: list[dict], finder: ImageFinder
) -> tuple[list[str], list[str]]:
    """Set the ``img_path`` of each expression whose image is there.

    The others are taken out of the list.

    Returns:
        The faults: one for all images that are missing, one for each that may be any
        of several, or is there for another name alone; and a note if images are found
        elsewhere than named.
    """
    found, entries, led = {}, {}, defaultdict(list)
    for expression in expressions:
        name, beside = expression['image'], expression['file'].parent
        if (name, beside) not in found:
            names = [name, *expression.get('aliases', []), *other_coco_names(name)]
            paths = found[name, beside] = finder.find(names, beside)
            entries[name, beside] = expression['entry']
            if len(paths) == 1:
                led[paths[0]].append(name)
    others = {
        (name, path): other
        for path, own in led.items()
        for name, other in names_of_others(own, path).items()
    }
    faults, missing, elsewhere = [], [], {}
    for (name, beside), paths in found.items():
        entry = entries[name, beside]
        if not paths:
            missing.append(f'{name:.200}, named by {entry}')
        elif len(paths) > 1:
            faults.append(
                f'{entry}: its image {name} may be '
                f'{" or ".join(str(path) for path in paths[:3])}'
            )
        elif (name, paths[0]) in others:
            faults.append(
                f'{entry}: its image {name} is not there; {paths[0]} has another name '
                f'or folder, and {others[name, paths[0]]} led to it, too; save it '
                'under the name that is said'
            )
            found[name, beside] = []
        elif lies_elsewhere(name, paths[0], finder.folder):
            elsewhere.setdefault(paths[0], name)
    for expression in expressions:
        paths = found[expression['image'], expression['file'].parent]
        expression['img_path'] = str(paths[0]) if len(paths) == 1 else None
    expressions[:] = [e for e in expressions if e['img_path'] is not None]
    if missing:
        faults.append(
            f'{finder.folder}: {len(missing)} of {len(found)} images are missing in '
            f'it, the first: {missing[0]}; name the folder of the images by image_root'
        )
    notes = []
    if elsewhere:
        path, name = next(iter(elsewhere.items()))
        if path.is_relative_to(finder.folder):
            path = path.relative_to(finder.folder)
        notes.append(
            f'{len(elsewhere)} images are found elsewhere than named, the first: '
            f'{path} for {name}'
        )
    return faults, notes


def _check(
    expressions: list[dict],
    faults: list[str],
    source: Source,
    root: Path,
    checks: dict,
    folder: Path,
) -> list[dict]:
    """Apply the checks of every dataset; return a row for each sound expression.

    Raises:
        DatasetError: There are faults, and they are not to be skipped.
    """
    dataset = ReadDataset(expressions, faults, str(next(iter(source.files))), **checks)
    try:
        samples = dataset.load_data_list()
    except DatasetError as error:
        raise _refusal(error.faults, folder, bool(error.remedy)) from None
    by_id = {expression['sent_id']: expression for expression in expressions}
    rows = [_row(s, by_id[s['sent_id'][0]], root, source) for s in samples]
    if len({row.get('kind') for row in rows}) == 1:  # it tells nothing apart
        for row in rows:
            row.pop('kind', None)
    return rows


def _row(sample: dict, expression: dict, root: Path, source: Source) -> dict:
    """Make a row; its ``origin`` says where it came from, for an export."""
    path = Path(sample['img_path'])
    row = dict(
        image=path.relative_to(root).as_posix()
        if path.is_relative_to(root)
        else str(path),
        expression=sample['text'][0],
        bbox=[round(value, 3) for value in sample['instances'][0]['bbox']],
        sent_id=sample['sent_id'][0],
        width=sample['width'],
        height=sample['height'],
    )
    if sample.get('kind', [None])[0] is not None:
        row['kind'] = sample['kind'][0]
    if expression['split'] is not None:
        row['split'] = expression['split']
    file = expression['file'].relative_to(source.folder).as_posix()
    row['origin'] = [file, *expression['origins']]
    return row


def _refusal(faults: list[str], folder: Path, skippable: bool = True) -> DatasetError:
    """Make an error of the first faults; the file ``faults.txt`` has them all."""
    shown = faults
    if len(faults) > _MOST_FAULTS:
        path = folder / 'faults.txt'
        write_atomically(path, '\n'.join([*faults, '']).encode(errors='replace'))
        hidden = len(faults) - _MOST_FAULTS
        shown = [*faults[:_MOST_FAULTS], f'... and {hidden} more: {path} has them all']
    remedy = 'mend them, or leave faulty entries out by skip_faulty'
    return DatasetError(shown, remedy if skippable else '')


def _earlier_splits(start: Path | None, digests: dict[str, dict]) -> dict[str, str]:
    """The splits of the images in the fit that a checkpoint is of, if it is of one."""
    work_dir = start and start.resolve().parent.parent
    if work_dir is None or not DataSummary.exists(work_dir):
        return {}
    fit, learnt = DataSummary.load(work_dir).fingerprint, {}
    for name, digest in fit['images'].items():
        splits = fit['splits'][name], learnt.get(digest, SPLITS[-1])
        learnt[digest] = min(splits, key=SPLITS.index)
    keys = _image_keys(digests)
    return {name: learnt[key] for name, key in keys.items() if key in learnt}


def _image_keys(digests: dict[str, dict]) -> dict[str, str]:
    """What a fingerprint knows images by."""
    return {name: digest['sha256'][:16] for name, digest in digests.items()}


def _split(
    rows: list[dict],
    digests: dict[str, dict],
    earlier: dict[str, str],
    path: Path,
    previous: DataSummary | None,
    seed: int,
    source: str,
) -> tuple[dict[str, str], str, list[str]]:
    """Give each image its split: from the file that was edited, the rows, or drawn.

    What is drawn leaves images where they were in an earlier fit.

    Returns:
        The splits, where they are from ('file', 'data' or 'drawn'), and notes.

    Raises:
        DatasetError: Some rows name a split and others do not, or what is named is not
            enough.
    """
    groups = same_files(digests)
    if path.is_file() and not _is_ours(path, previous):
        listed = read_splits(path)
        splits = {name: split for name, split in listed.items() if name in digests}
        new, unlike = [name for name in digests if name not in listed], []
        for group in groups:
            own = [name for name in group if name not in listed]
            known = {listed[name] for name in group if name in listed}
            if known:
                splits.update(dict.fromkeys(own, max(known, key=SPLITS.index)))
            elif own:
                unlike.append(own)
        splits.update(draw_splits(unlike, seed))
        notes = [f'the splits are those of {path}; remove it to draw them anew']
        if new:
            notes.append(f'{len(new)} images were not in it, the first: {new[0]}')
        return splits, 'file', notes
    without = [row for row in rows if 'split' not in row]
    if len(without) == len(rows):
        new = [group for group in groups if group[0] not in earlier]
        splits = {**earlier, **draw_splits(new, seed)}
        notes = [
            f'{len(earlier)} images stay in the split that they had in the training of '
            'the model that this one starts from'
        ] * bool(earlier)
        return {name: splits[name] for name in sorted(splits)}, 'drawn', notes
    if without:
        raise DatasetError(
            f'{source}: {len(without)} of {len(rows)} expressions name no split, '
            f'the first: {without[0]["expression"]!r} of {without[0]["image"]}'
        )
    named, moved = {}, set()
    for row in rows:
        first = named.setdefault(row['image'], row['split'])
        if row['split'] != first:
            moved.add(row['image'])
            named[row['image']] = max(first, row['split'], key=SPLITS.index)
    splits, notes = complete_splits(named, groups, seed, source)
    if moved:
        notes.append(
            f'{len(moved)} images were in several splits, and are in the last of '
            f'train, val, test now, the first: {min(moved)}'
        )
    return splits, 'data', notes


def _is_ours(path: Path, previous: DataSummary | None) -> bool:
    """Whether a table of splits is as an earlier call drew it, and nobody edited it."""
    return (
        previous is not None
        and previous.splits_from != 'file'
        and previous.fingerprint['splits_file'] == _sha256(path.read_bytes())
    )


def _passed_over(source: Source) -> list[str]:
    """Say which files are no annotations: one of them may be meant to be."""
    notes = [f'passed over: {why}' for why in source.passed_over[:_MOST_PASSED_OVER]]
    hidden = len(source.passed_over) - len(notes)
    return notes + [f'passed over: {hidden} more files'] * (hidden > 0)


def _repetitions(by_split: dict[str, list[dict]]) -> list[str]:
    """Say what is there twice, see :func:`find_repetitions`."""
    return find_repetitions(
        (
            split,
            [
                dict(
                    img_path=row['image'],
                    text=[row['expression']],
                    instances=[dict(bbox=row['bbox'], bbox_label=0)],
                )
                for row in rows
            ],
        )
        for split, rows in by_split.items()
    )


def _fingerprint(
    source: Source, digests: dict[str, dict], splits: dict[str, str], table: bytes
) -> dict:
    """Identify all that the rows depend on, besides the options."""
    files = list(source.files)
    if source.data_format == REFER:
        files += [path.with_name('instances.json') for path in files]
    return dict(
        files={
            path.relative_to(source.folder).as_posix(): _sha256(path.read_bytes())
            for path in files
        },
        images=_image_keys(digests),
        splits=splits,
        splits_file=_sha256(table),
    )


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
