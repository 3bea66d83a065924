import json

TOOL = 'tools/dataset_converters/make_refshapes.py'
FEW = '--train-images 1 --val-images 1 --test-images 1 --image-size 96'.split()


def test_options_are_passed_on_and_errors_are_one_line(run_tool, tmp_path, capsys):
    out = tmp_path / 'out'
    options = [*FEW, '--expressions-per-object', '2', '--seed', '5']
    assert run_tool(TOOL, out, *options) == 0
    assert capsys.readouterr().out.count(' images, ') == 4
    recipe = json.loads((out / 'refshapes' / 'recipe.json').read_text())
    assert (recipe['seed'], recipe['expressions_per_object']) == (5, 2)
    instances = json.loads((out / 'refshapes' / 'instances.json').read_text())
    assert {(i['height'], i['width']) for i in instances['images']} == {(96, 96)}

    assert run_tool(TOOL, out, *options) == 0
    assert 'already made' in capsys.readouterr().out
    assert run_tool(TOOL, out) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert '--overwrite' in line
    assert run_tool(TOOL, out, *FEW, '--overwrite') == 0


def test_value_out_of_range_is_named(run_tool, tmp_path, capsys):
    assert run_tool(TOOL, tmp_path / 'out', '--image-size', '32') == 1
    assert capsys.readouterr().err == 'error: image_size is 32: give 96 to 1024.\n'
    assert not (tmp_path / 'out').exists()


def test_help_gives_ranges_and_defaults(run_tool, tmp_path, capsys):
    assert run_tool(TOOL, '--help') == 0
    words = ' '.join(capsys.readouterr().out.split())
    assert '--image-size N side of the images in pixels; 96 to 1024 (160)' in words
