import json
import re

import pytest
from comparison.page import write_page


@pytest.fixture
def folder(tmp_path):
    def write(method, seed, bits, fingerprint='a', **changes):
        hits = f'{int("1" + bits, 2):x}'
        precision = 100 * bits.count('1') / len(bits)
        run = dict(
            settings='my_config',
            method=method,
            seed=seed,
            rate=0.3,
            fingerprint=fingerprint,
            dev=[10.0, 20.0 + seed],
            val=dict(
                precision=precision,
                kinds=dict(people=precision),
                expressions_per_image=[1] * len(bits),
                hits=hits,
            ),
            checkpoint_bytes=3_000_000,
            device='CPU',
        )
        path = tmp_path / f'run_{method}_{seed}.json'
        path.write_text(json.dumps(run | changes))

    write('m2ist', 0, '1110')
    write('m2ist', 1, '1111')
    write('frozen', 0, '1000')
    for method, device, ratio in (
        ('m2ist', 'CPU', 1.5),
        ('frozen', 'CPU', 1.0),
        ('frozen', 'H100', 1.0),
        ('full', 'CPU', 2.0),
    ):
        cost = dict(
            settings='my_config',
            method=method,
            device=device,
            threads=1,
            features='computed' if 'H100' == device or method == 'full' else 'cached',
            trained_parameters=1_500_000,
            peak_bytes=80_000_000,
            step_seconds=1.0,
            step_ratio=ratio,
        )
        (tmp_path / f'cost_{method}_{device}.json').write_text(json.dumps(cost))
    for method, rate, dev, device in (
        ('m2ist', 0.1, 45.0, 'H100'),  # its runs have 0.3
        ('m2ist', 0.3, 44.0, 'H100'),
        ('lora', 0.1, 9.0, 'CPU'),  # without a run
        ('lora', 0.3, 8.0, 'CPU'),
    ):
        choice = dict(settings='my_config', rate=rate, dev=dev, images=9, device=device)
        (tmp_path / f'choice_{method}_{rate}.json').write_text(json.dumps(choice))
    return tmp_path, write


def test_page_has_means_costs_differences_and_choices(folder):
    path, _ = folder
    write_page(path, path / 'page.md', 'my_config.py')
    text = (path / 'page.md').read_text()
    assert (
        '| m2ist | 2 | 87.5 ± 17.7 | 20.5 ± 0.7 | 1.50 M | 3.0 MB '
        '| 80 MB | 1.50 | – | – |' in text
    )
    assert '| m2ist | frozen | +62.5 (' in text
    # each pair once, the better one first
    assert '| frozen | frozen' not in text and '| frozen | m2ist' not in text
    assert text.startswith('# Which method for which budget: my_config\n')
    assert (
        '| m2ist | 0.1: 45.0, 0.3: 44.0 | 0.3 |\n| lora | 0.1: 9.0, 0.3: 8.0 | 0.1 |'
        in text
    )
    assert 'one epoch of 9 samples, one seed, on CPU and H100.' in text
    assert 'Features of frozen towers were cached on CPU, and were not cached' in text
    assert 'cached on H100, where the towers run in each step' in text
    assert text.index('| m2ist | 2 |') < text.index('| frozen | 1 |')
    plot = (path / 'page.svg').read_text()
    assert plot.startswith('<?xml')
    write_page(path, path / 'page.md', 'my_config.py')
    assert (path / 'page.svg').read_text() == plot


def test_runs_on_another_device_are_named(folder):
    path, write = folder
    write_page(path, path / 'page.md', 'my_config.py')
    assert 'over seeds, trained on CPU. Peak' in (path / 'page.md').read_text()
    for seed in (1, 2):
        write('frozen', seed, '1000', device='H100')
    write('m2ist', 2, '1000', device='A100')
    write('m2ist', 3, '1000')
    write_page(path, path / 'page.md', 'my_config.py')
    text = (path / 'page.md').read_text()
    others = 'frozen (seeds 1, 2) on H100, m2ist (seed 2) on A100'
    assert f'over seeds, trained on CPU, but {others}. Peak' in text


