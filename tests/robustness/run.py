"""Try mutated inputs, kills and full disks on the programs, and count what comes out.

    python tests/robustness/run.py --inputs 1000 --kills 20 --page docs/reliability.md
    python tests/robustness/run.py --case 17      # one case again, with its output

The outcomes are kept in a file: the same command again goes on where it was stopped.
Exit code 1 if any outcome is bad and no known exception.
"""

import argparse
import os
import shlex
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from random import Random

from forked import run_forked
from kills import (
    EQUAL,
    fill_disk_and_resume,
    kill_and_resume,
    kill_rank_and_resume,
    uninterrupted,
)
from kinds import KINDS
from outcomes import BAD, CRASH, GOOD, KNOWN, MEANING, classify
from results import ROOT, Results
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
    parser.add_argument('--ranks', type=int, default=1, help='killed ranks of two')
    parser.add_argument('--first', type=int, default=0, help='first seed')
    parser.add_argument('--page', type=Path, help='page whose table is replaced')
    parser.add_argument(
        '--results',
        type=Path,
        default=ROOT / 'work_dirs/robustness.jsonl',
        help='where outcomes are kept; begun anew when the code changes',
    )
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
    with tempfile.TemporaryDirectory(prefix='robustness_') as folder:
        world = World(Path(folder))
        if args.case is not None:
            kind = kind_of(args.case, args.kind)
            outcome, mutation, output = try_input(world, args.case, {}, kind)
            print(f'{output}\n{args.case} {kind}: {mutation}: {outcome}')
            return int(outcome in BAD)
        results = Results(args.results)
        inputs = list(try_inputs(world, args, results))
        stops = list(try_stops(world, args, results))
    counts, seeds = defaultdict(Counter), defaultdict(list)
    for row in inputs:
        counts[row['kind']][row['outcome']] += 1
        if row['outcome'] in BAD:
            seeds[row['kind'], row['outcome']].append(row['seed'])
    table = write_table(counts, seeds)
    table += f'\n\n{write_stops(Counter((r["what"], r["outcome"]) for r in stops))}'
    print(table)
    if args.page:
        command = f'python tests/robustness/run.py {shlex.join(sys.argv[1:])}'
        seconds = sum(row['seconds'] for row in inputs + stops)
        replace_table(args.page, table, command, seconds)
    bad = any(
        row['outcome'] != EQUAL and not row['outcome'].startswith('skipped')
        for row in stops
    )
    return int(bool(seeds.keys() - KNOWN) or bad)


def try_inputs(
    world: World, args: argparse.Namespace, results: Results
) -> Iterator[dict]:
    """Try mutated inputs; print the bad ones, and how far it is."""
    sounds, bad, seconds = {}, 0, 0.0
    for number in range(args.inputs):
        seed = args.first + number
        kind = kind_of(seed, args.kind)

        def run(seed: int = seed, kind: str = kind) -> tuple[str, str]:
            outcome, mutation, output = try_input(world, seed, sounds, kind)
            last = (output.strip().splitlines() or [''])[-1]
            return outcome, f'{mutation!a}: {last[:200]}'

        row = results.run('input', kind, seed, run)
        if row['outcome'] in BAD:
            bad += 1
            print(f'{seed} {kind}: {row["outcome"]}: {row["note"]}')
        seconds += row['seconds']
        if (number + 1) % 25 == 0:
            left = seconds / (number + 1) * (args.inputs - number - 1)
            print(
                f'{number + 1} of {args.inputs} inputs, {bad} bad, '
                f'{seconds / 60:.1f} minutes; {left / 60:.0f} minutes left'
            )
        sys.stdout.flush()
        yield row


def try_stops(
    world: World, args: argparse.Namespace, results: Results
) -> Iterator[dict]:
    """Kill trainings and ranks, and fill disks."""
    hows = (
        *['killed'] * args.kills,
        *['full disk'] * args.disks,
        *['one rank of two killed'] * args.ranks,
    )
    with tempfile.TemporaryDirectory(dir=world.folder) as folder:
        if args.kills + args.disks:
            world.whole = uninterrupted(world, Path(folder))
        if args.ranks:
            world.whole_of_two = uninterrupted(world, Path(folder), ranks=2)
    for number, how in enumerate(hows, start=args.first):

        def run(number: int = number, how: str = how) -> tuple[str, str]:
            with tempfile.TemporaryDirectory(dir=world.folder) as folder:
                return try_stop(world, how, Random(number), Path(folder)), ''

        row = results.run(how, '', number, run)
        print(f'{how} {number}: {row["outcome"]}', flush=True)
        yield row


def try_stop(world: World, how: str, random: Random, folder: Path) -> str:
    """Stop one training and resume it."""
    if how == 'killed':
        return kill_and_resume(world, random, folder, world.whole.seconds)
    if how == 'full disk':
        return fill_disk_and_resume(world, random, folder, world.whole.size)
    return kill_rank_and_resume(world, random, folder, world.whole_of_two.seconds)


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
