"""From data of one's own to a judged model, step by step."""

import hashlib
import json
import re
import shlex
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from os.path import relpath
from pathlib import Path

from mmdet.registry import DATASETS
from mmengine.registry import init_default_scope

from ..atomic_file import write_atomically
from ..checkpoints import average_with_start, file_sha256
from ..checkpoints.work_dir_lock import lock_work_dir
from ..config import load_config_file
from ..engine.interruption import Stopped
from ..quiet_logger import quiet_logger
from .data import DataSummary, export_rows, prepare_data, refuse_work_dir_around
from .fit_config import RunSettings, render_run
from .fit_options import FitOptions
from .judge import Fact, Run, judge, plan_runs
from .judge.answers import load_answers
from .judge.breakdowns import FEW_IMAGES
from .judge.figures import difference, figures
from .judge.rows_file import load_rows
from .memory import CUDA_RUNTIME, format_bytes, release_memory
from .plan import Plan
from .planning import Planner, find_grounder
from .presets import find_preset
from .tool_process import run_tool
from .training import Training

# what a training leaves in the work dir besides its plan, itself last: what is killed
# in between is refused
_TRAINED = (
    'plan.json test judge predictions.json report.json report.html suspects train'
).split()
# what a plan replaces and a begun training must find as it was
_PLANNED = 'config.py data/summary.json data/splits.csv'.split()


