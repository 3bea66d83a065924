"""Models that ``tools/fit.py`` offers."""

from dataclasses import dataclass
from math import sqrt
from pathlib import Path

from ..apis import DEFAULT_MODEL, find_config, find_weights
from ..config import load_config_file

MOST_EPOCHS = 40  # unless the recipe itself has more
LEAST_EPOCHS = 3
LEAST_STEPS = 8  # of an epoch


@dataclass(frozen=True)
class Preset:
    """A model with its recipe.

    Attributes:
        config: Config file.
        why: Why one takes it, in a line.
        epochs: Epochs of the recipe.
        expressions: Expressions of a step of the recipe.
        images: Training images that the recipe is for; ``None`` if it is not known.
        grounder: Checkpoint of the trained grounder that is shipped with it, if one is.
    """

    config: Path
    why: str
    epochs: int
    expressions: int
    images: int | None = None
    grounder: Path | None = None

    def epochs_for(self, images: int, trained: bool = False) -> int:
        """Epochs for another number of training images.

        They grow with the square root of how many times fewer images there are: a
        quarter of the images is seen twice as often each, in half the steps.

        Args:
            images: Training images.
            trained: Whether the start is a trained grounder, for which half will do.
        """
        epochs = self.epochs / 2 if trained else self.epochs
        if self.images is None:
            return max(1, round(epochs))
        scaled = round(epochs * sqrt(self.images / images))
        return max(LEAST_EPOCHS, min(scaled, max(self.epochs, MOST_EPOCHS)))

    def batch_for(self, samples: int, expressions: int) -> int:
        """Samples of a batch: as many expressions as the recipe wants, in the mean.

        Less where an epoch would have fewer than ``LEAST_STEPS`` steps.

        Args:
            samples: Training samples: images, or groups of an image's expressions.
            expressions: Their expressions.
        """
        wanted = round(self.expressions * samples / expressions)
        return max(1, min(wanted, samples // LEAST_STEPS))


_CONFIGS = dict(
    small=DEFAULT_MODEL,
    r50='m2ist_r50_grouped-cached_refcoco',
    vitb='m2ist_vitb_grouped_refcoco',
)
PRESETS = tuple(_CONFIGS)
_WHY = dict(
    small='the small model, whose weights are shipped: fits a CPU and any GPU',
    r50="the paper's model, if you have a DETR R-50 and BERT-base",
    vitb='ViT-B (DINOv2) and BERT-base, the largest of the three',
)
_IMAGES = dict(small=6809, r50=16994, vitb=16994)  # of their training splits
_EXPRESSIONS = dict(small=80)  # 8 images of ten; 64 is the paper's


def find_preset(name: str) -> Preset:
    """The preset of a name, or a config file as one.

    Raises:
        FileNotFoundError: There is neither such a preset nor such a file.
        ValueError: The file is no config.
    """
    if name not in _CONFIGS and not Path(name).is_file():
        raise FileNotFoundError(
            f'--preset {name}: is none of {", ".join(PRESETS)}, and no config file'
        )
    path = Path(find_config(_CONFIGS.get(name, name))).resolve()
    config = load_config_file(path)
    if 'max_epochs' not in (config.get('train_cfg') or {}):
        raise ValueError(f'--preset {name}: {path} has no train_cfg.max_epochs')
    return Preset(
        config=path,
        why=_WHY.get(name, 'your config'),
        epochs=config.train_cfg.max_epochs,
        expressions=_EXPRESSIONS.get(name, 64),
        images=_IMAGES.get(name),
        grounder=Path(find_weights(DEFAULT_MODEL)) if name == 'small' else None,
    )
