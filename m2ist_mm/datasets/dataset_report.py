"""Counts and faults of a dataset."""

from dataclasses import dataclass, field
from statistics import median

from mmdet.registry import DATASETS
from mmengine import ConfigDict
from transformers import PreTrainedTokenizerBase

from ..registered_type import registered_type
from .dataset_error import DatasetError
from .rec_dataset import RECDataset

_MAX_SHOWN = 5


@dataclass
class DatasetReport:
    """What was found in one split of a dataset.

    Attributes:
        faults (list[str]): One line per fault, naming file and entry.
        notes (list[str]): What is no fault and worth knowing, one line each.
        counts (dict): Number of images, referents, expressions, ... by name;
            empty where nothing could be read.
        samples (list[dict]): What is sound, before the pipeline; one expression each.
    """

    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    counts: dict[str, float] = field(default_factory=dict)
    samples: list[dict] = field(default_factory=list, repr=False)


def report_dataset(
    dataset_cfg: ConfigDict,
    tokenizer: PreTrainedTokenizerBase | None = None,
    max_tokens: int | None = None,
) -> DatasetReport:
    """Read a split completely, every image included.

    Args:
        dataset_cfg (ConfigDict): Config of a RECDataset.
        tokenizer (PreTrainedTokenizerBase, optional): The model's, to count tokens and
            the expressions of which it knows nothing.
        max_tokens (int, optional): The model's limit, to be counted against.

    Returns:
        DatasetReport: Counts of what is sound, and all faults.

    Raises:
        ValueError: If it is not a RECDataset.
    """
    kind = registered_type(dataset_cfg, DATASETS)
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
    boxes = (
        (sample['img_path'], *instance['bbox'])
        for sample in samples
        for instance in sample['instances']
    )
    counts = {
        'images': len({sample['img_path'] for sample in samples}),
        'referents': len(set(boxes)),
        'expressions': len(texts),
        'distinct': len(set(texts)),
        'words (median)': median(words),
        'words (max)': max(words),
    }
    notes = []
    if tokenizer is not None:
        lengths = [len(ids) for ids in tokenizer(texts)['input_ids']]
        counts['tokens (max)'] = max(lengths)
        counts[f'over {max_tokens} tokens'] = sum(
            length > max_tokens for length in lengths
        )
        unread = _unread(samples, tokenizer)
        counts['unread'] = len(unread)
        notes = _unread_notes(unread)
    faults = dataset.faults + dataset.check_decoding()
    return DatasetReport(faults, notes, counts, samples)


def _unread(samples: list[dict], tokenizer: PreTrainedTokenizerBase) -> list[dict]:
    """Find the expressions that a tokenizer maps to unknown tokens alone."""
    texts = [sample['text'][0] for sample in samples]
    tokens = tokenizer(texts, add_special_tokens=False)['input_ids']
    # sentencepiece's mark of a word's beginning says nothing by itself
    nothing = set(tokenizer.convert_tokens_to_ids([tokenizer.unk_token, '\u2581']))
    return [
        sample
        for sample, ids in zip(samples, tokens, strict=True)
        if nothing.issuperset(ids)
    ]


def _unread_notes(samples: list[dict]) -> list[str]:
    """Name the first expressions of which the tokenizer makes nothing."""
    notes = [
        f'{sample["img_path"]} (sent_id {sample["sent_id"][0]}): the tokenizer knows '
        f'nothing of {sample["text"][0]!r}'
        for sample in samples[:_MAX_SHOWN]
    ]
    if len(samples) > _MAX_SHOWN:
        notes.append(f'... and nothing of {len(samples) - _MAX_SHOWN} more expressions')
    return notes
