"""Convert the encoder side of a DETR checkpoint to a vision tower."""

import argparse
import sys

from m2ist_mm.checkpoints import convert_detr, load_state_file, save_state_file
from m2ist_mm.engine.program import run_program


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog='A DETR that was trained on all of COCO train has seen the val and test '
        'images of RefCOCO, RefCOCO+ and RefCOCOg: results on them would leak.',
    )
    parser.add_argument(
        'src', help='checkpoint of the original DETR, or of an mmdet (Conditional) DETR'
    )
    parser.add_argument(
        'dst', help='file to write; name it as model.backbone.vision.weights'
    )
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    state = convert_detr(load_state_file(args.src))
    save_state_file(state, args.dst)
    print(f'{args.dst}: {len(state)} tensors')


if __name__ == '__main__':
    sys.exit(run_program(main))
