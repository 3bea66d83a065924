from m2ist_mm.report import markdown_table


def test_table_has_head_rule_and_rows():
    rows = iter([['a', '1'], ['b', '–']])
    assert markdown_table(['name', 'n'], rows) == (
        '| name | n |\n| --- | --- |\n| a | 1 |\n| b | – |'
    )
