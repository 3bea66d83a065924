"""Make a model for your own images and sentences."""

import argparse
import sys
from pathlib import Path

from m2ist_mm.engine.config_options import ConfigOptions
from m2ist_mm.engine.program import run_program
from m2ist_mm.fit.data import DATA_FORMATS
from m2ist_mm.fit.fit import Fit
from m2ist_mm.fit.fit_options import FitOptions
from m2ist_mm.fit.presets import PRESETS


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description='From images and sentences with boxes to a model that is judged: '
        'reads and checks the data, plans memory and time, trains, tests and writes '
        'report.html. The same command goes on where it was killed.'
    )
    parser.add_argument(
        'source', metavar='DATA', help='an annotation file, or a folder with such files'
    )
    parser.add_argument(
        '--work-dir',
        metavar='DIR',
        help='where everything goes; work_dirs/fit-<name of DATA> unless given',
    )
    parser.add_argument(
        '--plan-only', action='store_true', help='say what it would cost, and stop'
    )
    parser.add_argument(
        '--restart',
        action='store_true',
        help='forget the training that is in the work dir',
    )
    parser.add_argument('--seed', type=int, default=0)

    data = parser.add_argument_group('data')
    data.add_argument(
        '--format',
        dest='data_format',
        choices=DATA_FORMATS,
        help='format of the annotations; recognised by their content unless given',
    )
    data.add_argument(
        '--image-root', metavar='DIR', help='folder of the images; DATA unless given'
    )
    data.add_argument(
        '--text-field',
        metavar='NAME',
        help='field of the sentence, where the labelling tool lets one choose it',
    )
    data.add_argument(
        '--bbox-form',
        choices=['xyxy', 'xywh'],
        help='what the four numbers of rows are',
    )
    data.add_argument(
        '--box-unit',
        choices=['pixel', 'relative', 'percent', 'permille'],
        help='unit of the boxes, for formats that do not say it',
    )
    data.add_argument(
        '--box-tolerance',
        type=float,
        default=1.0,
        metavar='PIXELS',
        help='by which a box may leave its image; it is clipped (default: 1)',
    )
    data.add_argument(
        '--several',
        choices=['leave-out', 'join', 'refuse'],
        default='leave-out',
        help='what to do with a sentence that has several boxes (default: leave-out)',
    )
    data.add_argument(
        '--skip-faulty', action='store_true', help='leave faulty entries out'
    )

    model = parser.add_argument_group('model and training')
    model.add_argument(
        '--memory',
        metavar='SIZE',
        help='what the training may use, such as 8GB; what is free unless given',
    )
    model.add_argument(
        '--preset',
        default='small',
        metavar='NAME',
        help=f'{", ".join(PRESETS)}, or a config file (default: small)',
    )
    model.add_argument(
        '--init',
        metavar='shipped|scratch|FILE',
        help='start from the grounder that is shipped with the preset (default, if '
        'there is one), from nothing, or from a checkpoint: of this project, of '
        "TransVG or of the paper's code",
    )
    model.add_argument(
        '--epochs', type=int, help='follows from the number of images unless given'
    )
    model.add_argument(
        '--amp',
        action=argparse.BooleanOptionalAction,
        help='train in 16 bits, or do not; where that is faster unless given',
    )
    model.add_argument(
        '--cfg-options',
        action=ConfigOptions,
        default={},
        help='change settings of the config that is written',
    )

    report = parser.add_argument_group('report; each can be asked for later')
    report.add_argument(
        '--learning-curve',
        action='store_true',
        help='train on 25 and on 50 %% of the images, too: will more labels pay?',
    )
    report.add_argument(
        '--compare',
        action='store_true',
        help='train with frozen towers alone, without the neck, too',
    )
    report.add_argument(
        '--audit',
        action='store_true',
        help='rank the labels that models trained on the other images find wrong',
    )
    return parser.parse_args()


def main() -> None:
    """Read, plan, train, test, judge."""
    args = vars(parse_args())
    plan_only, restart = args.pop('plan_only'), args.pop('restart')
    if args['work_dir'] is None:
        source = Path(args['source']).resolve()
        name = source.name if source.is_dir() else source.stem
        args['work_dir'] = str(Path('work_dirs', f'fit-{name}'))
    fit = Fit(FitOptions(**args), Path(__file__).resolve().parent, say)
    fit.run(plan_only, restart)


def say(line: str) -> None:
    """Print a line at once, also into a pipe."""
    print(line, flush=True)


if __name__ == '__main__':
    sys.exit(run_program(main))
