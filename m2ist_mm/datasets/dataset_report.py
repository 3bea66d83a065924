"""Counts and faults of a dataset."""

from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median

from mmdet.registry import DATASETS
from mmengine import ConfigDict

from .dataset_error import DatasetError
from .rec_dataset import RECDataset


@dataclass
class DatasetReport:
    """What was found in one split of a dataset.

    Attributes:
        faults (list[str]): One line per fault, naming file and entry.
        counts (dict): Number of images, referents, expressions, ... by name;
            empty where nothing could be read.
    """

    faults: list[str] = field(default_factory=list)
    counts: dict[str, float] = field(default_factory=dict)


def report_dataset(
    dataset_cfg: ConfigDict,
    count_tokens: Callable[[list[str]], list[int]] | None = None,
    max_tokens: int | None = None,
) -> DatasetReport:
    """Read a split completely, every image included.

    Args:
        dataset_cfg (ConfigDict): Config of a RECDataset.
        count_tokens (Callable, optional): Gives the number of tokens of each
            expression.
        max_tokens (int, optional): The model's limit, to be counted against.

    Returns:
        DatasetReport: Counts of what is sound, and all faults.

    Raises:
        ValueError: If it is not a RECDataset.
    """
    kind = DATASETS.get(dataset_cfg['type'])
    if kind is None or not issubclass(kind, RECDataset):
        raise ValueError(f'{dataset_cfg["type"]} is not a RECDataset')
    dataset_cfg = {
        **dataset_cfg,
        'pipeline': [],
        'lazy_init': False,
        'max_expressions_per_sample': 1,
        'filter_cfg': dict(skip_faulty=True),
    }
    try:
        dataset = DATASETS.build(dataset_cfg)
    except DatasetError as error:
        return DatasetReport(faults=error.faults)

    samples = [dataset.get_data_info(index) for index in range(len(dataset))]
    texts = [sample['text'][0] for sample in samples]
    words = [len(text.split()) for text in texts]
    counts = {
        'images': len({sample['img_path'] for sample in samples}),
        'referents': len(
            {
                (sample['img_path'], *sample['instances'][0]['bbox'])
                for sample in samples
            }
        ),
        'expressions': len(texts),
        'distinct': len(set(texts)),
        'words (median)': median(words),
        'words (max)': max(words),
    }
    if count_tokens is not None:
        lengths = count_tokens(texts)
        counts['tokens (max)'] = max(lengths)
        counts[f'over {max_tokens} tokens'] = sum(
            length > max_tokens for length in lengths
        )
    return DatasetReport(dataset.faults + dataset.check_decoding(), counts)
