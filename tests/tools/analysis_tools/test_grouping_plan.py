import json

import pytest

TOOL = 'tools/analysis_tools/grouping_plan.py'
CONFIG = 'configs/_base_/datasets/refcoco-mini.py'


def table_rows(output):
    lines = [line for line in output.splitlines() if line.startswith('│')]
    return [[cell.strip() for cell in line.split('│')[1:-1]] for line in lines]


def test_groups_of_a_data_set_are_printed(run_tool, mini_refcoco, capsys):
    options = ('--data-root', mini_refcoco, '--group-sizes', 1, 3, 4)
    assert run_tool(TOOL, CONFIG, *options, '--batch-size', 8) == 0
    output = capsys.readouterr().out
    # 3 images, each with 2 "left block" or "right block", which no crop may touch,
    # and 2 of a colour of different objects, which it crops to different windows
    assert '12 expressions on 3 images' in output
    assert 'in 50% of the expressions; 100% of the images have both kinds' in output
    assert table_rows(output) == [
        ['1', '12', '1.00', '8.0', '8', '0.0%'],
        ['3', '9', '1.33', '6.0', '8', '25.0%'],
        ['4', '9', '1.33', '6.0', '8', '25.0%'],
    ]


def test_all_data_sets_of_a_loader_are_read(run_tool, mini_refcoco, capsys):
    assert run_tool(TOOL, CONFIG, '--data-root', mini_refcoco, '--mode', 'test') == 0
    assert '16 expressions on 4 images' in capsys.readouterr().out


def test_images_need_not_be_there(run_tool, refer_folder, capsys):
    for number in range(7):
        refer_folder.image_path(number).unlink()
    assert run_tool(TOOL, CONFIG, '--data-root', refer_folder.root) == 0
    assert '12 expressions on 3 images' in capsys.readouterr().out


def test_given_share_gives_the_expected_time(run_tool, mini_refcoco, capsys):
    options = ('--data-root', mini_refcoco, '--group-sizes', 4)
    assert run_tool(TOOL, CONFIG, *options, '--vision-share', 0.8) == 0
    output = capsys.readouterr().out
    assert [row[-1] for row in table_rows(output)] == ['80.0%']
    assert '0.80 / expressions per group + 0.20' in output
    assert 'the vision side: 80% of the ungrouped step, given' in output


def test_measured_share_is_read_from_a_report(run_tool, mini_refcoco, tmp_path, capsys):
    report = tmp_path / 'report.json'
    runs = [
        # 6 s per image and 2 s per expression
        dict(expressions_per_image=1, training=dict(per_expression=8.0)),
        dict(expressions_per_image=4, training=dict(per_expression=3.5)),
    ]
    content = dict(runs=[dict(run, config=CONFIG) for run in runs])
    report.write_text(json.dumps(content))
    options = ('--data-root', mini_refcoco, '--group-sizes', 4, '--report', report)
    assert run_tool(TOOL, CONFIG, *options) == 0
    output = capsys.readouterr().out
    assert [row[-1] for row in table_rows(output)] == ['81.2%']
    assert f'measured in {report}' in output.replace('\n', '')
    del content['runs'][1]
    report.write_text(json.dumps(content))
    assert run_tool(TOOL, CONFIG, *options) == 1
    assert 'it has [1]' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (['--vision-share', 1.5], 'not between 0 and 1'),
        (['--cfg-options', 'train_dataloader.dataset.type=CocoDataset'], 'RECDataset'),
    ],
)
def test_what_is_of_no_use_is_refused(run_tool, mini_refcoco, capsys, options, message):
    assert run_tool(TOOL, CONFIG, '--data-root', mini_refcoco, *options) == 1
    assert message in capsys.readouterr().err


def test_config_without_data_is_refused(run_tool, tmp_path, capsys):
    config = tmp_path / 'config.py'
    config.write_text('')
    assert run_tool(TOOL, config, '--mode', 'val') == 1
    assert 'config.py names no val dataset' in capsys.readouterr().err


@pytest.mark.parametrize('option', ['--batch-size', '--group-sizes'])
def test_counts_are_above_0(run_tool, capsys, option):
    assert run_tool(TOOL, 'config.py', option, 0) == 2
    assert f"{option}: '0' is no whole number above 0" in capsys.readouterr().err
