"""The page of a report."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ...datasets.image_reader import read_image
from ...report import draw_labelled_and_predicted, fill_cards, write_page
from .breakdowns import FEW_IMAGES

FAILURES, FOUND, SUSPECTS = 60, 12, 40  # cards at most
MAX_SIDE = 480  # pixels of their images
MAX_BYTES = 8 * 2**20  # of a sheet's images


def write_report_page(
    path: str | Path, report: dict, found: list[dict], image_folder: str | Path
) -> None:
    """Write a report as one HTML file.

    Args:
        path: The file.
        report: What ``report.json`` holds, see :func:`.judge`.
        found: Rows whose box was found, a few of which are shown.
        image_folder: Folder that the rows' ``image`` is below.

    Raises:
        FileNotFoundError: An image is missing.
    """

    def sheet(rows: list[dict], *keys: str) -> dict:
        cards, left_over = fill_cards(_cards(rows, image_folder, keys), MAX_BYTES)
        return {'cards': cards, 'left_over': left_over}

    audit, curve = report['audit'], report['learning_curve']
    write_page(
        path,
        'fit/judge/templates/report.html',
        title='What the model has learnt',
        report=report,
        few_images=FEW_IMAGES,
        curve=curve and curve_geometry(curve['points']),
        failures=sheet(_sample(report['failures']['rows'], FAILURES), 'reason'),
        found=sheet(_sample(found, FOUND)),
        suspects=audit and sheet(audit['suspects'][:SUSPECTS], 'why'),
    )


def curve_geometry(points: list[dict]) -> dict:
    """Place the points of a learning curve in a drawing of 320 by 200 units.

    Args:
        points: With ``share``, ``training images`` and ``P@0.5``, by share. Twice the
            images is the same step to the right everywhere.

    Returns:
        ``points`` with ``x``, ``y``, ``low``, ``high`` and ``label``, and ``ticks`` of
        the precision with ``y`` and ``label``.
    """
    ends = [point['P@0.5'][end] for point in points for end in ('low', 'high')]
    bottom, top = 10 * np.floor(min(ends) / 10), 10 * np.ceil(max(ends) / 10)
    top = max(top, bottom + 10)
    steps = np.log2([point['share'] for point in points])
    right = (steps - steps[0]) / (steps[-1] - steps[0])

    def height(percent: float) -> float:
        return round(float(165 - 140 * (percent - bottom) / (top - bottom)), 1)

    ticks = np.arange(bottom, top + 1, 10 if top - bottom <= 50 else 20).tolist()
    return {
        'points': [
            {
                'x': round(float(60 + 220 * place), 1),
                'y': height(point['P@0.5']['value']),
                'low': height(point['P@0.5']['low']),
                'high': height(point['P@0.5']['high']),
                'label': f'{point["training images"]:,}',
            }
            for place, point in zip(right, points, strict=True)
        ],
        'ticks': [{'y': height(tick), 'label': f'{tick:.0f}'} for tick in ticks],
    }


def _sample(rows: list[dict], count: int) -> list[dict]:
    """Draw rows at random, the same ones each time."""
    order = np.random.default_rng(0).permutation(len(rows))
    return [rows[index] for index in order[:count]]


def _cards(
    rows: list[dict], image_folder: str | Path, keys: tuple[str, ...]
) -> Iterator[dict]:
    for row in rows:
        image = read_image(Path(image_folder, row['image']))[..., ::-1]
        lines = [': '.join(filter(None, (row[k], row.get('detail')))) for k in keys]
        name = row['image']
        if 'split' in row:
            name = f'{row["split"]}, {name}'
        yield {
            'image': draw_labelled_and_predicted(
                image, row['bbox'], row['predicted'], MAX_SIDE
            ),
            'title': row['expression'],
            'lines': [
                *lines,
                f'IoU {row["iou"]:.2f}; {name}, sent_id {row["sent_id"]}',
            ],
        }
