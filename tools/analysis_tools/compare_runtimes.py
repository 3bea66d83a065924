"""Time a model in torch and its export in onnxruntime, side by side."""

import argparse
import platform
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from m2ist_mm.apis import ONNXInferencer, RECInferencer
from m2ist_mm.efficiency import PairedTimes
from m2ist_mm.engine.config_options import ConfigOptions
from m2ist_mm.engine.program import positive_int, run_program
from m2ist_mm.structures import Features

SENTENCES = [
    'the man on the left',
    'a brown dog',
    'the woman with the red hat',
    'second car from the right',
    'a child that holds a ball',
    'the largest tree',
    'white shirt',
    'the bench behind the two people',
    'a bicycle near the wall',
]
FURTHER = len(SENTENCES) - 1


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Time a model in torch and its export in onnxruntime on the CPU, '
        'in turns, so that a busy machine favours neither: medians in milliseconds.'
    )
    parser.add_argument('config', help='config file, or its name in the model index')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('folder', help='what tools/export_onnx.py wrote from these')
    parser.add_argument(
        '--image', help='image file; noise of 640 x 480 pixels unless given'
    )
    parser.add_argument(
        '--threads',
        type=positive_int,
        default=2,
        metavar='N',
        help='of each (default: 2)',
    )
    parser.add_argument(
        '--repetitions',
        type=positive_int,
        default=20,
        metavar='N',
        help='turns (default: 20)',
    )
    parser.add_argument(
        '--cfg-options',
        action=ConfigOptions,
        help='change settings of the config, as in the export',
    )
    return parser.parse_args()


def main() -> None:
    """Open both, time them in turns, and print a table."""
    args = parse_args()
    torch.set_num_threads(args.threads)
    eager = RECInferencer(
        args.config, args.checkpoint, 'cpu', False, cfg_options=args.cfg_options
    )
    exported = ONNXInferencer(args.folder, args.threads, False)
    image = args.image
    if image is None:
        image = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    programs = [*torch_programs(eager, image), *onnx_programs(exported, image)]
    medians = PairedTimes(programs, args.repetitions).medians()
    count = len(programs) // 2
    Console(width=88).print(make_table(medians[:count], medians[count:]))
    print(
        f'{Path(args.config).stem}, {args.threads} threads, {args.repetitions} turns, '
        f'{platform.machine()}, torch {torch.__version__}'
    )


def torch_programs(
    inferencer: RECInferencer, image: str | np.ndarray
) -> list[Callable[[], object]]:
    """What is timed in torch: see the rows of :func:`make_table`."""
    model = inferencer.model
    ((_, batch),) = inferencer.preprocess([(image, SENTENCES[:1])])
    inputs = model.data_preprocessor(batch)['inputs']

    @torch.no_grad()
    def encode() -> object:
        return model.encode_image(inputs['images'], inputs['padding_mask'])

    seen = encode()

    @torch.no_grad()
    def ask() -> object:
        text = model.encode_text(inputs['input_ids'], inputs['attention_mask'])
        features = Features(seen, text, inputs['image_index'])
        return model.ground(features.without_padding())

    return [encode, ask, *calls(inferencer, image)]


def onnx_programs(
    inferencer: ONNXInferencer, image: str | np.ndarray
) -> list[Callable[[], object]]:
    """The same in onnxruntime."""
    predictor = inferencer.model
    ((_, batch),) = inferencer.preprocess([(image, SENTENCES[:1])])
    (placed,) = batch['inputs']
    seen = predictor.encode_placed(placed)
    return [
        lambda: predictor.encode_placed(placed),
        lambda: predictor.ask(seen, SENTENCES[:1]),
        *calls(inferencer, image),
    ]


def calls(
    inferencer: RECInferencer, image: str | np.ndarray
) -> list[Callable[[], object]]:
    """Calls of an inferencer with one sentence and with all."""
    return [
        lambda: inferencer(image, SENTENCES[:1]),
        lambda: inferencer(image, SENTENCES),
    ]


def make_table(eager: list[float], exported: list[float]) -> Table:
    """Lay the times out.

    Args:
        eager: Seconds of :func:`torch_programs`.
        exported: Seconds of :func:`onnx_programs`.
    """
    table = Table('ms', 'torch', 'onnxruntime')
    rows = []
    for encode, ask, one, all_ in (eager, exported):
        rows.append((encode, ask, one, (all_ - one) / FURTHER))
    names = (
        'image side',
        'text side and head, one sentence',
        'whole call: image read, encoded, one sentence',
        'each further sentence of the call',
    )
    for name, *seconds in zip(names, *rows, strict=True):
        table.add_row(name, *(f'{1e3 * one:.1f}' for one in seconds))
    return table


if __name__ == '__main__':
    sys.exit(run_program(main))
