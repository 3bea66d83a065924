import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
TOOL = 'tools/analysis_tools/tuning_report.py'
# channels, layers and FFN width of the two towers
SIZES = dict(
    r50=((256, 6, 2048), (768, 12, 3072)), vitb=((768, 12, 3072), (768, 12, 3072))
)
TOWERS = dict(r50=140_814_656, vitb=195_472_128)


def each_layer(towers, size):
    """Sum over all layers of both towers of a size that depends on the width."""
    return sum(layers * size(channels) for channels, layers, _ in towers)


def each_pair(towers, size):
    """Sum over the pairs of a size that depends on both widths."""
    (c_v, n_v, _), (c_l, n_l, _) = towers
    return min(n_v, n_l) * size(c_v, c_l)


def interaction(c_v, c_l, h):
    own = max(c_v, c_l) - min(c_v, c_l)
    return (c_v + c_l) * h + 2 * h + min(c_v, c_l) * (h + 1) + own * (h + 1)


def ladder(towers, reduction=8):
    total = 0
    for channels, layers, feedforward in towers:
        c, f = channels // reduction, feedforward // reduction
        attention, norms = 4 * c * c + 4 * c, 4 * c
        ffn = c * f + f + f * c + c
        total += (layers + 1) * (channels * c + c) + c * channels + channels
        total += layers * (attention + norms + ffn + 1)
    return total


# what is tuned in or beside the towers
FORMULAS = dict(
    frozen=lambda towers: 0,
    adapter=lambda towers: each_layer(towers, lambda c: 2 * (2 * c * 64 + 64 + c)),
    adaptformer=lambda towers: each_layer(towers, lambda c: 2 * c * 64 + 64 + c),
    lora=lambda towers: each_layer(towers, lambda c: 2 * 2 * c * 16),
    prompt=lambda towers: 20 * 768,
    ladder=ladder,
    uniadapter=lambda towers: each_pair(
        towers,
        lambda v, w: max(v, w) * 128 + 128 + (v + w) * 128 + v + w,
    ),
)
FORMULAS['cm-adapter'] = lambda towers: each_pair(
    towers, lambda v, w: 2 * interaction(v, w, 64)
)
FORMULAS['mrs-adapter'] = lambda towers: each_pair(
    towers, lambda v, w: 2 * (v + w) * 64 + 2 * 64 + v + w + 64 * 64 + 64 + 2
)
FORMULAS['dara'] = lambda towers: each_pair(
    towers,
    lambda v, w: 2 * (v + w) * 16 + 2 * 16 + 3 * (v + w) + interaction(v, w, 128),
)
FORMULAS['m2ist'] = lambda towers: each_pair(
    towers,
    lambda v, w: 2 * (v + w) * 128 + 2 * 128 + 3 * (v + w) + interaction(v, w, 128),
)
# biases: projections of query, key, value, output, two of the FFN, two LayerNorms
BERT_BIASES = 768 + 12 * (4 * 768 + 3072 + 768 + 2 * 768)
BIASES = dict(
    r50=256 + 6 * (4 * 256 + 2048 + 256 + 2 * 256) + BERT_BIASES,
    # patch embedding and last LayerNorm; BERT has the LayerNorm of its embeddings
    vitb=2 * 768 + 12 * (4 * 768 + 3072 + 768 + 2 * 768) + BERT_BIASES,
)
# what full fine-tuning leaves: all BatchNorms, the stem and the first stage's weights
FROZEN = dict(
    r50=2 * 26_560 + 3 * 64 * 49 + 3 * (9 * 64 * 64 + 64 * 256) + 64 * (64 + 3 * 256),
    vitb=0,
)


def report(run_tool, tmp_path, config, *options):
    out = tmp_path / 'report.json'
    code = run_tool(
        'tools/analysis_tools/tuning_report.py', config, '--json', out, *options
    )
    assert code == 0
    return json.loads(out.read_text())


def test_paper_model_tunes_what_the_paper_says(run_tool, tmp_path, capsys):
    counts = report(run_tool, tmp_path, 'configs/m2ist/m2ist_r50_refcoco.py')
    assert counts == dict(
        tower_params=140814656,
        tuned_tower_params=0,
        adapter_params=2975232,
        adapter_ratio=0.02113,
        head_params=8393732,
        trained_params=2975232 + 8393732,
        total_params=140814656 + 2975232 + 8393732,
        builds_graph=False,
    )
    output = capsys.readouterr().out
    assert '2,975,232     2.11% of the towers' in output


