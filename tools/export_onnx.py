"""Write a trained model as ONNX, in a folder that runs without torch."""

import argparse
import sys
from pathlib import Path

from m2ist_mm.apis import RECInferencer
from m2ist_mm.engine.config_options import ConfigOptions
from m2ist_mm.engine.program import run_program
from m2ist_mm.export import export_onnx, require_empty


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='Write a trained model as ONNX: image.onnx encodes an image, '
        'text.onnx gives the boxes of any number of sentences. Beside them lie the '
        'tokenizer, model.json (what goes in and comes out) and predict.py, which '
        'needs onnxruntime, numpy, pillow and tokenizers alone. The graphs are '
        'compared with the model; the folder is written only if they give the same '
        'boxes.',
        epilog='example: python tools/export_onnx.py m2ist_r50_refcoco epoch_90.pth '
        'exported && python exported/predict.py dogs.jpg "the left dog"',
    )
    parser.add_argument(
        'config', help='config file, or its name in the model index (m2ist_r50_refcoco)'
    )
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('folder', type=Path, help='folder to write; empty or missing')
    parser.add_argument(
        '--cfg-options',
        action=ConfigOptions,
        help='change settings of the config: model.backbone.language.weights=FOLDER',
    )
    return parser.parse_args()


def main() -> None:
    """Load the model and export it."""
    args = parse_args()
    require_empty(args.folder)
    inferencer = RECInferencer(
        args.config, args.checkpoint, 'cpu', cfg_options=args.cfg_options
    )
    difference = export_onnx(inferencer, args.folder, Path(args.config).stem)
    for path in sorted(args.folder.rglob('*')):
        if path.is_file():
            print(f'{path.stat().st_size / 1e6:10.3f} MB  {path}')
    print(f'boxes differ from the model by {difference:.1e} of the canvas')
    print(f'try it: python {args.folder / "predict.py"} photo.jpg "the left dog"')


if __name__ == '__main__':
    sys.exit(run_program(main))
