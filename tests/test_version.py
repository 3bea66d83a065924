import ast
import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

PACKAGE = Path(__file__).parents[1] / 'm2ist_mm'
spec = importlib.util.spec_from_file_location('compat', PACKAGE / 'compat.py')
compat = importlib.util.module_from_spec(spec)
spec.loader.exec_module(compat)

INSTALL = 'pip install "somelib>=2.0,<3.0"'


@pytest.fixture
def somelib(monkeypatch):
    """Returns a function that makes ``import somelib`` give a module of a version."""

    def provide(version):
        module = ModuleType('somelib')
        module.__version__ = version
        monkeypatch.setitem(sys.modules, 'somelib', module)

    return provide


@pytest.mark.parametrize(
    'version', ['2.0', '2.0.0', '2.9.9', '2.3.6+cpu', '2.0.0a0+nv23']
)
def test_versions_in_the_range_are_accepted(somelib, version):
    somelib(version)
    compat.check_version('somelib', '>=2.0,<3.0', INSTALL)


@pytest.mark.parametrize('version', ['1.9.9', '3.0', '3.0.0+cpu', '10.0', 'unknown'])
def test_error_names_package_found_version_range_and_command(somelib, version):
    somelib(version)
    with pytest.raises(ImportError) as caught:
        compat.check_version('somelib', '>=2.0,<3.0', INSTALL)
    assert f'somelib {version} ' in str(caught.value)
    assert 'somelib>=2.0,<3.0.' in str(caught.value)
    assert INSTALL in str(caught.value)


def test_missing_package_is_named_with_the_command():
    with pytest.raises(
        ImportError, match="No module named 'nolib_at_all'.*pip install"
    ):
        compat.check_version('nolib_at_all', '>=1.0', 'pip install nolib_at_all')


def test_a_package_that_refuses_another_ones_version_is_reported(tmp_path, monkeypatch):
    (tmp_path / 'pickylib.py').write_text("raise AssertionError('otherlib==9 is used')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ImportError, match='pickylib cannot.*otherlib==9 is used.*>=1'):
        compat.check_version('pickylib', '>=1.0', 'pip install pickylib')


@pytest.mark.parametrize(
    'name, fork_version',
    [('mmengine', '0.10.12'), ('mmcv', '2.3.6'), ('mmdet', '3.5.1')],
)
def test_onedl_forks_are_in_the_supported_ranges(monkeypatch, name, fork_version):
    tree = ast.parse((PACKAGE / '__init__.py').read_text())
    (table,) = (
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and node.targets[0].id == 'SUPPORTED_VERSIONS'
    )
    fork = ModuleType(name)
    fork.__version__ = fork_version
    monkeypatch.setitem(sys.modules, name, fork)
    ((wanted, install),) = ((row[1], row[2]) for row in table if row[0] == name)
    compat.check_version(name, wanted, install)


@pytest.mark.slow
def test_an_old_package_stops_the_import_before_anything_is_registered():
    code = (
        'import sys, torch\n'
        "torch.__version__ = '2.0.1'\n"
        'try:\n'
        '    import m2ist_mm\n'
        'except ImportError as error:\n'
        '    print(error)\n'
        "print('mmdet' in sys.modules)\n"
    )
    result = subprocess.run(
        [sys.executable, '-c', code],
        cwd=PACKAGE.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    error, registered = result.stdout.splitlines()
    assert error.startswith('torch 2.0.1 is installed, but m2ist_mm needs torch>=2.6.')
    assert registered == 'False'


def test_version_is_readable_without_any_package():
    tree = ast.parse((PACKAGE / 'version.py').read_text())
    assert not [n for n in ast.walk(tree) if isinstance(n, ast.Import | ast.ImportFrom)]