class Fit:
    """Reads, plans, trains, tests and judges; each step is done once.

    A killed run is gone on with by the same options: what is there whole is kept, a
    training resumes from its last checkpoint.

    Args:
        options: What is asked for.
        tools: Folder of ``train.py`` and ``test.py``.
        say: Called with each line for the user.

    Raises:
        ValueError: The work dir has a quote in its name, or the data in it.
    """

    def __init__(
        self, options: FitOptions, tools: Path, say: Callable[[str], None] = print
    ) -> None:
        self.options = options
        self.tools = tools
        self.say = say
        self.folder = Path(options.work_dir).resolve()
        if '"' in str(self.folder) or "'" in str(self.folder):
            raise ValueError(
                f'--work-dir {self.folder}: MMEngine reads no config in a folder with '
                'a quote in its name; take another'
            )
        root = options.image_root
        refuse_work_dir_around(self.folder, Path(options.source), root and Path(root))
        self.config = self.folder / 'config.py'

    def run(self, plan_only: bool = False, restart: bool = False) -> None:
        """Do what is not done yet.

        Args:
            plan_only: Stop when the plan is made.
            restart: Forget what an earlier call has trained, once the new plan is made.

        Raises:
            BlockingIOError: Another call works in the work dir.
            OSError: A file is missing, or cannot be written.
            ValueError: The data have faults, or are others than those of the training
                there; the options make no sense, or differ from its; nothing fits the
                memory; a program failed.
        """
        init_default_scope('mmdet')
        lock = lock_work_dir(self.folder)
        try:
            with quiet_logger():  # what is wrong is an error
                self._run(plan_only, restart)
        except Stopped as stopped:
            stopped.notes.append('the same command goes on from here')
            raise
        finally:
            lock.release()

    def _run(self, plan_only: bool, restart: bool) -> None:
        started = (self.folder / 'train').exists() and not restart
        if started:
            self._refuse_other_options()
        with self._kept_on_error():
            summary = self._read(started)
            planner = Planner(self.options, summary, self.config)
            if started:
                self.say(f'\nplan, by which {self._name(self.folder)} was begun')
                plan, begun = self._begun_plan()
                self._refuse_other_start(planner.grounder, begun['start_sha256'])
            else:
                self.say('\nplan; counts and times a few steps first')
                plan = planner.make(self._runs(planner.grounder is not None))
                release_memory()
        if not started:
            self._forget()
            self._save(plan, planner.grounder)
        runs = self._runs(plan.start_is_whole)
        for line in plan.lines():
            self.say(f'  {line}')
        if plan_only:
            self.say(
                f'\nThe config is {self._name(self.config)}; --plan-only stops here. '
                'The same command without it trains (shorter by --epochs).'
            )
            return
        start = planner.grounder if plan.start_is_whole else None
        training = self._train(self.config, self.folder / 'train', 'training')
        model = self._best(self.config, training, start)
        for run in runs:
            self._predict(run, planner, start, model)
        self.say('\nreport')
        report = judge(self.folder, runs, self._facts(plan, training))
        self._close(report, model, summary)

    # -- steps -------------------------------------------------------------

    def _read(self, started: bool) -> DataSummary:
        self.say('data')
        start = find_grounder(find_preset(self.options.preset), self.options.init)
        names = (
            'data_format image_root text_field bbox_form box_unit box_tolerance '
            'several skip_faulty seed'
        ).split()
        try:
            summary = prepare_data(
                self.options.source,
                self.folder,
                **{name: getattr(self.options, name) for name in names},
                start=start,
                started=started,
            )
        except ValueError as error:
            raise ValueError(_as_typed(str(error))) from error
        if self.options.audit and summary.learnt_images:
            raise ValueError(
                f'--audit: the model of --init has learnt the labels of '
                f'{summary.learnt_images} of these images, and would find them right; '
                'take --init shipped or scratch'
            )
        for line in summary.lines():
            self.say(f'  {line}')
        images = {name: summary.statistics[name]['images'] for name in ('val', 'test')}
        few = [f'{name} has {n}' for name, n in images.items() if n < FEW_IMAGES]
        if few:
            self.say(
                f'  {" and ".join(few)} images: what fewer than {FEW_IMAGES} show is '
                'rough; label more, or edit splits.csv'
            )
        return summary

    def _runs(self, start: bool) -> list[Run]:
        """Write the rows of all tests and trainings; those of earlier calls stay.

        Args:
            start: Whether to test what the training starts from.
        """
        names = 'learning_curve compare audit seed'.split()
        options = {name: getattr(self.options, name) for name in names}
        return plan_runs(self.folder, start=start, **options)

    def _save(self, plan: Plan, start: Path | None) -> None:
        content = dict(
            asdict(plan),
            options=self.options.fixed(),
            config_sha256=self._config_hash(),
            start_sha256=start and file_sha256(start),
        )
        text = json.dumps(content, indent=1, ensure_ascii=False)
        write_atomically(self.folder / 'plan.json', f'{text}\n'.encode())

    def _train(self, config: Path, folder: Path, name: str) -> Training:
        """Train, or go on with a training."""
        settings = load_config_file(config)
        training = Training(
            folder,
            settings.train_cfg.max_epochs,
            validated=settings.get('val_cfg') is not None,
        )
        if training.done:
            return training
        self.say(f'\n{name}; the whole log: {self._name(folder)}/output.log')
        folder.mkdir(parents=True, exist_ok=True)
        told = set(training.validations())

        def watch() -> None:
            for epoch, precision in sorted(training.validations().items()):
                if epoch not in told:
                    told.add(epoch)
                    self.say(
                        f'  epoch {epoch} of {training.epochs}: P@0.5 on val '
                        f'{precision:.1f} %'
                    )

        peak = run_tool(
            [self.tools / 'train.py', config, '--work-dir', folder, '--resume'],
            folder / 'output.log',
            watch,
        )
        self._note_peak(folder, peak)
        return training

    def _best(self, config: Path, training: Training, start: Path | None) -> Path:
        """The best checkpoint, or its mean with the start if val shows no loss by that.

        Args:
            config: Config of the training.
            training: It.
            start: The checkpoint of this very model that it started from, if it did.
        """
        best = training.checkpoint
        if start is None:
            return best
        averaged = training.folder / 'averaged.pth'
        if not averaged.exists():
            average_with_start(start, best, averaged)
        if not training.validated:
            return averaged
        found, own = (
            self._validate(config, training.folder, checkpoint)
            for checkpoint in (averaged, best)
        )
        precisions = [figures(answers)['P@0.5']['value'] for answers in (found, own)]
        worse = difference(own, found)['P@0.5']['low'] > 0
        reason = ', as the difference is within the interval'
        self.say(
            f'  its mean with the start: P@0.5 on val {precisions[0]:.1f} %, alone '
            f'{precisions[1]:.1f} %; the mean is {"not " * worse}taken'
            f'{reason * (not worse and precisions[0] < precisions[1])}'
        )
        return best if worse else averaged

    def _validate(self, config: Path, folder: Path, checkpoint: Path) -> list[dict]:
        """The answers of a training's checkpoint on val."""
        predictions = folder / f'{checkpoint.stem}.predictions.json'
        if not predictions.exists():
            self._test(config, checkpoint, folder / 'val', predictions, 'val')
        return load_answers(self.folder / 'data' / 'val.jsonl', predictions)

    def _test(
        self, config: Path, checkpoint: Path, folder: Path, out: Path, split: str = ''
    ) -> None:
        """Write the predictions of a checkpoint."""
        options = ['--cfg-options', f'test_dataloader.dataset.split={split}']
        run_tool(
            [
                *(self.tools / 'test.py', config, checkpoint),
                *('--work-dir', folder, '--out', out),
                *(options if split else ()),
            ],
            folder / 'output.log',
        )

    def _predict(
        self, run: Run, planner: Planner, start: Path | None, model: Path
    ) -> None:
        """Write the predictions of a run, after its training if it has one."""
        if run.predictions.exists():
            return
        folder, config, checkpoint = self.folder / 'test', self.config, model
        if run.name != 'model':
            folder = self.folder / 'judge' / run.name
            config = folder / 'config.py'
            write_atomically(config, self._render(run, folder, planner).encode())
        if run.name == 'start':
            checkpoint = start
        elif run.train is not None:
            training = self._train(config, folder, f'training {run.name}')
            # the start is no checkpoint of a model without neck
            checkpoint = self._best(config, training, start if run.neck else None)
        self.say(f'\ntest {run.name}')
        self._test(config, checkpoint, folder, run.predictions)

    def _render(self, run: Run, folder: Path, planner: Planner) -> str:
        """The config of a run, which lies in its folder."""

        def rows(path: Path) -> tuple[str, str]:
            beside = relpath(path.parent, folder)
            return Path(beside, '{split}.jsonl').as_posix(), path.stem

        recipe = {}
        if run.train is not None:
            loader = load_config_file(self.config).train_dataloader
            train = DATASETS.build(
                dict(
                    loader.dataset,
                    ann_file=str(run.train.with_name('{split}.jsonl')),
                    split=run.train.stem,
                )
            )
            recipe = planner.recipe(load_rows(run.train), len(train), loader.batch_size)
            recipe['train'] = rows(run.train)
        return render_run(
            RunSettings(
                base=Path(relpath(self.config, folder)).as_posix(),
                test=rows(run.test),
                # what is audited may be in val
                validated=not run.name.startswith('audit'),
                neck=run.neck,
                options=self.options.cfg_options,
                **recipe,
            )
        )

    def _facts(self, plan: Plan, training: Training) -> list[Fact]:
        """Plan against fact."""
        peak = self._peak(training.folder)
        if plan.device == 'cuda':
            gpu = training.gpu_peak()
            peak = None if gpu is None else gpu + CUDA_RUNTIME
        found = 'not measured' if peak is None else format_bytes(peak)
        step = training.step_seconds()
        return [
            Fact(
                'memory of the training',
                format_bytes(plan.need.total),
                found,
            ),
            Fact(
                'seconds a step',
                f'{plan.seconds["step"]:.2f}',
                'not measured' if step is None else f'{step:.2f}',
            ),
            Fact(
                'minutes of the training',
                f'{plan.seconds["training"] / 60:.1f}',
                f'{training.seconds() / 60:.1f}',
            ),
        ]

    def _close(self, report: dict, checkpoint: Path, summary: DataSummary) -> None:
        """Say what came out, and what to do with it."""
        model = report['model']
        config, checkpoint = self._name(self.config), self._name(checkpoint)
        row = load_rows(self.folder / 'data' / f'{report["split"]}.jsonl')[0]
        image = self._name(Path(summary.image_root, row['image']))
        tools = self._name(self.tools)
        self.say(
            f'  {report["split"]}: {model["expressions"]:,} sentences of '
            f'{model["images"]:,} images'
            f'{", too few to rely on" * (model["images"] < FEW_IMAGES)}'
        )
        for name in ('P@0.5', 'mIoU'):
            one = model[name]
            self.say(
                f'  {name}: {one["value"]:.1f} % ({one["low"]:.1f} to '
                f'{one["high"]:.1f})'
            )
        for control in report['controls']:
            self.say(
                f'  {control["name"]}: {control["P@0.5"]["value"]:.1f} %; '
                f'{control["verdict"]}'
            )
        self.say(f'\nreport: {self._name(self.folder / "report.html")}')
        if report['audit'] is not None and report['audit']['suspects']:
            self.say(self._write_suspects(report['audit']['suspects']))

        def command(tool: str, *arguments: str) -> str:
            return shlex.join(['python', f'{tools}/{tool}', *arguments])

        demo = image, row['expression'], '--config', config, '--checkpoint', checkpoint
        self.say(
            f"""
Ask the model:
  {command('image_demo.py', *demo)}
From Python:
  from m2ist_mm.apis import RECInferencer
  model = RECInferencer({config!r}, {checkpoint!r})
  model({image!r}, {row['expression']!r})['predictions'][0]['bboxes']
Train on from this model, with more images or epochs:
  {command('fit.py', 'DATA', '--init', checkpoint, '--work-dir', 'FOLDER')}
Export it:
  {command('export_onnx.py', config, checkpoint, 'FOLDER')}"""
        )

    def _write_suspects(self, suspects: list[dict]) -> str:
        """Mark suspect labels in copies of the annotations; say where these are."""
        folder = self.folder / 'suspects'
        marks = {
            row['sent_id']: dict(suspicion=row['score'], reason=row['why'])
            for row in suspects
        }
        files = export_rows(self.folder, marks, folder)
        return (
            f'labels to look at again: {len(marks)}, marked in copies of the '
            f'annotations: {", ".join(map(self._name, files))}'
        )

    # -- what an earlier call has left -------------------------------------

    @contextmanager
    def _kept_on_error(self) -> Iterator[None]:
        """Put back what a plan replaces if none can be made."""
        files = [self.folder / name for name in _PLANNED]
        contents = {path: path.read_bytes() for path in files if path.is_file()}
        try:
            yield
        except BaseException:
            for path, content in contents.items():
                write_atomically(path, content)
            raise

    def _forget(self) -> None:
        for name in _TRAINED:
            path = self.folder / name
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)

    def _refuse_other_options(self) -> None:
        """Refuse to go on with other options than a training was begun with.

        Raises:
            ValueError: Some differ, or the config was edited; names them.
        """
        _, content = self._begun_plan()
        old, new = content['options'], json.loads(json.dumps(self.options.fixed()))
        changed = [
            f'{name} was {old.get(name)!r} and is {new.get(name)!r}'
            for name in sorted(old.keys() | new.keys())
            if old.get(name) != new.get(name)
        ]
        if content['config_sha256'] != self._config_hash():
            changed.append(
                f'{self._name(self.config)}, or a config that it inherits, was edited '
                '(tools/train.py runs it)'
            )
        if changed:
            raise ValueError(
                f'{self._name(self.folder)} has a training of other settings: '
                f'{"; ".join(changed)}. Start anew with --restart, or name another '
                'folder with --work-dir'
            )

    def _refuse_other_start(self, start: Path | None, sha256: str | None) -> None:
        """Refuse to go on where the file that a training started from has changed.

        Args:
            start: The file.
            sha256: Its hash when the training was begun.

        Raises:
            ValueError: It has.
        """
        if sha256 != (start and file_sha256(start)):
            raise ValueError(
                f'{self._name(self.folder)} has a training that started from another '
                f'content of {self._name(start)}: put that file back, start anew with '
                '--restart, or name another folder with --work-dir'
            )

    def _begun_plan(self) -> tuple[Plan, dict]:
        """The plan by which the training was begun, and all that is in its file.

        Raises:
            ValueError: There is none.
        """
        path = self.folder / 'plan.json'
        try:
            content = json.loads(path.read_text())
            content['options'], content['config_sha256'], content['start_sha256']
            return Plan.from_dict(content), content
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f'{self._name(self.folder)} has a training, and {path.name} there is '
                f'no plan of it ({error}): start anew with --restart, or name another '
                'folder with --work-dir'
            ) from error

    def _config_hash(self) -> str:
        """Of all that the config says, with what it inherits."""
        content = load_config_file(self.config).to_dict() if self.config.exists() else 0
        text = json.dumps(content, sort_keys=True, default=repr)
        return hashlib.sha256(text.encode()).hexdigest()

    def _note_peak(self, folder: Path, peak: int | None) -> None:
        """Write down the most memory of a training's process."""
        if peak is not None:
            peak = max(peak, self._peak(folder) or 0)
            write_atomically(folder / 'peak.json', json.dumps(peak).encode())

    def _peak(self, folder: Path) -> int | None:
        path = folder / 'peak.json'
        return json.loads(path.read_text()) if path.exists() else None

    def _name(self, path: Path) -> str:
        """A path as one types it: relative to the present folder where it is below."""
        path = Path(path)
        here = Path.cwd()
        return str(path.relative_to(here) if path.is_relative_to(here) else path)


def _as_typed(message: str) -> str:
    """Name arguments of :func:`prepare_data` as options, in one line."""
    message = re.sub(r'\bdata_format\b', '--format', message)
    names = (
        'image_root|text_field|bbox_form|box_unit|box_tolerance|several=|skip_faulty'
    )
    message = re.sub(
        rf'\b(?:{names})', lambda found: f'--{found[0].replace("_", "-")}', message
    )
    message = message.replace(
        'start anew, or in another folder',
        'start anew by --restart, or in another folder by --work-dir',
    )
    return '; '.join(message.splitlines())
