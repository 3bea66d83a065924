"""What was read, as a file beside the rows."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from ...atomic_file import write_atomically
from .image_digests import MOST_PAIRS
from .source import SPLITS

FOLDER = 'data'
_MOST_SHOWN = 5


@dataclass
class DataSummary:
    """What :func:`prepare_data` read and wrote.

    Attributes:
        data_format: The format of the source.
        source: The folder or file that was named.
        image_root: The folder that the rows' ``image`` is relative to.
        folder: Where the rows are: ``train.jsonl``, ``val.jsonl``, ``test.jsonl``.
        options: What was asked for, by the names of the arguments.
        counts: Expressions that were ``read`` and ``kept``; those with ``several``
            boxes, with ``none``; ``faulty`` ones that were left out; and boxes
            ``without_text``.
        statistics: By split, see :func:`describe`, with ``whole_image`` and
            ``constant_box``, their P@0.5 in percent.
        constant_box: The best constant box of train, xyxy relative to the image.
        splits_from: 'drawn', 'data' (the annotations name them) or 'file' (that was
            edited).
        text_fields: The field of the sentences where it was chosen, not named; several
            if files differ.
        other_fields: Those that could have been named instead.
        notes: What is worth knowing, one line each.
        near_duplicates: Images of different splits that look the same, some 10,000
            pairs at most: the two, their splits, and how many of 128 bits differ.
        learnt_images: How many images an earlier fit, of which the start is the model,
            trained on.
        fingerprint: Of all that the rows depend on: sha256 of ``files`` and (its first
            16 digits) of ``images``, and the ``splits`` of images.
    """

    data_format: str
    source: str
    image_root: str
    folder: str
    options: dict = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    statistics: dict[str, dict] = field(default_factory=dict)
    constant_box: list[float] = field(default_factory=list)
    splits_from: str = 'drawn'
    text_fields: list[str] = field(default_factory=list)
    other_fields: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    near_duplicates: list[dict] = field(default_factory=list)
    learnt_images: int = 0
    fingerprint: dict = field(default_factory=dict)

    @staticmethod
    def exists(work_dir: str | Path) -> bool:
        """Whether an earlier call wrote a summary."""
        return Path(work_dir, FOLDER, 'summary.json').is_file()

    @classmethod
    def load(cls, work_dir: str | Path) -> 'DataSummary':
        """Read the summary of an earlier call.

        Raises:
            FileNotFoundError: There was none.
            ValueError: The file is none; names it.
        """
        path = Path(work_dir, FOLDER, 'summary.json')
        try:
            return cls(**json.loads(path.read_bytes()))
        except (ValueError, TypeError) as error:
            raise ValueError(f'{path}: is no summary of data: {error}') from error

    def save(self) -> None:
        """Write it beside the rows."""
        text = json.dumps(asdict(self), indent=1, ensure_ascii=False)
        write_atomically(Path(self.folder, 'summary.json'), text.encode())

    def differences(self, previous: 'DataSummary') -> list[str]:
        """Name what differs from the data of an earlier call, one line a kind."""
        found = []
        old, new = previous.fingerprint, self.fingerprint
        for kind, what in (
            ('files', 'annotation files'),
            ('images', 'images'),
            ('splits', 'splits of images'),
        ):
            names = sorted(old[kind].keys() | new[kind].keys())
            changed = [n for n in names if old[kind].get(n) != new[kind].get(n)]
            if changed:
                first = changed[0]
                if first not in old[kind]:
                    how = 'is new'
                elif first not in new[kind]:
                    how = 'is gone'
                else:
                    how = 'differs'
                found.append(f'{len(changed)} {what}: {first} {how}')
        if self.image_root != previous.image_root:
            found.append(
                f'the images lie in {self.image_root}, not in {previous.image_root}'
            )
        was, now = previous.options, self.options
        found += [
            f'{name}={now[name]!r} instead of {was.get(name)!r}'
            for name in now
            if now[name] != was.get(name)
        ]
        return found

    def rows(self, split: str) -> list[dict]:
        """Read the rows of a split."""
        text = Path(self.folder, f'{split}.jsonl').read_text(encoding='utf-8')
        return [json.loads(line) for line in text.split('\n') if line]

    def lines(self) -> list[str]:
        """Describe the data, one line each."""
        lines = [self._counted()]
        if self.text_fields:
            line = f'text: field {", ".join(map(repr, self.text_fields))}'
            if self.other_fields:
                line += (
                    f'; there are also {", ".join(map(repr, self.other_fields)):.300}'
                )
            lines.append(line)
        for split in SPLITS:
            found = self.statistics[split]
            least, usual, most = found['words']
            lines.append(
                f'{split}: {found["images"]:,} images, {found["expressions"]:,} '
                f'sentences of {least} to {most} words (median {usual:g})'
            )
        found = self.statistics['test']
        lines.append(
            f'to beat on test, P@0.5: {found["whole_image"]:.1f} % by the whole image '
            f'as the answer, {found["constant_box"]:.1f} % by the best constant box'
        )
        near = self.near_duplicates
        for pair in near[:_MOST_SHOWN]:
            lines.append(
                f'look alike: {pair["images"][0]} ({pair["splits"][0]}) and '
                f'{pair["images"][1]} ({pair["splits"][1]})'
            )
        if len(near) > _MOST_SHOWN:
            least = 'at least ' * (len(near) >= MOST_PAIRS)
            lines.append(f'look alike: {least}{len(near) - _MOST_SHOWN:,} more pairs')
        return lines + self.notes

    def _counted(self) -> str:
        """What is used, and what is not."""
        counts = self.counts
        line = (
            f'{self.data_format}: {counts["kept"]:,} of {counts["read"]:,} sentences '
            'are used'
        )
        several = 'joined' if self.options['several'] == 'join' else 'left out'
        for name, what in dict(
            several=f'with several boxes ({several})',
            none='without a box (left out)',
            faulty='faulty (left out)',
        ).items():
            if counts[name]:
                line += f'; {counts[name]:,} {what}'
        if counts['without_text']:
            line += f'; {counts["without_text"]:,} boxes without a sentence'
        return line
