"""A weights file together with the resume file beside it."""

import zlib
from pathlib import Path

from torch import Tensor

from .identity import raw_bytes
from .state_checks import check_state
from .torch_file import read_torch_file

RESUME_SUFFIX = '.resume.pth'


class ResumableCheckpoint(dict):
    """Content of a weights file; that of the resume file is added on demand.

    ``TunedCheckpointHook`` writes two files: ``epoch_N.pth`` with the tuned weights and
    ``epoch_N.resume.pth`` with the rest of the state (optimiser, schedulers, message
    hub). A test reads the first alone. MMEngine's ``Runner.resume`` asks for
    ``'message_hub'``, which a weights file lacks: then the second is read.

    Args:
        content: Content of the weights file.
        filename: Its path.
    """

    def __init__(self, content: dict, filename: str) -> None:
        super().__init__(content)
        self.filename = filename
        # loading completes the checkpoint's state with the towers'
        self._state_dict = content.get('state_dict', {})

    def __missing__(self, key: str):
        if key == 'message_hub':
            self.add_resume_state()
            return self[key]
        raise KeyError(key)

    def add_resume_state(self) -> None:
        """Add the resume file's content, unless the weights file has it all itself.

        Raises:
            FileNotFoundError: There is no resume file.
            ValueError: It belongs to other weights, or is damaged.
        """
        if 'message_hub' in self:
            return
        path = resume_file(self.filename)
        if not Path(path).is_file():
            raise FileNotFoundError(
                f'{self.filename} holds weights alone, and {path} (optimiser and '
                'schedulers), which training needs to resume, is not beside it: only '
                'the newest epoch_N.pth or iter_N.pth has one. Resume from that, or '
                'start a new training with --cfg-options load_from=' + self.filename
            )
        content = read_torch_file(path)
        if (
            not isinstance(content, dict)
            or 'weights_crc32' not in content
            # they would replace what was checked
            or content.keys() & {'meta', 'state_dict'}
        ):
            raise ValueError(f'{path} is no resume file of TunedCheckpointHook')
        if content.pop('weights_crc32') != weights_crc32(self._state_dict):
            raise ValueError(
                f'{path} was written with other weights than those in {self.filename}: '
                'copy both files of one save'
            )
        if 'ema_state_dict' in content:
            check_state(content['ema_state_dict'], f'{path} (ema_state_dict)')
        self.update(content)


def name_of(checkpoint: dict) -> str:
    """What messages call a loaded checkpoint: its file, where that is known."""
    return getattr(checkpoint, 'filename', 'the checkpoint')


def newest_checkpoint(work_dir: str | Path) -> str | None:
    """Newest checkpoint of a training, or ``None`` where there is none.

    ``last_checkpoint`` in a work dir holds the path that the file had when it was
    written. In a work dir that was copied or moved, the file of that name beside the
    pointer is used.

    Args:
        work_dir: The training's work dir.

    Raises:
        FileNotFoundError: The pointer names a file that is not there.
        ValueError: It names none.
    """
    pointer = Path(work_dir, 'last_checkpoint')
    if not pointer.is_file():
        return None
    path = Path(pointer.read_text(errors='replace').strip())
    if not path.name or '\0' in path.name:
        raise ValueError(
            f'{pointer} names no file: name a checkpoint with --resume FILE'
        )
    beside = pointer.with_name(path.name)
    if beside.is_file():
        return str(beside)
    # the hook's out_dir: a folder that bears the work dir's name and has no pointer
    is_out_dir = path.parent.name == Path(work_dir).resolve().name
    if path.is_file() and is_out_dir and not path.with_name(pointer.name).exists():
        return str(path)
    raise FileNotFoundError(
        f'{pointer} names {path.name}, which is not beside it: copy the whole work '
        'dir, or name a checkpoint with --resume FILE'
    )


def resume_file(filename: str) -> str:
    """Path of the resume file that belongs to a weights file."""
    return str(Path(filename).with_suffix(RESUME_SUFFIX))


def weights_crc32(state_dict: dict[str, Tensor]) -> int:
    """Checksum of a state dict's values, to tell which two files belong together."""
    checksum = 0
    for _, value in sorted(state_dict.items()):
        checksum = zlib.crc32(raw_bytes(value), checksum)
    return checksum
