"""Getting the published datasets: where from, what of it, and where to."""

from .archive import Archive
from .catalogue import DATA_SETS, DataPart, PublishedDataset
from .manifest import Manifest

__all__ = [
    'DATA_SETS',
    'Archive',
    'DataPart',
    'Manifest',
    'PublishedDataset',
]
