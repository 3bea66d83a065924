"""Count what a config tunes."""

import argparse
import json
import sys

from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope

from m2ist_mm.engine.atomic_file import write_atomically
from m2ist_mm.engine.program import add_config_arguments, load_config, run_program
from m2ist_mm.models import parameter_counts


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Count the parameters of towers, side adapters and head, and how '
        'many are trained. The towers are random, no weights are needed (but for a '
        'language tower whose architecture is known from its weights alone).'
    )
    add_config_arguments(parser)
    parser.add_argument('--json', metavar='FILE', help='write the counts to this file')
    return parser.parse_args()


def count(config: Config) -> dict[str, int | float]:
    """Build the config's model, its towers random, and count its parameters.

    Args:
        config: Config of a model with two towers.

    Raises:
        ValueError: The model has no pair of towers.
    """
    backbone = config.model.get('backbone', {})
    if 'vision' not in backbone or 'language' not in backbone:
        raise ValueError(f'{config.filename}: the model has no pair of towers')
    backbone.vision.weights = None
    if backbone.language.get('arch') is not None:
        backbone.language.weights = None
    return parameter_counts(MODELS.build(config.model))


def main() -> None:
    """Print the counts, and write them where asked to."""
    args = parse_args()
    init_default_scope('mmdet')
    counts = count(load_config(args))
    total, towers = counts['total_params'], counts['tower_params']
    for label, key in (
        ('towers', 'tower_params'),
        ('side adapters', 'adapter_params'),
        ('head', 'head_params'),
        ('trained', 'trained_params'),
        ('total', 'total_params'),
    ):
        value = counts[key]
        print(
            f'{label:14} {value:>12,}  {value / towers:8.2%} of the towers '
            f'{value / total:8.2%} of all'
        )
    if args.json is not None:
        write_atomically(args.json, (json.dumps(counts, indent=2) + '\n').encode())


if __name__ == '__main__':
    sys.exit(run_program(main))
