"""Rewrite the tables of docs/model_zoo.md: the metafiles' models and their sizes.

Run it when a config was added or a model has changed. Sizes are those that
tools/analysis_tools/tuning_report.py counts, with random towers: no weights are needed.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

from m2ist_mm.atomic_file import write_atomically
from m2ist_mm.engine.program import run_program

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / 'docs' / 'model_zoo.md'
BEGIN, END = '<!-- tables -->', '<!-- end of tables -->'
HEADER = '| config | towers | tuned | trained | MB |\n|---|---|---|---|---|\n'


def read_metafiles() -> dict[str, list[dict]]:
    """Read the models of each family that has side-tuned ones."""
    index = yaml.safe_load((ROOT / 'model-index.yml').read_text(encoding='utf-8'))
    families = {}
    for name in index['Import']:
        family = Path(name).parent.name
        if family != 'pretrain':  # detectors, which have no pair of towers
            content = yaml.safe_load((ROOT / name).read_text(encoding='utf-8'))
            families[family] = content['Models']
    return families


def count_parameters(configs: list[str]) -> dict[str, dict]:
    """Count the parameters of each config's model, by the config's name."""
    report = Path(__file__).with_name('tuning_report.py')
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder, 'counts.json')
        command = [sys.executable, report, *configs, '--json', output]
        if subprocess.run(command, cwd=ROOT).returncode:
            raise ValueError(f'{report.name} could not count; see above')
        return json.loads(output.read_bytes())


def format_row(model: dict, counts: dict) -> str:
    """Write a model's row.

    Args:
        model: Its entry in the metafile.
        counts: Its counts, see ``m2ist_mm.models.parameter_counts``.
    """
    tuned = counts['tuned_tower_params'] + counts['adapter_params']
    cells = (
        f'[`{model["Name"]}`](../{model["Config"]})',
        f'{counts["tower_params"]:,}',
        f'{tuned:,} ({tuned / counts["tower_params"]:.2%})',
        f'{counts["trained_params"]:,}',
        f'{4 * counts["trained_params"] / 1e6:.1f}',
    )
    return f'| {" | ".join(cells)} |\n'


def replace_tables(page: str, tables: str) -> str:
    """Put the tables between their marks.

    Raises:
        ValueError: The page has not both marks, once each.
    """
    if page.count(BEGIN) != 1 or page.count(END) != 1:
        raise ValueError(f'{PAGE}: must have the lines {BEGIN} and {END}, once each')
    before, _, rest = page.partition(BEGIN)
    return f'{before}{BEGIN}\n{tables}\n{END}{rest.partition(END)[2]}'


def main() -> None:
    """Count all models and write the page."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    families = read_metafiles()
    counts = count_parameters([m['Config'] for ms in families.values() for m in ms])
    tables = ''
    for family, models in families.items():
        tables += f'\n## configs/{family}\n\n{HEADER}'
        for model in models:
            tables += format_row(model, counts[model['Name']])
    page = replace_tables(PAGE.read_text(encoding='utf-8'), tables)
    write_atomically(PAGE, page.encode())


if __name__ == '__main__':
    sys.exit(run_program(main))
