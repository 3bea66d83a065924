"""The report on a fitted model."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from ...atomic_file import write_atomically
from ...datasets.formats.json_text import read_json
from .answers import constant_answers, load_answers
from .audit import SHARE, rank_suspects
from .breakdowns import breakdowns
from .fact import Fact
from .failures import REASONS, explain
from .figures import FOUND, difference, figures
from .report_page import write_report_page
from .rows_file import load_rows
from .run import CURVE, Run, audited_rows

ALWAYS_ANSWERS = (
    'The model always answers with one box, also where the image shows nothing that '
    'fits the sentence, and it does not say how sure it is. The figures hold for '
    'sentences that name something in the image.'
)
_COMPARED = {
    'start': (
        'before this training',
        'the trained model that it started from',
    ),
    'shuffled_in_image': (
        'sentence of another object in the image',
        'the same model, asked for something else in the image',
    ),
    'shuffled_across_images': (
        'sentence of another image',
        'the same model: what it gets without reading',
    ),
    'frozen': (
        'frozen towers alone',
        'trained in the same way on the same rows',
    ),
}


def judge(
    work_dir: str | Path,
    runs: Sequence[Run],
    facts: Sequence[Fact] = (),
) -> dict:
    """Write ``report.json`` and ``report.html`` with the same figures.

    Args:
        work_dir: Folder of the fit; both files go there. Its ``data/summary.json``
            holds the best ``constant_box`` (xyxy relative to the image) and
            ``image_root``.
        runs: What :func:`.plan_runs` gave, with their predictions written.
        facts: Plan against fact, shown as a table.

    Returns:
        What ``report.json`` holds. It depends on the rows, the predictions and
        ``facts`` alone.

    Raises:
        DatasetError: Predictions are missing or of other rows.
        FileNotFoundError: An image is missing.
        OSError: A file could not be written.
    """
    by_name = {run.name: run for run in runs}
    model = by_name['model']
    answers = load_answers(model.test, model.predictions)
    data = read_json(str(Path(work_dir, 'data', 'summary.json')))
    explained = explain(answers)
    failed = [answer for answer in explained if answer['reason']]
    reasons = Counter(answer['reason'] for answer in failed)
    report = {
        'split': model.test.stem,
        'note': ALWAYS_ANSWERS,
        'model': figures(answers),
        'truncated': sum(answer['truncated'] for answer in answers),
        'controls': _controls(answers, data['constant_box'], by_name),
        'breakdowns': breakdowns(answers),
        'learning_curve': _learning_curve(answers, work_dir, by_name),
        'plan': [asdict(fact) for fact in facts],
        'failures': {
            'reasons': {name: reasons[name] for name in REASONS if reasons[name]},
            'rows': [_entry(answer, 'reason', 'detail') for answer in failed],
        },
        'audit': _audit(work_dir, by_name),
    }
    text = json.dumps(report, indent=1, ensure_ascii=False)
    write_atomically(Path(work_dir, 'report.json'), f'{text}\n'.encode())
    found = [answer for answer in explained if not answer['reason']]
    write_report_page(
        Path(work_dir, 'report.html'),
        report,
        [_entry(answer) for answer in found],
        data['image_root'],
    )
    return report


def _controls(
    answers: list[dict], constant_box: Sequence[float], runs: dict[str, Run]
) -> list[dict]:
    """Compare the model with what looks at less, and with what has learnt less."""
    left, top, right, bottom = (f'{100 * side:.0f}' for side in constant_box)
    others = [
        (
            'whole image',
            'the image as the box',
            constant_answers(answers, (0, 0, 1, 1)),
        ),
        (
            'best constant box',
            f'from {left}, {top} to {right}, {bottom} % of width and height, the best '
            'on train',
            constant_answers(answers, constant_box),
        ),
    ]
    for name, (title, what) in _COMPARED.items():
        if name in runs:
            run = runs[name]
            others.append((title, what, load_answers(run.test, run.predictions)))
    controls = []
    for name, what, theirs in others:
        gained = difference(answers, theirs)
        controls.append(
            {
                'name': name,
                'what': what,
                **figures(theirs),
                'difference': gained,
                'verdict': verdict(gained),
            }
        )
    return controls


def verdict(gained: dict[str, dict[str, float]]) -> str:
    """Say in words what differences with their intervals show of the model.

    Args:
        gained: ``value``, ``low`` and ``high`` of P@0.5 and mIoU, points; the model's
            minus the other's. P@0.5 counts; mIoU is told where that shows nothing.
    """
    precision, overlap = (_compared(gained[name]) for name in ('P@0.5', 'mIoU'))
    if precision:
        return f'the model is {precision}'
    words = 'the difference is within the interval: these images do not show one'
    return f'{words}; by mIoU the model is {overlap}' if overlap else words


def _compared(gained: dict[str, float]) -> str:
    """Better or worse, and by how much; empty within the interval."""
    low, high = gained['low'], gained['high']
    if low <= 0 <= high:
        return ''
    word = 'better' if low > 0 else 'worse'
    ends = sorted((abs(low), abs(high)))
    return f'{word}, by {ends[0]:.1f} to {ends[1]:.1f} points'


def _learning_curve(
    answers: list[dict], work_dir: str | Path, runs: dict[str, Run]
) -> dict | None:
    """Figures by the share of the training images, and what more of them would do."""
    points, half = [], None
    for share in CURVE:
        run = runs.get(f'curve_{share * 100:.0f}')
        if run:
            half = load_answers(run.test, run.predictions)
            points.append(_point(share, load_rows(run.train), half))
    if not points:
        return None
    training = load_rows(Path(work_dir, 'data', 'train.jsonl'))
    points.append(_point(1, training, answers))
    gained = difference(answers, half)
    change = gained['P@0.5']
    ends = f'{change["low"]:+.1f} to {change["high"]:+.1f}'
    if change['low'] > 0:
        words = (
            f'Twice the images gave {change["value"]:+.1f} points ({ends}): more '
            'labels will probably pay.'
        )
    else:
        words = (
            f'Twice the images gave {change["value"]:+.1f} points ({ends}), and the '
            'difference is within the interval: whether more labels pay is not shown.'
        )
    return {'points': points, 'difference': gained, 'verdict': words}


def _point(share: float, training: list[dict], answers: list[dict]) -> dict:
    images = len({row['image'] for row in training})
    return {'share': share, 'training images': images, **figures(answers)}


def _audit(work_dir: str | Path, runs: dict[str, Run]) -> dict | None:
    """The most suspect rows of all splits."""
    answers = [
        answer
        for name, run in runs.items()
        if name.startswith('audit_')
        for answer in load_answers(run.test, run.predictions)
    ]
    if not answers:
        return None
    splits = {row['sent_id']: row['split'] for row in audited_rows(work_dir)}
    ranked = rank_suspects(answers)
    listed = [
        answer
        for answer in ranked[: max(1, round(SHARE * len(ranked)))]
        if answer['iou'] < FOUND
    ]
    for answer in listed:
        answer['split'] = splits[answer['sent_id']]
    return {
        'rows': len(ranked),
        'folds': sum(name.startswith('audit_') for name in runs),
        'model': figures(answers),
        'suspects': [_entry(answer, 'split', 'score', 'why') for answer in listed],
    }


def _entry(answer: dict, *keys: str) -> dict:
    """What the report says of a row."""
    boxes = {
        name: None if box is None else np.round(box, 1).tolist()
        for name, box in (('bbox', answer['bbox']), ('predicted', answer['predicted']))
    }
    return {
        **{name: answer[name] for name in ('image', 'sent_id', 'expression')},
        **boxes,
        'iou': round(answer['iou'], 3),
        **{key: answer[key] for key in keys},
    }
