"""A weights file together with the resume file beside it."""

import zlib
from pathlib import Path

import torch
from torch import Tensor

from .torch_file import read_torch_file

RESUME_SUFFIX = '.resume.pth'


class ResumableCheckpoint(dict):
    """Content of a weights file; the resume file's is added when it is needed.

    ``TunedCheckpointHook`` writes two files: ``epoch_N.pth`` with the tuned weights and
    ``epoch_N.resume.pth`` with what a resume needs besides (optimiser, schedulers,
    message hub). A test reads the first alone. MMEngine's ``Runner.resume`` asks for
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
        if not isinstance(content, dict) or 'weights_crc32' not in content:
            raise ValueError(f'{path} is no resume file of TunedCheckpointHook')
        if content.pop('weights_crc32') != weights_crc32(self._state_dict):
            raise ValueError(
                f'{path} was written with other weights than those in {self.filename}: '
                'copy both files of one save'
            )
        self.update(content)


def resume_file(filename: str) -> str:
    """Path of the resume file that belongs to a weights file."""
    return str(Path(filename).with_suffix(RESUME_SUFFIX))


def weights_crc32(state_dict: dict[str, Tensor]) -> int:
    """Checksum of a state dict's values, to tell which two files belong together."""
    checksum = 0
    for _, value in sorted(state_dict.items()):
        raw = value.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
        checksum = zlib.crc32(raw.numpy(), checksum)
    return checksum
