import argparse

import pytest

from m2ist_mm.engine.config_options import ConfigOptions


@pytest.fixture
def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument('--cfg-options', action=ConfigOptions)
    return lambda *settings: parser.parse_args(['--cfg-options', *settings]).cfg_options


def test_settings_are_read(parse):
    settings = parse('a.b=0.5', 'c=[x,(1,2)]', 'd=', 'e=1=2')
    assert settings == {'a.b': 0.5, 'c': ['x', (1, 2)], 'd': '', 'e': '1=2'}


@pytest.mark.parametrize(
    ('setting', 'reason'),
    [
        ('=1', 'write it as KEY=VALUE'),
        ('..a=1', 'write it as KEY=VALUE'),
        ('a', 'write it as KEY=VALUE'),
        ('a=[(1]', 'write lists as key='),
        ('custom_imports.imports=[os]', 'must stand in its file'),
    ],
)
def test_what_is_no_setting_is_named(parse, capsys, setting, reason):
    with pytest.raises(SystemExit) as stop:
        parse('b=1', setting)
    assert stop.value.code == 2
    assert f'--cfg-options {setting}: ' in (line := capsys.readouterr().err)
    assert reason in line
