"""Serve a page that finds in images what sentences name."""

import argparse
import sys
from pathlib import Path

from m2ist_mm.engine.config_options import ConfigOptions
from m2ist_mm.engine.program import run_program


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description='Serve a page that finds in images what sentences name, by the '
        'small model that is shipped, a trained one (--config, --checkpoint) or an '
        'exported one (--exported).',
        epilog='example: python tools/web_demo.py --port 7860',
    )
    parser.add_argument(
        '--config',
        help='config file, or its name in the model index (m2ist_r50_refcoco); the '
        'small model that is shipped unless given',
    )
    parser.add_argument(
        '--checkpoint', help='checkpoint file; that of the model index unless given'
    )
    parser.add_argument(
        '--exported', metavar='FOLDER', help='folder that tools/export_onnx.py wrote'
    )
    parser.add_argument(
        '--device', help='cpu, cuda:0, ...; the GPU unless given, if there is one'
    )
    parser.add_argument(
        '--examples',
        metavar='FOLDER',
        help='images to begin with, and beside each the sentences, one per line, in a '
        'file of the same name that ends in .txt (default: photographs for the model '
        'of the package, drawn scenes for others)',
    )
    parser.add_argument(
        '--host',
        default='127.0.0.1',
        help='address to listen on (default: 127.0.0.1, which only this machine '
        'reaches; 0.0.0.0 is open to all who reach this machine)',
    )
    parser.add_argument(
        '--port', type=int, help='port (default: a free one from 7860 on)'
    )
    parser.add_argument(
        '--cfg-options',
        action=ConfigOptions,
        help='change settings of the config: model.backbone.language.weights=FOLDER',
    )
    return parser.parse_args()


def build_inferencer(args: argparse.Namespace) -> tuple[object, str]:
    """Build the inferencer that the options ask for, and name its model.

    Raises:
        ValueError: The options contradict each other.
    """
    if args.exported is not None:
        if args.config or args.checkpoint or args.device or args.cfg_options:
            raise ValueError(
                '--exported is a model on its own: leave out --config, --checkpoint, '
                '--device and --cfg-options'
            )
        from m2ist_mm.apis import ONNXInferencer

        return ONNXInferencer(args.exported), Path(args.exported).resolve().name
    from m2ist_mm.apis import DEFAULT_MODEL, RECInferencer

    model = args.config or DEFAULT_MODEL
    inferencer = RECInferencer(
        model, args.checkpoint, args.device, cfg_options=args.cfg_options
    )
    return inferencer, Path(model).stem


def main() -> None:
    """Build the inferencer, and serve the page."""
    args = parse_args()
    if args.port is not None and not 1 <= args.port <= 65535:
        raise ValueError(f'--port {args.port}: from 1 to 65535')
    print('loading', flush=True)
    from m2ist_mm.web import (
        PHOTOGRAPHS,
        GroundingService,
        draw_examples,
        read_examples,
        serve,
    )

    shipped = not (args.exported or args.config or args.checkpoint)
    folder = args.examples or (PHOTOGRAPHS if shipped else None)
    examples = read_examples(folder) if folder else draw_examples()
    inferencer, name = build_inferencer(args)
    serve(GroundingService(inferencer), examples, name, args.host, args.port)


if __name__ == '__main__':
    sys.exit(run_program(main))
