"""What ``tools/fit.py`` is asked for."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

# what may be asked for when the training is over, and what the data themselves tell
_LATER = ('compare', 'learning_curve', 'audit', 'work_dir', 'source', 'image_root')
_FILES = ('preset', 'init')  # what may be the path of one
# settings of the config that the plan is made of, and what changes them
_PLANNED = {
    **dict.fromkeys(('max_epochs', 'train_cfg.max_epochs'), 'say it by --epochs'),
    'randomness.seed': 'say it by --seed',
    'model.init_grounder': 'say it by --init',
    **dict.fromkeys(
        (
            'train_dataloader.batch_size',
            'train_dataloader.dataset.max_expressions_per_sample',
            'train_cfg.micro_batch_size',
        ),
        'it follows from the plan, see --memory',
    ),
}


@dataclass(frozen=True)
class FitOptions:
    """What ``tools/fit.py`` is asked for.

    Attributes:
        source: An annotation file, or a folder with such files.
        work_dir: Where everything goes.
        preset: Name of a preset, or a config file.
        init: ``'shipped'``, ``'scratch'`` or a checkpoint of a grounder; ``None`` is
            the shipped one where the preset has it.
        memory: Size that the training may use, such as ``'8GB'``; ``None`` is what is
            free.
        epochs: Number of epochs; ``None`` follows from the number of images.
        amp: Whether to train in 16 bits; ``None``: where that is faster.
        seed: Of splits, weights and order.
        data_format, image_root, text_field, bbox_form, box_unit, box_tolerance,
            several, skip_faulty: See :func:`prepare_data`.
        cfg_options: Values of the config by dotted keys.
        compare: Train with frozen towers alone, without the neck, too.
        learning_curve: Train on parts of the images, too.
        audit: Look for suspect labels.
    """

    source: str
    work_dir: str
    preset: str = 'small'
    init: str | None = None
    memory: str | None = None
    epochs: int | None = None
    amp: bool | None = None
    seed: int = 0
    data_format: str | None = None
    image_root: str | None = None
    text_field: str | None = None
    bbox_form: str | None = None
    box_unit: str | None = None
    box_tolerance: float = 1.0
    several: str = 'leave-out'
    skip_faulty: bool = False
    cfg_options: dict[str, Any] = field(default_factory=dict)
    compare: bool = False
    learning_curve: bool = False
    audit: bool = False

    def __post_init__(self) -> None:
        if self.epochs is not None and self.epochs < 1:
            raise ValueError(f'--epochs {self.epochs}: at least 1')
        if not 0 <= self.seed < 2**32:
            raise ValueError(f'--seed {self.seed}: at least 0, below 2**32')
        for key in self.cfg_options:
            if key in _PLANNED:
                raise ValueError(f'--cfg-options {key}: {_PLANNED[key]}')

    def fixed(self) -> dict[str, Any]:
        """What must not change once a training has begun, by the name of the option.

        A file is the same however its path is written.
        """
        values = asdict(self)
        for name in _FILES:
            if values[name] is not None and Path(values[name]).is_file():
                values[name] = str(Path(values[name]).resolve())
        return {
            f'--{name.replace("_", "-")}': value
            for name, value in values.items()
            if name not in _LATER
        }
