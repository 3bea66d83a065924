"""Plant faults in a dataset's labels, and count how many an audit lists."""

import argparse
import json
import sys
from pathlib import Path

from m2ist_mm.atomic_file import write_atomically
from m2ist_mm.datasets.formats.json_text import read_json, read_json_lines
from m2ist_mm.engine.program import run_program
from m2ist_mm.fit.judge.faults import KINDS, plant_faults, recall


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest='command', required=True)
    plant = commands.add_parser(
        'plant',
        help='write rows of which some have the box of another object in their image, '
        'or swapped sentences; then run tools/fit.py DIR --image-root ... --audit',
    )
    plant.add_argument('rows', help="file of the format 'rows', a JSON value per line")
    plant.add_argument('out', metavar='DIR', help='folder for rows.jsonl')
    plant.add_argument(
        '--faults', required=True, metavar='FILE', help='where the list of faults goes'
    )
    plant.add_argument(
        '--share', type=float, default=0.05, help='of the rows; 0.05 unless given'
    )
    plant.add_argument('--seed', type=int, default=0)
    count = commands.add_parser('count', help='count the planted faults in a report')
    count.add_argument('report', help="report.json of the fit, with --audit's part")
    count.add_argument('faults', help='list of the faults that were planted')
    return parser.parse_args()


def load_rows(path: str) -> list[dict]:
    """Read rows, and number them.

    Raises:
        DatasetError: Some are none.
    """
    rows = read_json_lines(path, dict(image=str, expression=str, bbox=list))
    return [{**row, 'sent_id': number} for number, row in enumerate(rows)]


def main() -> None:
    """Plant, or count."""
    args = parse_args()
    if args.command == 'plant':
        out = Path(args.out, 'rows.jsonl')
        if out.resolve() == Path(args.rows).resolve():
            raise ValueError(f'{out}: would be replaced; name another folder')
        rows = load_rows(args.rows)
        spoilt, planted = plant_faults(rows, args.share, args.seed)
        lines = [json.dumps(row) + '\n' for row in spoilt]
        write_atomically(out, ''.join(lines).encode())
        write_atomically(args.faults, json.dumps(planted, indent=1).encode())
        print(f'{len(planted)} of {len(rows)} rows are spoilt')
        return
    report = read_json(args.report)
    audit = report.get('audit') if isinstance(report, dict) else None
    if audit is None:
        raise ValueError(f'{args.report}: has no audit; run tools/fit.py with --audit')
    planted = {int(number): kind for number, kind in read_json(args.faults).items()}
    found = recall([row['sent_id'] for row in audit['suspects']], planted)
    listed = len(audit['suspects'])
    print(
        f'{listed} of {audit["rows"]} rows are listed; by chance they would hold '
        f'{100 * listed / audit["rows"]:.0f} % of the faults'
    )
    for name, part in (('all', found), *((kind, found[kind]) for kind in KINDS)):
        print(f'{name}: {part["found"]} of {part["planted"]}, {part["recall"]:.1f} %')


if __name__ == '__main__':
    sys.exit(run_program(main))
