import pytest

from m2ist_mm.datasets import ReferDataset


@pytest.fixture
def build_refer():
    """Build a ReferDataset of a folder in RefCOCO's layout.

    Not serialised unless asked to: mmengine collects garbage to do it, half a second
    each time.
    """

    def build(root, split='train', **kwargs):
        return ReferDataset(
            data_root=str(root),
            refs_file='refcoco/refs(unc).p',
            ann_file='refcoco/instances.json',
            data_prefix=dict(img='train2014/'),
            split=split,
            **{'serialize_data': False, **kwargs},
        )

    return build


@pytest.fixture
def log(monkeypatch):
    """Lines that datasets write to the log."""
    lines = []
    for module in ('rec_dataset', 'refer_dataset'):
        monkeypatch.setattr(
            f'm2ist_mm.datasets.{module}.print_log',
            lambda line, **kwargs: lines.append(line),
        )
    return lines