def test_methods_are_compared_with_m2ist_too(folder):
    path, write = folder
    cost = json.loads(next(path.glob('cost_m2ist_*.json')).read_text())
    (path / 'cost_lora_cpu.json').write_text(json.dumps(cost | dict(method='lora')))
    write('lora', 0, '1110')
    write_page(path, path / 'page.md', 'my_config.py')
    text = (path / 'page.md').read_text()
    assert '| lora | m2ist | -12.5 (' in text and '| lora | frozen | +50.0 (' in text
    assert '| m2ist | lora' not in text


def test_runs_of_another_code_are_not_tabled_together(folder):
    path, write = folder
    write('full', 0, '1111', fingerprint='b')
    with pytest.raises(ValueError, match="fingerprints, \\['a', 'b'\\], are not comp"):
        write_page(path, path / 'page.md', 'my_config.py')


@pytest.mark.parametrize(
    ('pattern', 'change', 'told'),
    [
        ('run_m2ist_1', dict(settings='my_config lr=1'), "settings, ['my_config', 'my"),
        ('cost_full_CPU', dict(settings='b'), "settings, ['b', 'my_config']"),
        ('choice_lora_0.1', dict(images=8), 'lengths of short runs, [8, 9]'),
    ],
)
def test_files_of_other_settings_are_not_tabled_together(folder, pattern, change, told):
    path, _ = folder
    file = path / f'{pattern}.json'
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(ValueError, match=re.escape(f'has files of several {told}')):
        write_page(path, path / 'page.md', 'my_config.py')


def test_without_runs_there_is_no_page(tmp_path):
    with pytest.raises(ValueError, match='has no run_'):
        write_page(tmp_path, tmp_path / 'page.md', 'my_config.py')
    assert not (tmp_path / 'page.md').exists()


def test_methods_without_costs_are_named(folder):
    path, _ = folder
    (path / 'cost_m2ist_CPU.json').unlink()
    with pytest.raises(ValueError, match=r'no cost_\*.json of m2ist: make them with'):
        write_page(path, path / 'page.md', 'my_config.py')


def test_the_cost_of_frozen_is_needed_without_its_runs(folder):
    path, _ = folder
    for file in (*path.glob('cost_frozen_*'), path / 'run_frozen_0.json'):
        file.unlink()
    with pytest.raises(ValueError, match=r'no cost_\*.json of frozen: make them with'):
        write_page(path, path / 'page.md', 'my_config.py')


@pytest.mark.parametrize(
    ('changes', 'told'),
    [
        (dict(seed=0), 'run_m2ist_0.json and .*run_m2ist_5.json are of the same meth'),
        (
            dict(rate=0.1),
            r'several learning rates of m2ist, \[0.1, 0.3\], are not comp',
        ),
        (dict(dev=[10.0]), r'several numbers of epochs, \[1, 2\], are not comp'),
    ],
)
def test_runs_that_differ_in_more_than_method_and_seed(folder, changes, told):
    path, write = folder
    write('m2ist', 5, '1110')
    run = json.loads((path / 'run_m2ist_5.json').read_text())
    (path / 'run_m2ist_5.json').write_text(json.dumps(run | changes))
    with pytest.raises(ValueError, match=told):
        write_page(path, path / 'page.md', 'my_config.py')
    assert not list(path.glob('page.*'))


def test_runs_of_other_expressions_are_not_tabled_together(folder):
    path, write = folder
    write('m2ist', 5, '11100')
    with pytest.raises(ValueError, match='different expressions'):
        write_page(path, path / 'page.md', 'my_config.py')


@pytest.mark.parametrize('name', ['page.svg', 'page', 'folder.md'])
def test_a_page_is_a_markdown_file(folder, name):
    path, _ = folder
    (path / 'folder.md').mkdir()
    there = sorted(path.iterdir())
    with pytest.raises(ValueError, match=f'--page .*{name}: name a Markdown file'):
        write_page(path, path / name, 'my_config.py')
    assert sorted(path.iterdir()) == there
