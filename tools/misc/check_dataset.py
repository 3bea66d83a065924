"""Read everything that a config's datasets name, count it, report every fault.

Exit code 1 if there is any fault, 0 if there is none.
"""

import argparse
import sys
from inspect import signature

from mmdet.registry import MODELS
from mmengine import Config
from mmengine.registry import init_default_scope
from rich.console import Console
from rich.table import Table

import m2ist_mm  # noqa: F401  registers the datasets
from m2ist_mm.config import iter_dataset_configs, load_config
from m2ist_mm.datasets import report_dataset
from m2ist_mm.datasets.checks import find_repetitions
from m2ist_mm.engine.program import add_config_arguments, run_program
from m2ist_mm.models.towers import load_tokenizer
from m2ist_mm.registered_type import registered_type


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add_config_arguments(parser)
    return parser.parse_args()


def build_tokenizer(cfg: Config):
    """Return the tokenizer and the token limit of the config's model, if available.

    The language tower says both, unless the preprocessor's config has a tokenizer.
    """
    model = cfg.get('model') or {}
    language = (model.get('backbone') or {}).get('language') or {}
    own = model.get('data_preprocessor') or {}
    tower = registered_type(language, MODELS)
    parameters = signature(tower).parameters if tower else {}
    default = getattr(parameters.get('max_tokens'), 'default', None)
    name = own.get('tokenizer', language.get('tokenizer') or language.get('weights'))
    max_tokens = language.get('max_tokens', default)
    if name is None or max_tokens is None:
        return None, None
    try:
        return load_tokenizer(name), max_tokens
    except FileNotFoundError as error:
        print(f'tokens are not counted: {error}')
        return None, None


def by_split(dataset: dict) -> list[dict]:
    """Configs of the splits of a dataset, one by one."""
    splits = dataset.get('split')
    if not isinstance(splits, (list, tuple)):
        return [dataset]
    return [{**dataset, 'split': split} for split in splits]


def main() -> int:
    cfg = load_config(parse_args())
    init_default_scope(cfg.get('default_scope', 'mmdet'))
    tokenizer, max_tokens = build_tokenizer(cfg)

    # A split that validation and test share is read once.
    files = ('type', 'data_root', 'ann_file', 'refs_file', 'split', 'indices')
    datasets = {}
    for _, dataset in iter_dataset_configs(cfg):
        for part in by_split(dataset):
            datasets.setdefault(tuple(str(part.get(name)) for name in files), part)

    if not datasets:
        raise ValueError('the config names no dataset')
    reports = []
    for dataset in datasets.values():
        file = dataset.get('ann_file') or dataset['type']
        name = f'{dataset.get("name") or file} {dataset.get("split") or ""}'
        print(f'reading {dataset.get("data_root", "")} {name}')
        reports.append((name, report_dataset(dataset, tokenizer, max_tokens)))

    columns = max((report.counts for _, report in reports), key=len)
    table = Table('dataset', *columns)
    for name, report in reports:
        table.add_row(
            name, *(f'{report.counts[key]:,g}' for key in columns if report.counts)
        )
    if columns:
        Console(width=160).print(table)
    notes = [note for _, report in reports for note in report.notes]
    notes += find_repetitions((name, report.samples) for name, report in reports)
    for note in notes:
        print(f'note: {note}')
    # Splits share files, and so their faults.
    faults = dict.fromkeys(fault for _, report in reports for fault in report.faults)
    for fault in faults:
        print(fault)
    print(f'{len(faults)} faults')
    return 1 if faults else 0


if __name__ == '__main__':
    sys.exit(run_program(main))
