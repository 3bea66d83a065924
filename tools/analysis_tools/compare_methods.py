"""Train and measure tuning methods side by side; one JSON file per run.

    python tools/analysis_tools/compare_methods.py CONFIG --out FOLDER
    python tools/analysis_tools/compare_methods.py CONFIG --out FOLDER --costs
    python tools/analysis_tools/compare_methods.py CONFIG --out FOLDER --page PAGE.md

The config trains on 'train' and validates on 'dev'; its test reads 'val', once per
run, after the last epoch. A method may choose its learning rate on dev by short runs.
What is there is not made again, a run that was killed goes on where it was, and
several of these processes share the runs. --costs measures memory and time of a step
instead, on an otherwise idle machine. The page comes from the JSON files of both alone.
"""

import argparse
import hashlib
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from comparison.intervals import summarise
from comparison.page import CHOICE, best_rate, write_page
from comparison.result_files import read_object, read_rows
from filelock import FileLock, Timeout
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.registry import init_default_scope
from mmengine.runner import set_random_seed

from m2ist_mm.atomic_file import make_folder, write_atomically
from m2ist_mm.config import load_config_file, use_mixed_precision
from m2ist_mm.efficiency import PairedTimes, TrainingStep, cuda_peak, measure_step
from m2ist_mm.engine.config_options import ConfigOptions
from m2ist_mm.engine.program import positive_int, run_program
from m2ist_mm.fit.training import Training
from m2ist_mm.models import M3ISA, parameter_counts
from m2ist_mm.registered_type import registered_type

ROOT = Path(__file__).resolve().parents[2]
TUNERS = dict(
    lora='LoRATuner', adapter='AdapterTuner', dara='DARATuner', bitfit='BitFitTuner'
)
# changes of the config, and the part whose learning rate is chosen on dev
METHODS = {
    'frozen': ({'model.neck': None}, None),
    'frozen-inputs': ({'model.neck.experts': ()}, None),
    'm2ist': ({}, 'neck'),
    'full': ({'model.neck': None, 'model.backbone.freeze': False}, 'backbone'),
    **{
        name: (
            {'model.neck': None, 'model.backbone.tuner': dict(type=tuner)},
            'backbone',
        )
        for name, tuner in TUNERS.items()
    },
    'ladder': (
        {
            'model.neck': dict(
                _delete_=True,
                type='LadderSideNetwork',
                reduction=4,
                # a convolutional tower has no transformer layers to copy the form of
                vision=dict(num_heads=8, feedforward_channels=1792, activation='relu'),
            )
        },
        'neck',
    ),
    'm2ist-iea': ({'model.neck.experts': ('iea',)}, 'neck'),
    'm2ist-no-iea': ({'model.neck.experts': ('vea', 'lea')}, 'neck'),
    'm2ist-vision': ({'model.neck.experts': ('vea',)}, 'neck'),
}
MAIN = ('frozen', 'frozen-inputs', 'm2ist', 'full')
# multiples of the head's learning rate
RATES = dict(neck=(0.1, 0.3, 1.0), backbone=(0.02, 0.1, 0.3))
TURNS = 7  # of the timing


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='config of M²IST, from which the others follow')
    parser.add_argument('--out', required=True, help='folder of the JSON files')
    parser.add_argument(
        '--work-dir', default='work_dirs/compare', help='folder of the trainings'
    )
    parser.add_argument('--data-root', metavar='DIR', help='folder of the dataset')
    parser.add_argument(
        '--methods', nargs='+', choices=METHODS, default=list(METHODS), metavar='NAME',
        help=f'which of {", ".join(METHODS)}; all unless given',
    )  # fmt: skip
    parser.add_argument(
        '--seeds', type=positive_int, default=3, help='seeds of the four main methods'
    )
    parser.add_argument(
        '--other-seeds',
        type=positive_int,
        default=1,
        help='seeds of the other methods',
    )
    parser.add_argument(
        '--short-images',
        type=positive_int,
        default=2200,
        help='groups of the short runs by which learning rates are chosen; a third of '
        'the data unless given',
    )
    parser.add_argument(
        '--amp', action='store_true', help='train all in 16 bits, as tools/train.py'
    )
    parser.add_argument(
        '--cfg-options',
        action=ConfigOptions,
        help='change settings of all runs',
    )
    only = parser.add_mutually_exclusive_group()
    only.add_argument(
        '--costs',
        action='store_true',
        help='measure memory and time of a step of each method and train nothing',
    )
    only.add_argument(
        '--page', metavar='FILE.md', help='write page and plots and train nothing'
    )
    return parser.parse_args()


def check_config(args: argparse.Namespace) -> None:
    """Refuse a config that the methods cannot follow from."""
    config = load_config_file(args.config, args.data_root, args.cfg_options)
    neck = (config.get('model') or {}).get('neck') or {}
    kind = registered_type(neck, MODELS)
    if not (isinstance(kind, type) and issubclass(kind, M3ISA)):
        raise ValueError(
            f'{args.config}: its model.neck is no M3ISA; give a config of M²IST, for '
            'instance from configs/m2ist/'
        )


