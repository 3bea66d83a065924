"""Find in images what sentences name."""

import argparse
import os
import sys

from m2ist_mm.apis import DEFAULT_MODEL, RECInferencer
from m2ist_mm.datasets.image_reader import IMAGE_SUFFIXES
from m2ist_mm.engine.config_options import ConfigOptions
from m2ist_mm.engine.program import positive_int, run_program


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        usage='%(prog)s IMAGE [IMAGE ...] SENTENCE [SENTENCE ...] [options]',
        description='Find in images what each sentence names. Prints a box for each '
        '(x1 y1 x2 y2, in pixels of the image), and draws them. An image that cannot '
        'be read is reported, and the exit code is then 1.',
        epilog='examples: python tools/image_demo.py dogs.jpg "left dog" "brown dog"; '
        'with a model of your own: python tools/image_demo.py dogs.jpg "left dog" '
        '--config configs/m2ist/m2ist_r50_refcoco.py --checkpoint epoch_90.pth',
    )
    parser.add_argument(
        'inputs',
        nargs='+',
        metavar='IMAGE ... SENTENCE',
        help='first the images, files or folders, then the sentences, each asked of '
        'every image; an image is encoded once for all sentences',
    )
    parser.add_argument(
        '--config',
        default=DEFAULT_MODEL,
        help='config file, or its name in the model index (m2ist_r50_refcoco); the '
        'small model that is shipped unless given',
    )
    parser.add_argument(
        '--checkpoint', help='checkpoint file; that of the model index unless given'
    )
    parser.add_argument(
        '--out-dir',
        default='outputs',
        metavar='DIR',
        help='folder for vis/NAME.jpg and preds/NAME.json (default: outputs)',
    )
    parser.add_argument(
        '--no-save-vis', action='store_true', help='write no drawn images'
    )
    parser.add_argument(
        '--no-save-pred', action='store_true', help='write no predictions'
    )
    parser.add_argument(
        '--attention',
        action='store_true',
        help='draw also what the model attends to for each sentence; for the first: '
        'attention/NAME_1.jpg (last layer) and NAME_1_heads.jpg (all layers and heads)',
    )
    parser.add_argument(
        '--font',
        metavar='FILE',
        help='TrueType or OpenType file to write the sentences with; a font of this '
        'system that has their letters unless given',
    )
    parser.add_argument(
        '--show', action='store_true', help='show each drawn image in a window'
    )
    parser.add_argument(
        '--device', help='cpu, cuda:0, ...; the GPU unless given, if there is one'
    )
    parser.add_argument(
        '--batch-size',
        type=positive_int,
        default=1,
        metavar='N',
        help='images that are encoded together (default: 1)',
    )
    parser.add_argument(
        '--cfg-options',
        action=ConfigOptions,
        help='change settings of the config: model.backbone.language.weights=FOLDER',
    )
    return parser.parse_args()


def split_inputs(inputs: list[str]) -> tuple[list[str], list[str]]:
    """Tell images from sentences.

    Args:
        inputs: Images, which come first, and sentences.

    Returns:
        Images and sentences.

    Raises:
        ValueError: An image follows a sentence, or there is no sentence or no image.
    """
    number = 1
    while number < len(inputs) and (
        _is_image_name(inputs[number]) or os.path.isdir(inputs[number])
    ):
        number += 1
    images, sentences = inputs[:number], inputs[number:]
    if not sentences:
        if not (_is_image_name(inputs[0]) or os.path.exists(inputs[0])):
            raise ValueError(
                f'{inputs[0]} is no image and no folder: images come first, sentences '
                'after them'
            )
        raise ValueError(
            f'there is no sentence after {images[-1]}: say what to look for'
        )
    for sentence in sentences:
        if _is_image_name(sentence):
            raise ValueError(
                f'{sentence} is an image after the sentence {sentences[0]!r}: images '
                'come first'
            )
    return images, sentences


def _is_image_name(text: str) -> bool:
    """Whether it ends as an image file does, and is a file or a single word."""
    return text.lower().endswith(IMAGE_SUFFIXES) and (
        os.path.exists(text) or len(text.split()) == 1
    )


def main() -> int:
    """Build the inferencer, and print what it finds."""
    args = parse_args()
    images, sentences = split_inputs(args.inputs)
    if args.attention and args.no_save_vis:
        raise ValueError('--attention writes drawn images, and --no-save-vis none')
    options = args.cfg_options or {}
    if args.font is not None:
        options = {**options, 'visualizer.font': args.font}
    inferencer = RECInferencer(
        args.config, args.checkpoint, args.device, cfg_options=options
    )
    results = inferencer(
        images,
        sentences,
        batch_size=args.batch_size,
        out_dir=args.out_dir,
        return_attention=args.attention,
        show=args.show,
        no_save_vis=args.no_save_vis,
        no_save_pred=args.no_save_pred,
        skip_unreadable=True,
    )
    for result in results['predictions']:
        columns = result['text'], result['bboxes'], result['truncated']
        for text, bbox, truncated in zip(*columns, strict=True):
            box = ' '.join(f'{number:.1f}' for number in bbox)
            note = ' (longer than the model reads: its end was left out)'
            print(f'{result["img_path"]}: {text}: {box}{note if truncated else ""}')
    for error in results['errors']:
        print(f'error: {error}', file=sys.stderr)
    return 1 if results['errors'] else 0


if __name__ == '__main__':
    sys.exit(run_program(main))
