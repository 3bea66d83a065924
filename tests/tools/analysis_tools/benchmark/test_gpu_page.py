from benchmark.gpu import make_page


def step(peak, speed):
    return dict(peak=peak, seconds=64 / speed, expressions_per_second=speed)


REPORT = dict(
    machine=dict(device='a GPU', torch='2.0', batch_size=64, repetitions=5),
    steps={
        'R-50 full, fp32': step(30e9, 100.0),
        'R-50 full, bf16': step(20e9, 200.0),
        'R-50 default, fp32': step(6.6e9, 250.0),
        'R-50 default, bf16 compiled': step(4e9, 500.0),
        'ViT-B full, fp32': dict(peak=None, seconds=None),
        'ViT-B default, bf16': step(9e9, 40.0),  # not measured in fp32
    },
    largest={
        'R-50 default, 8 GB': 133,
        'R-50 default, 12 GB': 214,
        'R-50 full, 8 GB': 0,
    },
)
COUNTED = dict(runs=[dict(name='default', peak=6e9), dict(name='full', peak=40e9)])


def tables(page):
    """Cells of each table, by the first cell of the row."""
    found = []
    for line in page.splitlines():
        if line.startswith('| run |'):
            found.append({})
        if line.startswith('| '):
            first, *cells = (cell.strip() for cell in line.strip('|').split('|'))
            found[-1][first] = cells
    return found


def test_every_figure_is_under_its_run_and_mode():
    memory, speed, largest = tables(make_page(REPORT, COUNTED, 'make it'))
    assert memory['run'][:3] == speed['run'] == ['fp32', 'bf16', 'bf16 compiled']
    assert memory['R-50 full'] == ['30.00', '20.00', '–', '40.00', '-25%']
    assert memory['R-50 default'] == ['6.60', '–', '4.00', '6.00', '+10%']
    assert memory['ViT-B full'] == ['does not fit', '–', '–', '–', '–']
    assert memory['ViT-B default'] == ['–', '9.00', '–', '–', '–']
    # times full fine-tuning in the same arithmetic
    assert speed['R-50 full'] == ['100 (1.0 x)', '200 (1.0 x)', '–']
    assert speed['R-50 default'] == ['250 (2.5 x)', '–', '500 (2.5 x)']
    assert speed['ViT-B full'] == ['–', '–', '–']
    assert speed['ViT-B default'] == ['–', '40', '–']  # full was not measured
    assert largest['run'] == ['8 GB', '12 GB']
    assert largest['R-50 default'] == ['133', '214']
    assert largest['R-50 full'] == ['0', '–']


def test_page_says_where_its_figures_are_from():
    page = make_page(REPORT, COUNTED, 'python gpu.py --json a.json')
    assert '`python gpu.py --json a.json`: a GPU, torch 2.0, a batch of 64' in page
    assert len(tables(make_page(dict(REPORT, largest={}), COUNTED, ''))) == 2
    nothing_timed = make_page(dict(REPORT, steps={}), COUNTED, '')
    assert '| R-50 default | 133 | 214 |' in nothing_timed
