import re
import socket
import sys

import pytest

TOOL = 'tools/web_demo.py'


@pytest.mark.parametrize(
    'arguments, line',
    [
        (['--config', 'm2ist_r50_refcoco'], 'no weights of m2ist_r50_refcoco'),
        (['--checkpoint', 'a.pth'], "no checkpoint file 'a.pth'"),
        (['--cfg-options', 'model.neck.scales=1'], 'scales'),
        (['--exported', 'folder', '--device', 'cpu'], 'a model on its own'),
        (['--exported', 'nowhere'], 'nowhere'),
        (['--examples', 'nowhere'], 'nowhere'),
        (['--config', 'nothing', '--checkpoint', 'a.pth'], 'no config file nothing'),
        (['--port', '70000'], '--port 70000: from 1 to 65535'),
    ],
)
def test_wrong_options_are_one_line(run_tool, capsys, arguments, line):
    assert run_tool(TOOL, *arguments) == 1
    assert re.fullmatch(f'error: .*{line}.*\n', capsys.readouterr().err)


def test_without_gradio_the_line_says_what_to_install(
    run_tool, nano, capsys, monkeypatch
):
    monkeypatch.setitem(sys.modules, 'gradio', None)
    config, checkpoint = nano
    arguments = ('--config', config, '--checkpoint', checkpoint, '--device', 'cpu')
    assert run_tool(TOOL, *arguments) == 1
    assert 'pip install -r requirements/demo.txt' in capsys.readouterr().err


def test_taken_port_is_named(run_tool, nano, capsys):
    config, checkpoint = nano
    with socket.create_server(('127.0.0.1', 0)) as taken:
        port = taken.getsockname()[1]
        arguments = ('--config', config, '--checkpoint', checkpoint, '--port', port)
        assert run_tool(TOOL, *arguments, '--device', 'cpu') == 1
    assert f'cannot listen on 127.0.0.1, port {port}' in capsys.readouterr().err
