"""Outcomes in a file, so that a run that was stopped goes on where it was."""

import hashlib
import json
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


class Results:
    """Outcomes by case, one JSON row each, of one state of the code.

    Args:
        path: The file; begun anew where it is of other code. ``None`` keeps them in
            memory.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.rows: dict[tuple, dict[str, Any]] = {}
        if path is None:
            return
        header = json.dumps(dict(code=_hash_of_code())) + '\n'
        lines = path.read_text().splitlines(True) if path.is_file() else []
        # the last may have been cut off
        whole = [json.loads(line) for line in lines[1:] if line.endswith('\n')]
        for row in whole if lines[:1] == [header] else []:
            self.rows[row['what'], row['kind'], row['seed']] = row
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = ''.join(json.dumps(row) + '\n' for row in self.rows.values())
        path.write_text(header + rows)

    def run(self, what: str, kind: str, seed: int, function) -> dict[str, Any]:
        """Give the row of a case, of the file or by running it.

        Args:
            what: 'input', or how a training is stopped.
            kind: Kind of input.
            seed: Of the case.
            function: Gives the outcome and a note.
        """
        key = what, kind, seed
        if key not in self.rows:
            start = time.monotonic()
            outcome, note = function()
            self.rows[key] = row = dict(
                what=what,
                kind=kind,
                seed=seed,
                outcome=outcome,
                note=note,
                seconds=round(time.monotonic() - start, 2),
            )
            if self.path is not None:
                with open(self.path, 'a') as file:
                    file.write(json.dumps(row) + '\n')
        return self.rows[key]


def _hash_of_code() -> str:
    digest = hashlib.sha256()
    for folder in ('m2ist_mm', 'tools', 'configs/_base_', 'tests/robustness'):
        for path in sorted(ROOT.joinpath(folder).rglob('*.py')):
            digest.update(f'{path.relative_to(ROOT)}\n'.encode() + path.read_bytes())
    return digest.hexdigest()
