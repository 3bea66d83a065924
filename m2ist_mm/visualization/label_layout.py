"""Places for labels that neither cover each other nor leave the image."""

import numpy as np

Box = tuple[float, float, float, float]


class LabelLayout:
    """Finds places for labels one after another.

    Args:
        size: (width, height) of the image, in pixels.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        self.size = size
        self._taken = np.zeros((0, 4), int)

    def place(self, label: tuple[int, int], box: Box) -> tuple[int, int] | None:
        """Take a free place for a label, as close to its box as there is one.

        Args:
            label: (width, height) of the label, in pixels.
            box: The box that it belongs to, ``xyxy``.

        Returns:
            Left and top of the label, in the image; ``None`` where all is taken.
        """
        limits = np.array(self.size) - label
        if (limits < 0).any():
            return None
        for places in self._candidates(label, box):
            corners = np.asarray(places, float).round().astype(int).clip(0, limits)
            free = self._are_free(np.hstack([corners, corners + label]))
            if free.any():
                left, top = corners[free.argmax()].tolist()
                taken = [left, top, left + label[0], top + label[1]]
                self._taken = np.vstack([self._taken, taken])
                return left, top
        return None

    def _candidates(self, label: tuple[int, int], box: Box):
        """Places (n, 2) in the order in which they are tried: at the box, anywhere."""
        (width, height), (x1, y1, x2, y2) = label, box
        yield [
            (x1, y1 - height),  # above, as a tab
            (x1, y1),
            (x2 - width, y1 - height),
            (x1, y2),
            (x2 - width, y2),
            (x2 - width, y1),
            (x1, y2 - height),
            (x2 - width, y2 - height),
        ]
        steps = [
            np.arange(max(end - length, 0), -1, -length)[::-1]
            for end, length in zip(self.size, label, strict=True)
        ]
        grid = np.stack(np.meshgrid(*steps), axis=-1).reshape(-1, 2)
        yield grid[np.abs(grid - (x1, y1)).sum(axis=1).argsort(kind='stable')]

    def _are_free(self, labels: np.ndarray) -> np.ndarray:
        """Which of the places (n, 4), ``xyxy``, cover no label that was placed."""
        one, other = labels[:, None], self._taken[None]
        apart = (one[..., 2:] <= other[..., :2]) | (other[..., 2:] <= one[..., :2])
        return apart.any(axis=-1).all(axis=-1)
