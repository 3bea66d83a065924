"""The parameters that RefShapes is made with."""

import json
from dataclasses import Field, asdict, dataclass, field, fields

from .scene import BASE_SIZE
from .vocabulary import HELD_OUT

VERSION = 2  # raise it whenever the same parameters give other data


def _number(default: int, low: int, high: int, text: str) -> Field:
    values = f'{low} to {high}'
    metadata = dict(accepted=range(low, high + 1), values=values, help=text)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Recipe:
    """The parameters that RefShapes is made with; the same ones give the same files.

    Each field has its accepted values and its description in its metadata, from which
    the command line takes its options.

    Raises:
        ValueError: A parameter has no accepted value; the message names both.
    """

    seed: int = _number(0, 0, 2**32 - 1, 'seed of all random choices')
    train_images: int = _number(3000, 1, 10**6, 'images of train')
    val_images: int = _number(250, 1, 10**6, 'images of val')
    test_images: int = _number(150, 1, 10**6, 'images of testA, and of testB')
    image_size: int = _number(BASE_SIZE, 96, 1024, 'side of the images in pixels')
    expressions_per_object: int = _number(4, 1, 10, 'most expressions per referent')

    def __post_init__(self) -> None:
        for parameter in fields(self):
            value = getattr(self, parameter.name)
            if value not in parameter.metadata['accepted']:
                values = parameter.metadata['values']
                raise ValueError(f'{parameter.name} is {value}: give {values}.')

    def num_images(self, split: str) -> int:
        """Number of images of a split."""
        return getattr(self, f'{split.rstrip("AB")}_images')

    def to_json(self) -> bytes:
        """Content of ``recipe.json``, by which made data is known again."""
        held_out = sorted(f'{color} {kind}' for kind, color in HELD_OUT)
        content = dict(version=VERSION, **asdict(self), held_out=held_out)
        return json.dumps(content, indent=2).encode() + b'\n'
