"""Expressions in memory, with the checks of every dataset."""

from ...datasets.rec_dataset import RECDataset

WHOLE = 'all'


class ReadDataset(RECDataset):
    """Expressions that were read already, with the checks of :class:`RECDataset`.

    Args:
        expressions (list[dict]): As :meth:`RECDataset.load_expressions` gives them,
            ``img_path`` absolute.
        faults (list[str]): What was wrong on the way.
        source (str): What messages call the whole.
        **kwargs: See :class:`RECDataset`.
    """

    def __init__(
        self, expressions: list[dict], faults: list[str], source: str, **kwargs
    ) -> None:
        self._expressions, self._faults, self._source = expressions, faults, source
        super().__init__(
            split=WHOLE,
            lowercase=False,
            lazy_init=True,
            data_prefix=dict(img='/'),
            **kwargs,
        )

    def load_expressions(self) -> tuple[list[dict], list[str]]:
        """Give what was read, as of one split."""
        whole = [{**expression, 'split': WHOLE} for expression in self._expressions]
        return whole, list(self._faults)

    def source(self, split: str) -> str:
        """What messages call the whole."""
        return self._source
