"""Test a checkpoint."""

import argparse
import sys
from pathlib import Path

from mmdet.registry import METRICS, TRANSFORMS
from mmengine.config import Config, ConfigDict

from m2ist_mm.config import iter_dataset_configs, load_config
from m2ist_mm.datasets import PadToCanvas
from m2ist_mm.engine.program import (
    add_config_arguments,
    add_run_arguments,
    run_config,
    run_program,
)
from m2ist_mm.evaluation import RECMetric
from m2ist_mm.registered_type import registered_type


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Test a checkpoint on the splits of the config.'
    )
    add_config_arguments(parser)
    parser.add_argument('checkpoint', help='checkpoint file')
    add_run_arguments(parser)
    parser.add_argument(
        '--out',
        metavar='FILE.json',
        help='write box, IoU and text of every expression to this file; needed where a '
        'dataset has no boxes (with_boxes=False) and is only predicted',
    )
    parser.add_argument(
        '--tta',
        action='store_true',
        help="average the boxes of several views: the config's tta_pipeline, or the "
        'image and its mirror image',
    )
    parser.add_argument(
        '--show', action='store_true', help='show each prediction in a window'
    )
    parser.add_argument(
        '--show-dir', metavar='DIR', help='write an image of each prediction to DIR'
    )
    parser.add_argument(
        '--wait-time',
        type=float,
        default=2,
        metavar='S',
        help='seconds that --show leaves an image; 0 = until a key is pressed',
    )
    return parser.parse_args()


def main() -> None:
    """Build the runner of the config, load the checkpoint and test."""
    args = parse_args()
    config = load_config(args)
    if not Path(args.checkpoint).expanduser().is_file():
        raise FileNotFoundError(f'there is no checkpoint file {args.checkpoint}')
    config.load_from = args.checkpoint
    config.resume = False
    if args.out is not None:
        set_result_file(config, args.out)
    else:
        refuse_unwritten_predictions(config)
    if args.show or args.show_dir:
        config.default_hooks.visualization.update(
            show=args.show, wait_time=args.wait_time, out_dir=args.show_dir
        )
    if args.tta:
        use_test_time_augmentation(config)
    run_config(config, 'test')


def use_test_time_augmentation(config: Config) -> None:
    """Test several views of each image, see ``RECTTAModel``.

    Args:
        config: Config, changed in place. Its ``tta_pipeline`` makes the views; without
            one, each test pipeline's image and its mirror image are taken.

    Raises:
        ValueError: There is no ``tta_pipeline``, and a test pipeline without
            ``PadToCanvas``, before which images are mirrored.
    """
    module = config.model
    config.model = ConfigDict(config.get('tta_model', dict(type='RECTTAModel')))
    config.model.module = module
    for loader, dataset in iter_dataset_configs(config):
        if loader == 'test':
            dataset.pipeline = config.get('tta_pipeline') or _mirrored_too(
                dataset.pipeline
            )


def _mirrored_too(pipeline: list[dict]) -> list[dict]:
    """Make a test pipeline give each image and its mirror image."""
    steps = [registered_type(step, TRANSFORMS) for step in pipeline]
    if PadToCanvas not in steps:
        raise ValueError(
            '--tta: the test pipeline has no PadToCanvas; give the config a '
            'tta_pipeline, see docs/composition.md'
        )
    place = steps.index(PadToCanvas)
    flips = [dict(type='RECRandomFlip', prob=prob) for prob in (0, 1)]
    rest = [[step] for step in pipeline[place:]]
    return [*pipeline[:place], dict(type='TestTimeAug', transforms=[flips, *rest])]


def set_result_file(config: Config, path: str) -> None:
    """Let the config's metric write the results of all expressions to a file.

    Args:
        config: Config with a ``RECMetric`` in ``test_evaluator``; changed in place.
        path: The file, ``*.json``.

    Raises:
        ValueError: The file has another ending, or there is no such metric.
    """
    if not path.endswith('.json'):
        raise ValueError(f'--out {path}: the results are JSON, call the file *.json')
    metrics = rec_metrics(config)
    if not metrics:
        raise ValueError('--out: the config has no RECMetric in test_evaluator')
    metrics[0].outfile_prefix = path.removesuffix('.json')


def rec_metrics(config: Config) -> list[ConfigDict]:
    """Find the ``RECMetric``s of a test, named with or without scope, or by class."""
    metrics = config.get('test_evaluator') or []
    return [
        metric
        for metric in (metrics if isinstance(metrics, list | tuple) else [metrics])
        if registered_type(metric, METRICS) is RECMetric
    ]


def refuse_unwritten_predictions(config: Config) -> None:
    """Refuse a test that could measure nothing, before it is run.

    Raises:
        ValueError: No test dataset has boxes, and the predictions are not written.
    """
    sets = [data for loader, data in iter_dataset_configs(config) if loader == 'test']
    if (
        sets
        and not any(data.get('with_boxes', True) for data in sets)
        and not any(metric.get('outfile_prefix') for metric in rec_metrics(config))
    ):
        raise ValueError(
            'the test dataset has no boxes (with_boxes=False), so there is nothing to '
            'measure; --out FILE.json writes the predictions'
        )


if __name__ == '__main__':
    sys.exit(run_program(main))