def test_options_change_what_is_counted(run_tool, tmp_path):
    counts = report(
        run_tool,
        tmp_path,
        'configs/m2ist/m2ist_r50_refcoco.py',
        *('--cfg-options', 'model.neck.experts=[]'),
    )
    assert counts['adapter_params'] == 0
    assert counts['trained_params'] == counts['head_params']


def test_model_without_towers_is_refused(run_tool, tmp_path, capsys):
    path = tmp_path / 'other.py'
    path.write_text(
        "model = dict(type='ConditionalDETR', backbone=dict(type='ResNet'))"
    )
    assert run_tool('tools/analysis_tools/tuning_report.py', path) == 1
    assert 'other.py: the model has no pair of towers' in capsys.readouterr().err


@pytest.mark.slow
def test_table_of_all_methods_is_that_of_the_formulas(run_tool, tmp_path, capsys):
    out = tmp_path / 'all.json'
    assert run_tool(TOOL, '--all', '--json', out) == 0
    rows = json.loads(out.read_text())
    lines = capsys.readouterr().out.splitlines()
    assert len(rows) == 2 * 13
    for tower, sizes in SIZES.items():
        names = {f'{method}_{tower}_refcoco' for method in FORMULAS}
        names |= {f'{method}_{tower}_refcoco' for method in ('bitfit', 'transvg')}
        assert names <= rows.keys()
        for method, formula in FORMULAS.items():
            counts = rows[f'{method}_{tower}_refcoco']
            assert counts['tower_params'] == TOWERS[tower], method
            assert counts['adapter_params'] == formula(sizes), method
            assert counts['tuned_tower_params'] == 0, method
            expected = counts['head_params'] + formula(sizes)
            assert counts['trained_params'] == expected, method
            graph = method not in ('frozen', 'ladder', 'm2ist')
            assert counts['builds_graph'] == graph, method
        bitfit = rows[f'bitfit_{tower}_refcoco']
        assert bitfit['tuned_tower_params'] == BIASES[tower]
        full = rows[f'transvg_{tower}_refcoco']
        assert full['tuned_tower_params'] == TOWERS[tower] - FROZEN[tower]
        assert bitfit['adapter_params'] == full['adapter_params'] == 0
        assert bitfit['builds_graph'] and full['builds_graph']
    (lora,) = (line for line in lines if line.startswith('lora_r50_refcoco '))
    assert lora.split() == [
        *('lora_r50_refcoco', '140,814,656', '688,128', '0.49%', '9,081,860', '36.3'),
        'yes',
    ]


@pytest.mark.slow
def test_page_has_the_table_that_is_printed(run_tool, capsys):
    assert run_tool(TOOL, '--all') == 0
    _, *lines = capsys.readouterr().out.splitlines()
    page = (ROOT / 'docs/tuning_methods.md').read_text(encoding='utf-8')
    rows = re.findall(r'^\| `.*_refcoco` \|.*%.*$', page, re.MULTILINE)
    documented = [row.replace('`', '').replace('|', '').split() for row in rows]
    assert documented == [line.split()[:6] for line in lines]


def test_several_configs_make_a_table(run_tool, capsys):
    names = ('frozen', 'bitfit')
    configs = [f'configs/petl/{name}_r50_refcoco.py' for name in names]
    assert run_tool(TOOL, *configs) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split()[:3] == ['config', 'towers', 'tuned']
    assert [row.split()[2] for row in rows] == ['0', '125,440']


def test_a_tuner_is_switched_on_by_one_option(run_tool, tmp_path):
    counts = report(
        run_tool,
        tmp_path,
        'configs/petl/frozen_r50_refcoco.py',
        *('--cfg-options', 'model.backbone.tuner.type=LoRATuner'),
        'model.backbone.tuner.rank=8',
    )
    assert counts['adapter_params'] == 688_128 // 2


def test_neither_config_nor_all_is_refused(run_tool, capsys):
    assert run_tool(TOOL) == 2
    assert 'name config files, or --all' in capsys.readouterr().err
