"""Draw samples of a config's dataset as the model gets them, with box and text.

Writes an image per sample, and a page of them all: MODE.html.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from mmdet.registry import DATASETS, VISUALIZERS
from mmengine.registry import init_default_scope

import m2ist_mm  # noqa: F401  registers the datasets
from m2ist_mm.config import load_config
from m2ist_mm.engine.hooks.epoch_seed_hook import set_epoch
from m2ist_mm.engine.program import add_config_arguments, positive_int, run_program
from m2ist_mm.report import contact_sheet, encode_image
from m2ist_mm.structures import BOX_FRAME_KEY, Placement
from m2ist_mm.visualization import sample_name


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
    parser.add_argument(
        '-n', '--number', type=positive_int, default=8, help='number of samples'
    )
    parser.add_argument(
        '--epoch', type=int, default=0, help='epoch whose augmentation is drawn'
    )
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    cfg = load_config(args)
    init_default_scope(cfg.get('default_scope', 'mmdet'))
    dataset = DATASETS.build(cfg[f'{args.mode}_dataloader'].dataset)
    set_epoch(dataset, args.epoch)
    font = (cfg.get('visualizer') or {}).get('font')
    visualizer = VISUALIZERS.build(
        dict(type='RECVisualizer', name='browse_dataset', font=font)
    )
    output_dir, cards = Path(args.output_dir), []
    number = min(args.number, len(dataset))
    for index in np.linspace(0, len(dataset) - 1, number).round().astype(int).tolist():
        packed = dataset[index]
        data_sample = packed['data_samples']
        if data_sample.get(BOX_FRAME_KEY) == 'image':
            instances = data_sample.gt_instances
            instances.bboxes = Placement.of(data_sample).to_canvas(instances.bboxes)
        image = packed['inputs'].numpy()[::-1].transpose(1, 2, 0)
        name = f'{args.mode}_{index:06d}_{sample_name(data_sample)}.jpg'
        out_file = output_dir / name
        visualizer.add_datasample('', image, data_sample, out_file=str(out_file))
        drawn = encode_image(visualizer.get_image())
        cards.append(dict(image=drawn, title=name, lines=data_sample.text))
        print(out_file, data_sample.text)
    page = output_dir / f'{args.mode}.html'
    contact_sheet(page, f'{args.mode}: {number} of {len(dataset)} samples', cards)
    print(f'page: {page}')


if __name__ == '__main__':
    sys.exit(run_program(main))