def derive(args: argparse.Namespace, method: str, rate: float | None, seed: int):
    """The config of a run."""
    config = load_config_file(args.config, args.data_root, args.cfg_options)
    changes, part = METHODS[method]
    config.merge_from_dict(changes)
    config.randomness.seed = seed
    if args.amp:
        use_mixed_precision(config)
    if None not in (part, rate):
        keys = config.optim_wrapper.paramwise_cfg.custom_keys
        keys[part] = dict(keys.get(part, {}), lr_mult=rate)
    if 'model.backbone.freeze' in changes or 'model.backbone.tuner' in changes:
        # the features of what is tuned change with every step
        config.default_hooks.pop('feature_cache', None)
    return config


def shorten(config: Config, images: int) -> None:
    """Make a run one epoch on a part of the images."""
    config.train_dataloader.dataset.indices = images
    config.train_cfg.update(max_epochs=1, val_interval=1)
    for scheduler in config.param_scheduler:
        if 'T_max' in scheduler:
            scheduler.T_max = 1


def call(tool: str, *arguments) -> None:
    """Run a tool; its output goes to the log of its work dir."""
    command = [sys.executable, str(ROOT / 'tools' / tool), *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    if done.returncode:
        lines = done.stderr.decode(errors='replace').strip().splitlines()
        errors = [line for line in lines if line.startswith('error: ')]
        last = (errors or lines or [f'exit code {done.returncode}'])[-1]
        raise ValueError(f'{tool} {arguments[0]} failed: {last}')


def train(config: Config, folder: Path) -> Training:
    """Train in a folder, or go on where it was.

    Raises:
        ValueError: The training there is of another config or code.
    """
    origin, path = folder / 'origin', folder / 'run.py'
    sources = git('rev-parse', 'HEAD'), git('diff', 'HEAD'), config.pretty_text
    made_from = hashlib.sha256('\n'.join(sources).encode()).hexdigest()
    if folder.exists() and not (origin.exists() and origin.read_text() == made_from):
        raise ValueError(
            f'{folder}: was begun with another config or code; remove it, or give '
            'another --work-dir'
        )
    make_folder('--work-dir', folder)
    write_atomically(origin, made_from.encode())
    config.dump(path)
    resume = ['--resume'] if (folder / 'last_checkpoint').exists() else []
    call('train.py', path, '--work-dir', folder, *resume)
    return Training(folder, config.train_cfg.max_epochs)


def dev_precision(training: Training) -> list[float]:
    """P@0.5 on dev after each epoch."""
    return [precision for _, precision in sorted(training.validations().items())]


def make_choice(args, method: str, rate: float, folder: Path) -> dict:
    config = derive(args, method, rate, seed=0)
    shorten(config, args.short_images)
    dev = dev_precision(train(config, folder))[-1]
    return dict(
        rate=rate, dev=dev, images=args.short_images, device=device_name(args.amp)
    )


def chosen_rate(args: argparse.Namespace, method: str) -> float | None:
    """The rate that did best in the short runs."""
    part = METHODS[method][1]
    if part is None:
        return None
    made = [
        read_object(choice_file(args, method, rate), CHOICE) for rate in RATES[part]
    ]
    return best_rate(made)


def choice_file(args: argparse.Namespace, method: str, rate: float) -> Path:
    return Path(args.out, f'choice_{method}_{rate:g}.json')


def make_run(args: argparse.Namespace, method: str, seed: int, folder: Path) -> dict:
    rate = chosen_rate(args, method)
    config = derive(args, method, rate, seed)
    training = train(config, folder)
    checkpoint = folder / f'epoch_{training.epochs}.pth'
    results = folder / 'val.json'
    call('test.py', folder / 'run.py', checkpoint, '--out', results,
         '--work-dir', folder / 'test')  # fmt: skip
    return dict(
        method=method,
        seed=seed,
        rate=rate,
        commit=git('rev-parse', 'HEAD') + ('+' if git('status', '--porcelain') else ''),
        config=hashlib.sha256(config.pretty_text.encode()).hexdigest()[:16],
        device=device_name(args.amp),
        fingerprint=fingerprint(derive(args, 'frozen', None, seed=0)),
        dev=dev_precision(training),
        val=summarise(read_rows(results)),
        checkpoint_bytes=checkpoint.stat().st_size,
        seconds=train_seconds(training),
    )


def train_seconds(training: Training) -> float:
    """Median seconds of a step, beside whatever else ran on the machine."""
    return statistics.median(row['time'] for row in training.rows() if 'loss' in row)


def fingerprint(config: Config) -> str:
    """Hash of the boxes of the frozen model before training, on made inputs.

    Runs that differ in it were made with other towers, other code or another machine's
    arithmetic, and are not tabled together. The model's features are not cached: what
    a cache rounds to 16 bits is not in the hash.
    """
    config.default_hooks.pop('feature_cache', None)
    set_random_seed(0)
    step = TrainingStep(config, random_towers=False)
    model = step.model.eval()
    with torch.no_grad():
        (sample,) = model.test_step(step.inputs.batch(1, 4))
    boxes = sample.pred_instances.bboxes.round(decimals=2).tolist()
    return hashlib.sha256(json.dumps(boxes).encode()).hexdigest()[:16]


def make_cost(args: argparse.Namespace, method: str, device: str, _: Path) -> dict:
    """Memory and time of a step of the runs' batch, and what is trained."""
    frozen, config = (derive(args, name, None, 0) for name in ('frozen', method))
    cache = (config.get('default_hooks') or {}).get('feature_cache')
    images = config.train_dataloader.batch_size
    per_image = config.train_dataloader.dataset.max_expressions_per_sample

    def build() -> TrainingStep:
        return TrainingStep(config, device)

    if device == 'cuda':
        peak = cuda_peak(build, images, per_image)
    else:
        peak = measure_step(build, images, per_image).bytes.peak
    steps = [TrainingStep(one, device) for one in (frozen, config)]
    batch = steps[0].inputs.batch(images, per_image)

    def program(step: TrainingStep) -> Callable[[], None]:
        def run() -> None:
            step.train(batch)
            step.synchronize()

        return run

    times = PairedTimes([program(step) for step in steps], TURNS)
    return dict(
        method=method,
        device=device_name(args.amp),
        threads=torch.get_num_threads(),
        features='cached' if cache else 'computed',
        trained_parameters=parameter_counts(steps[1].model)['trained_params'],
        peak_bytes=peak,
        step_seconds=times.medians()[1],
        step_ratio=times.ratios()[1],
    )


def device_name(amp: bool) -> str:
    """What the steps run on, and how."""
    name = torch.cuda.get_device_name() if torch.cuda.is_available() else 'CPU'
    return f'{name}, 16 bits' if amp else name


def settings(args: argparse.Namespace) -> str:
    """The config and what is changed in it, by which files belong together.

    Caching is left out, as it changes time and not results.
    """
    options = [
        f'{key}={value}'
        for key, value in sorted((args.cfg_options or {}).items())
        if not key.startswith('default_hooks.feature_cache')
    ]
    return ' '.join([Path(args.config).stem, *options])


def check_settings(args: argparse.Namespace, path: Path) -> None:
    """Refuse a file that was made with other settings."""
    wanted: dict[str, str | int] = dict(settings=settings(args))
    if path.name.startswith('choice_'):
        wanted['images'] = args.short_images
    content = read_object(path, {name: type(value) for name, value in wanted.items()})
    for name, value in wanted.items():
        if content[name] != value:
            raise ValueError(
                f'{path}: was made with {name} {content[name]}, not {value}; give '
                'another --out'
            )


def git(*arguments: str) -> str:
    done = subprocess.run(['git', *arguments], cwd=ROOT, capture_output=True, text=True)
    return done.stdout.strip()


def jobs(args: argparse.Namespace) -> Iterator[tuple[Path, tuple]]:
    """Files that there shall be, and what makes each: the short runs first."""
    if args.costs:
        device = get_device().partition(':')[0]
        for method in args.methods:
            path = Path(args.out, f'cost_{method}_{device}.json')
            yield path, (make_cost, method, device)
        return
    for method in args.methods:
        for rate in RATES.get(METHODS[method][1], ()):
            yield choice_file(args, method, rate), (make_choice, method, rate)
    for seed in range(max(args.seeds, args.other_seeds)):
        for method in args.methods:
            if seed < (args.seeds if method in MAIN else args.other_seeds):
                path = Path(args.out, f'run_{method}_{seed}.json')
                yield path, (make_run, method, seed)


def main() -> None:
    args = parse_args()
    init_default_scope('mmdet')
    check_config(args)
    if args.page is not None:
        write_page(Path(args.out), Path(args.page), args.config)
        return
    make_folder('--out', args.out)
    make_folder('--work-dir', args.work_dir)
    for path, _ in jobs(args):
        if path.exists():
            check_settings(args, path)
    while missing := [job for job in jobs(args) if not job[0].exists()]:
        if not any([work(args, *job) for job in missing]):
            time.sleep(60)  # other processes are at all that can be made now


def work(args: argparse.Namespace, path: Path, job: tuple) -> bool:
    """Make a file, unless another process does or what it needs is not there yet."""
    make, method, value = job
    part = METHODS[method][1]
    if make is make_run and not all(
        choice_file(args, method, rate).exists() for rate in RATES.get(part, ())
    ):
        return False
    try:
        with FileLock(Path(args.work_dir, f'{path.stem}.lock'), timeout=0):
            if not path.exists():
                print(f'{path.stem} ...', flush=True)
                content = dict(
                    settings=settings(args),
                    **make(args, method, value, Path(args.work_dir, path.stem)),
                )
                write_atomically(path, (json.dumps(content, indent=1) + '\n').encode())
    except Timeout:
        return False
    return True


if __name__ == '__main__':
    sys.exit(run_program(main))
