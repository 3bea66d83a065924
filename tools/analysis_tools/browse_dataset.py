"""Draw samples of a config's dataset as the model gets them, with box and text."""

import argparse
import sys
from pathlib import Path

import numpy as np
import torch
from mmdet.registry import DATASETS, VISUALIZERS
from mmengine.registry import init_default_scope

import m2ist_mm  # noqa: F401  registers the datasets
from m2ist_mm.config import load_config
from m2ist_mm.engine.hooks.epoch_seed_hook import set_epoch
from m2ist_mm.engine.program import add_config_arguments, run_program


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add_config_arguments(parser)
    parser.add_argument('--output-dir', required=True, help='folder for the images')
    parser.add_argument(
        '--mode',
        choices=('train', 'val', 'test'),
        default='train',
        help='the data loader whose dataset and pipeline are drawn',
    )
    parser.add_argument('-n', '--number', type=int, default=8, help='number of samples')
    parser.add_argument(
        '--epoch', type=int, default=0, help='epoch whose augmentation is drawn'
    )
    return parser.parse_args()


def to_canvas(data_sample) -> None:
    """Move boxes of the original image to where the model sees them."""
    instances = data_sample.gt_instances
    scale = np.tile(data_sample.get('scale_factor', (1, 1)), 2)
    offset = np.tile(data_sample.pad_offset, 2)
    instances.bboxes = instances.bboxes * torch.tensor(scale) + torch.tensor(offset)


def main() -> None:
    args = parse_args()
    cfg = load_config(args)
    init_default_scope(cfg.get('default_scope', 'mmdet'))
    dataset = DATASETS.build(cfg[f'{args.mode}_dataloader'].dataset)
    set_epoch(dataset, args.epoch)
    visualizer = VISUALIZERS.build(dict(type='RECVisualizer', name='browse_dataset'))
    output_dir = Path(args.output_dir)
    number = min(args.number, len(dataset))
    for index in np.linspace(0, len(dataset) - 1, number).round().astype(int).tolist():
        packed = dataset[index]
        data_sample = packed['data_samples']
        if args.mode != 'train':
            to_canvas(data_sample)
        image = packed['inputs'].numpy()[::-1].transpose(1, 2, 0)
        out_file = output_dir / f'{args.mode}_{index:06d}.jpg'
        visualizer.add_datasample('', image, data_sample, out_file=str(out_file))
        print(out_file, data_sample.text)


if __name__ == '__main__':
    sys.exit(run_program(main))
