"""Make a checkpoint ready to be shared: tuned weights and identity of the towers."""

import argparse
import sys
from pathlib import Path

import torch

from m2ist_mm.checkpoints import file_sha256, load_checkpoint, save_state_file
from m2ist_mm.engine.program import run_program

KEPT = 'epoch', 'iter', 'seed', 'dataset_meta', 'towers', 'mmengine_version'


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog='What a test does not need is left out: the state of the optimiser, and '
        'the config, which holds paths of the machine. Of a training with EMAHook the '
        'averaged weights are kept.',
    )
    parser.add_argument('src', help='checkpoint of a training, epoch_N.pth')
    parser.add_argument('dst', help='file to write, another than src')
    parser.add_argument(
        '--half', action='store_true', help='store float32 weights as float16'
    )
    return parser.parse_args()


def publish(checkpoint: dict, half: bool) -> dict:
    """Leave out of a checkpoint what a test does not need."""
    state = {
        name: value.half() if half and value.dtype == torch.float32 else value
        for name, value in checkpoint['state_dict'].items()
    }
    if overflown := [n for n, v in state.items() if not v.isfinite().all()]:
        raise ValueError(f'--half: {overflown[0]} exceeds the range of float16')
    meta = {k: v for k, v in checkpoint.get('meta', {}).items() if k in KEPT}
    if 'towers' in meta:  # without them, whether they are the same is not known
        meta['towers'] = {
            tower: dict(identity, name=without_folders(identity['name']))
            for tower, identity in meta['towers'].items()
        }
    return dict(state_dict=state, meta=meta)


def without_folders(name: str) -> str:
    """Name of a tower's weights; what is no file of this machine stays as it is."""
    return Path(name).name if Path(name).is_absolute() else name


def main() -> None:
    args = parse_args()
    if Path(args.dst).resolve() == Path(args.src).resolve():
        raise ValueError(f'{args.dst}: a training cannot go on from what is written')
    checkpoint = load_checkpoint(args.src)
    if 'state_dict' not in checkpoint:
        raise ValueError(f"{args.src} has no 'state_dict': it is no checkpoint")
    published = publish(checkpoint, args.half)
    save_state_file(published['state_dict'], args.dst, published['meta'])
    size = Path(args.dst).stat().st_size / 1e6
    print(f'{args.dst}: {size:.1f} MB, sha256 {file_sha256(args.dst)}')


if __name__ == '__main__':
    sys.exit(run_program(main))
