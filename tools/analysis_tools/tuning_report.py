"""Count what configs tune."""

import argparse
import copy
import json
import sys
from pathlib import Path

import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope

from m2ist_mm.atomic_file import write_atomically
from m2ist_mm.config import load_config_file
from m2ist_mm.efficiency import use_random_towers
from m2ist_mm.engine.config_options import ConfigOptions
from m2ist_mm.engine.program import run_program
from m2ist_mm.models import parameter_counts

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'
# --all: method, and its config for each tower
METHODS = (
    'full_finetune/transvg_{}_refcoco.py',
    'petl/frozen_{}_refcoco.py',
    'petl/adapter_{}_refcoco.py',
    'petl/adaptformer_{}_refcoco.py',
    'petl/lora_{}_refcoco.py',
    'petl/cm-adapter_{}_refcoco.py',
    'petl/mrs-adapter_{}_refcoco.py',
    'petl/uniadapter_{}_refcoco.py',
    'petl/dara_{}_refcoco.py',
    'petl/bitfit_{}_refcoco.py',
    'petl/prompt_{}_refcoco.py',
    'petl/ladder_{}_refcoco.py',
    'm2ist/m2ist_{}_refcoco.py',
)
TOWERS = ('r50', 'vitb')


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Count the parameters of towers, what is tuned in or beside them, '
        'and the head. The towers are random, no weights are needed (but for a '
        'transformers tower whose architecture is known from its weights alone).'
    )
    parser.add_argument('config', nargs='*', help='config files; several make a table')
    parser.add_argument(
        '--all',
        action='store_true',
        help='a table of all tuning methods of configs/ for ResNet-50 and ViT-B',
    )
    parser.add_argument(
        '--cfg-options',
        action=ConfigOptions,
        help='change settings of the configs: model.neck.hidden_channels=64',
    )
    parser.add_argument('--json', metavar='FILE', help='write the counts to this file')
    args = parser.parse_args()
    if args.all == bool(args.config):
        parser.error('name config files, or --all')
    if args.all:
        args.config = [
            str(CONFIGS / method.format(tower))
            for tower in TOWERS
            for method in METHODS
        ]
    return args


def build(config: Config) -> torch.nn.Module:
    """Build the config's model, its towers random.

    Args:
        config: Config of a model with two towers.

    Raises:
        ValueError: The model has no pair of towers.
    """
    use_random_towers(config)
    config.model.pop('data_preprocessor', None)
    backbone = config.model.backbone
    if any(tower.weights for tower in (backbone.vision, backbone.language)):
        return MODELS.build(config.model)
    try:
        with torch.device('meta'):  # counting needs no memory
            return MODELS.build(copy.deepcopy(config.model))
    except RuntimeError:  # mmdet's Swin reads values when it is made
        return MODELS.build(config.model)


def print_counts(counts: dict[str, int | float]) -> None:
    """Print the counts of one config."""
    total, towers = counts['total_params'], counts['tower_params']
    for label, key in (
        ('towers', 'tower_params'),
        ('tuned in them', 'tuned_tower_params'),
        ('adapters', 'adapter_params'),
        ('head', 'head_params'),
        ('trained', 'trained_params'),
        ('total', 'total_params'),
    ):
        value = counts[key]
        print(
            f'{label:14} {value:>12,}  {value / towers:8.2%} of the towers '
            f'{value / total:8.2%} of all'
        )


def print_table(rows: dict[str, dict[str, int | float | bool]]) -> None:
    """Print a row a config.

    Tuned is what is tuned in or beside the towers; trained is that and the head; MB is
    the size of all trained weights in float32.
    """
    width = max(map(len, rows))
    print(
        f'{"config":{width}} {"towers":>12} {"tuned":>12} {"of towers":>9} '
        f'{"trained":>12} {"MB":>6}  gradient in towers'
    )
    for name, counts in rows.items():
        tuned = counts['adapter_params'] + counts['tuned_tower_params']
        print(
            f'{name:{width}} {counts["tower_params"]:>12,} {tuned:>12,} '
            f'{tuned / counts["tower_params"]:>9.2%} {counts["trained_params"]:>12,} '
            f'{4 * counts["trained_params"] / 1e6:>6.1f}  '
            + ('yes' if counts['builds_graph'] else 'no')
        )


def main() -> None:
    """Print the counts, and write them where asked to."""
    args = parse_args()
    init_default_scope('mmdet')
    rows = {}
    for path in args.config:
        model = build(load_config_file(path, cfg_options=args.cfg_options))
        graph = dict(builds_graph=model.backbone.builds_graph)
        rows[Path(path).stem] = parameter_counts(model) | graph
    single = next(iter(rows.values())) if len(args.config) == 1 else None
    if single is None:
        print_table(rows)
    else:
        print_counts(single)
    if args.json is not None:
        content = json.dumps(single or rows, indent=2) + '\n'
        write_atomically(args.json, content.encode())


if __name__ == '__main__':
    sys.exit(run_program(main))
