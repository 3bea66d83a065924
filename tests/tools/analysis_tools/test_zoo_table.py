import re

import pytest
import zoo_table as tool

COUNTS = dict(
    tower_params=1000, tuned_tower_params=0, adapter_params=21, trained_params=2_500_000
)


def test_row_has_link_and_sizes():
    model = dict(Name='m2ist_r50_refcoco', Config='configs/m2ist/m2ist_r50_refcoco.py')
    assert tool.format_row(model, COUNTS) == (
        '| [`m2ist_r50_refcoco`](../configs/m2ist/m2ist_r50_refcoco.py) | '
        '1,000 | 21 (2.10%) | 2,500,000 | 10.0 |\n'
    )


def test_tables_are_replaced_and_the_rest_stays():
    page = f'# Zoo\n{tool.BEGIN}\nold\n{tool.END}\nrest\n'
    once = tool.replace_tables(page, '\nnew\n')
    assert once == f'# Zoo\n{tool.BEGIN}\n\nnew\n\n{tool.END}\nrest\n'
    assert tool.replace_tables(once, '\nnew\n') == once
    with pytest.raises(ValueError, match='must have the lines'):
        tool.replace_tables('# Zoo\n', '')


def test_page_has_a_row_for_every_model_and_no_other():
    page = tool.PAGE.read_text(encoding='utf-8')
    rows = re.findall(r'^\| \[`([^`]+)`\]\(\.\./([^)]+)\)', page, re.MULTILINE)
    models = [model for family in tool.read_metafiles().values() for model in family]
    assert rows == [(model['Name'], model['Config']) for model in models], (
        'run tools/analysis_tools/zoo_table.py'
    )


def test_row_of_the_paper_s_model_has_the_paper_s_numbers():
    page = tool.PAGE.read_text(encoding='utf-8')
    (row,) = re.findall(r'^\| \[`m2ist_r50_refcoco`\].*', page, re.MULTILINE)
    assert '140,814,656 | 2,975,232 (2.11%)' in row
