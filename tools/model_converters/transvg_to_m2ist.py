"""Convert a TransVG or reference M²IST checkpoint to this project's format."""

import argparse
import sys

from m2ist_mm.checkpoints import convert_transvg, load_state_file, save_state_file
from m2ist_mm.engine.program import run_program


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        'src', help='checkpoint: a state_dict, or one under "model" or "state_dict"'
    )
    parser.add_argument(
        'dst',
        help='file to write; load it with load_from or tools/test.py and a config '
        'whose towers are random (weights=None): it holds the towers as well',
    )
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    state = convert_transvg(load_state_file(args.src))
    save_state_file(state, args.dst)
    side = ', side networks for M3ISA(side_norm="tower")'
    has_side = any(name.startswith('neck.') for name in state)
    print(f'{args.dst}: {len(state)} tensors{side * has_side}')


if __name__ == '__main__':
    sys.exit(run_program(main))
