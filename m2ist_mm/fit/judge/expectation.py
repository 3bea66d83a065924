"""How likely the box of a row is found, by what the row is like."""

from collections import Counter

import numpy as np

from .figures import FOUND

COMMON = 0.02  # share of the rows from which a word counts by itself
RIDGE = 10.0
STEPS = 25  # of Newton's method, which needs fewer


def expected_hits(answers: list[dict], others: list[list[int]]) -> np.ndarray:
    """Fit by which kinds of rows boxes are found.

    A logistic regression with ridge on the number of words, the common words, the kind,
    the number of other objects in the image, and the sizes of the labelled and the
    predicted box. A miss of what is usually found says more than one of what is
    usually missed.

    Args:
        answers: See :func:`.load_answers`.
        others: The rows of other objects, see :func:`.other_objects`.

    Returns:
        (n,) probability that the box of such a row is found.
    """
    features = _features(answers, others)
    deviation = features.std(0)
    features = (features - features.mean(0)) / np.where(deviation > 0, deviation, 1)
    features = np.c_[np.ones(len(features)), features]
    hits = np.array([answer['iou'] >= FOUND for answer in answers], float)
    ridge = np.diag([1.0, *[RIDGE] * (features.shape[1] - 1)])
    weights = np.zeros(features.shape[1])
    for _ in range(STEPS):
        likely = _sigmoid(features @ weights)
        slope = features.T @ (hits - likely) - ridge @ weights
        curvature = (features * (likely * (1 - likely))[:, None]).T @ features + ridge
        weights += np.linalg.solve(curvature, slope)
    return _sigmoid(features @ weights)


def _features(answers: list[dict], others: list[list[int]]) -> np.ndarray:
    """Describe each row, (n, f)."""
    texts = [answer['expression'].casefold().split() for answer in answers]
    counts = Counter(word for text in texts for word in set(text))
    words = sorted(w for w, n in counts.items() if n >= COMMON * len(answers))
    kinds = sorted({answer.get('kind') or '' for answer in answers})
    return np.array(
        [
            [
                len(text),
                np.log1p(len(text)),
                np.log1p(len(there)),
                _log_share(answer, answer['bbox']),
                _log_share(answer, answer['predicted'] or (0, 0, 0, 0)),
                *[kind == (answer.get('kind') or '') for kind in kinds],
                *[word in text for word in words],
            ]
            for answer, text, there in zip(answers, texts, others, strict=True)
        ],
        float,
    )


def _log_share(answer: dict, box: list[float]) -> float:
    """Logarithm of a box's share of the image, at least that of one in 10,000."""
    left, top, right, bottom = box
    area = max(0, right - left) * max(0, bottom - top)
    return float(np.log(max(area / (answer['width'] * answer['height']), 1e-4)))


def _sigmoid(values: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-values))
