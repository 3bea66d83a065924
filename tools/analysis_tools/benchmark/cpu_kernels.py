"""Print what each CPU kernel of the V-L encoder gains in a training step.

    python tools/analysis_tools/benchmark/cpu_kernels.py CONFIG [--images N]

A kernel is taken out by putting torch's own operations into its place. Memory is
counted on real tensors, times are measured in turns.
"""

import argparse
import sys
from collections.abc import Callable
from unittest import mock

from mmengine.registry import init_default_scope
from torch import nn

from m2ist_mm.config import load_config_file
from m2ist_mm.efficiency import PairedTimes, TrainingStep, measure_step
from m2ist_mm.engine.program import positive_int, run_program
from m2ist_mm.models.layers import vl_encoder
from m2ist_mm.models.layers.cpu_kernels import BitDropout, ReLUDropout

F = nn.functional


def torch_attention(query, key, value, visible, p):
    """``dropped_attention`` by torch."""
    return F.scaled_dot_product_attention(query, key, value, visible, p)


class TorchReLUDropout(nn.Dropout):
    """``ReLUDropout`` by torch."""

    def forward(self, inputs):
        """Of any shape."""
        return super().forward(F.relu(inputs))


# name, and what takes its place in a model or, of the attention, in the module
KERNELS = {
    'BitDropout': (BitDropout, nn.Dropout),
    'ReLUDropout': (ReLUDropout, TorchReLUDropout),
    'dropped_attention': None,
}


class StepWithout(TrainingStep):
    """Training step without one of the kernels; with all of them for ``None``."""

    def __init__(self, config, without: str | None) -> None:
        super().__init__(config)
        self.without = without
        old, new = KERNELS.get(without) or (None, None)
        for module in self.model.modules():
            if type(module) is old:
                module.__class__ = new

    def train(self, batch: dict) -> None:
        """See :meth:`TrainingStep.train`."""
        if self.without != 'dropped_attention':
            super().train(batch)
            return
        with mock.patch.object(vl_encoder, 'dropped_attention', torch_attention):
            super().train(batch)


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='config of a model with dropout in its head')
    parser.add_argument(
        '--images', type=positive_int, default=4, help='images of a batch'
    )
    parser.add_argument('--turns', type=positive_int, default=5, help='of the timing')
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    init_default_scope('mmdet')
    config = load_config_file(args.config)
    variants = [None, *KERNELS]

    def build(without: str | None) -> Callable[[], StepWithout]:
        return lambda: StepWithout(config, without)

    measured = [measure_step(build(one), args.images, 1).bytes for one in variants]
    steps = [build(one)() for one in variants]
    batch = steps[0].inputs.batch(args.images, 1)
    times = PairedTimes([lambda s=step: s.train(batch) for step in steps], args.turns)
    print('| without | saved activations, MB | peak, MB | step, of the one with all |')
    print('|---|---|---|---|')
    for name, one, ratio in zip(variants, measured, times.ratios(), strict=True):
        print(
            f'| {name or "(all kernels)"} | {one.total_saved / 1e6:,.0f} '
            f'| {one.peak / 1e6:,.0f} | {ratio:.2f} |'
        )


if __name__ == '__main__':
    sys.exit(run_program(main))
