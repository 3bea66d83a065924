"""Try mutated inputs, kills and full disks on the programs, and count what comes out.

    python tests/robustness/run.py --inputs 1000 --kills 20 --page docs/reliability.md
    python tests/robustness/run.py --case 17      # one case again, with its output

Exit code 1 if any outcome is bad and no known exception.
"""

import argparse
import os
import shlex
import sys
import tempfile
import time
from collections import Counter, defaultdict
from pathlib import Path
from random import Random

from forked import run_forked
from kills import EQUAL, fill_disk_and_resume, kill_and_resume, uninterrupted
from kinds import KINDS
from outcomes import BAD, CRASH, GOOD, KNOWN, MEANING, classify
from world import World

START, END = '<!-- table: begin -->', '<!-- table: end -->'


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--inputs', type=int, default=100, help='mutated inputs')
    parser.add_argument('--kills', type=int, default=3, help='killed trainings')
    parser.add_argument('--disks', type=int, default=2, help='full disks')
    parser.add_argument('--first', type=int, default=0, help='first seed')
    parser.add_argument('--page', type=Path, help='page whose table is replaced')
    parser.add_argument('--case', type=int, metavar='SEED', help='one input alone')
    parser.add_argument('--kind', choices=KINDS, help='inputs of one kind alone')
    return parser.parse_args()


def try_input(world: World, seed: int, sounds: dict, kind: str) -> tuple[str, str, str]:
    """Try one mutated input.

    Args:
        world: Sound inputs.
        seed: Says the mutation.
        sounds: What sound inputs gave, filled here.
        kind: Of ``KINDS``.

    Returns:
        Outcome, mutation and the program's output.
    """
    with tempfile.TemporaryDirectory(dir=world.folder) as folder:
        folder = Path(folder)
        case, run, run_sound = KINDS[kind](world, Random(seed), folder)
        ended = run_forked(run, folder)
        outcome = classify(ended, case, None)
        ran = (folder / 'ran').exists()
        if outcome not in (*BAD[:-1], GOOD[2]) and not ran:
            # accepted: is it what the sound input gives?
            key = kind, case.mutation.partition(':')[0] if kind == 'image' else ''
            if key not in sounds or kind == 'image':
                sounds[key] = run_forked(run_sound, folder)
            result = sounds[key].result
            assert result and result[0] == 0, f'{kind}: {sounds[key].output}'
            outcome = classify(ended, case, result[1])
        return (CRASH if ran else outcome), case.mutation, ended.output


def kind_of(seed: int, only: str | None) -> str:
    """Kind of input of a seed."""
    return only or list(KINDS)[seed % len(KINDS)]


def write_table(
    counts: dict[str, Counter], seeds: dict[tuple[str, str], list[int]]
) -> str:
    """Table of outcomes by kind of input, and the seeds of the bad ones."""
    columns = [name for name in (*GOOD, *BAD)]
    lines = [
        f'| input | cases | {" | ".join(columns)} |',
        f'|---|{"---:|" * (len(columns) + 1)}',
    ]
    for kind, counter in counts.items():
        cells = ' | '.join(str(counter[name]) for name in columns)
        lines.append(f'| `{kind}` | {counter.total()} | {cells} |')
    total = sum(counts.values(), Counter())
    cells = ' | '.join(str(total[name]) for name in columns)
    lines += [f'| all | {total.total()} | {cells} |', '']
    lines += [f'- **{name}**: {MEANING[name]}' for name in columns]
    if seeds:
        lines += ['', 'Seeds of the last five columns:', '']
        lines += [
            f'- {kind}, {outcome}: {", ".join(map(str, found))}'
            for (kind, outcome), found in seeds.items()
        ]
    return '\n'.join(lines)


def main() -> int:
    """Run what is asked for."""
    args = parse_args()
    start = time.monotonic()
    sounds = {}
    with tempfile.TemporaryDirectory(prefix='robustness_') as folder:
        world = World(Path(folder))
        if args.case is not None:
            kind = kind_of(args.case, args.kind)
            outcome, mutation, output = try_input(world, args.case, sounds, kind)
            print(f'{output}\n{args.case} {kind}: {mutation}: {outcome}')
            return int(outcome in BAD)
        counts, seeds = defaultdict(Counter), defaultdict(list)
        for seed in range(args.first, args.first + args.inputs):
            kind = kind_of(seed, args.kind)
            outcome, mutation, output = try_input(world, seed, sounds, kind)
            counts[kind][outcome] += 1
            if outcome in BAD:
                seeds[kind, outcome].append(seed)
                last = (output.strip().splitlines() or [''])[-1]
                print(f'{seed} {kind}: {ascii(mutation)}: {outcome}: {last[:200]}')
                sys.stdout.flush()
        stops = try_stops(world, args)
    table = write_table(counts, seeds)
    table += f'\n\n{write_stops(stops)}'
    print(table)
    if args.page:
        command = f'python tests/robustness/run.py {shlex.join(sys.argv[1:])}'
        replace_table(args.page, table, command, time.monotonic() - start)
    bad = any(
        outcome != EQUAL and not outcome.startswith('skipped') for _, outcome in stops
    )
    return int(bool(seeds.keys() - KNOWN) or bad)


def try_stops(world: World, args: argparse.Namespace) -> Counter:
    """Kill trainings and fill disks."""
    stops = Counter()
    if not args.kills + args.disks:
        return stops
    with tempfile.TemporaryDirectory(dir=world.folder) as folder:
        world.final_state, seconds = uninterrupted(world, Path(folder))
    for number in range(args.kills + args.disks):
        random = Random(args.first + number)
        with tempfile.TemporaryDirectory(dir=world.folder) as folder:
            if number < args.kills:
                how, outcome = (
                    'killed',
                    kill_and_resume(world, random, Path(folder), seconds),
                )
            else:
                how, outcome = (
                    'full disk',
                    fill_disk_and_resume(world, random, Path(folder)),
                )
        stops[how, outcome] += 1
        print(f'{how} {args.first + number}: {outcome}', flush=True)
    return stops


def write_stops(stops: Counter) -> str:
    """Table of what became of stopped trainings."""
    lines = ['| training | outcome | cases |', '|---|---|---:|']
    lines += [f'| {how} | {what} | {n} |' for (how, what), n in stops.items()]
    return '\n'.join(lines)


def replace_table(page: Path, table: str, command: str, seconds: float) -> None:
    """Put the table into a page, with the command that made it."""
    before, _, rest = page.read_text().partition(START)
    _, _, after = rest.partition(END)
    text = (
        f'    {command}\n\nIt took {seconds / 60:.0f} minutes '
        f'on {os.cpu_count()} cores that other programs used as well.\n\n{table}'
    )
    page.write_text(f'{before}{START}\n{text}\n{END}{after}')


if __name__ == '__main__':
    sys.exit(main())
