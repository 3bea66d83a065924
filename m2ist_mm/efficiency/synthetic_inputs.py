"""Inputs of a config's size without a dataset."""

import json
from collections.abc import Iterator
from pathlib import Path

import torch
from mmdet.structures import DetDataSample
from mmengine.config import Config
from mmengine.structures import InstanceData

from ..structures import Placement

_SPECIAL_TOKENS = ('[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]')
# few, so that the ids are within the smallest tower's vocabulary
_WORDS = 'abcde'


class SyntheticInputs:
    """Makes batches of noise and of expressions of the greatest length.

    Args:
        config: Config whose train pipeline pads to a canvas and whose preprocessor
            tells the number of tokens.

    Raises:
        ValueError: The config has no such pipeline or preprocessor.
    """

    def __init__(self, config: Config) -> None:
        canvases = list(_find_canvas(config.get('train_dataloader', {})))
        max_tokens = config.model.get('data_preprocessor', {}).get('max_tokens')
        if not canvases or max_tokens is None:
            raise ValueError(
                f'{config.filename}: the size of the inputs is not known; it is read '
                "from PadToCanvas in train_dataloader's pipeline and from "
                'model.data_preprocessor.max_tokens'
            )
        self.width, self.height = canvases[0]
        # [CLS] and [SEP] are tokens too
        self.num_words = max_tokens - 2

    def batch(self, images: int, expressions_per_image: int, seed: int = 0) -> dict:
        """Make a batch as a data loader gives it.

        Args:
            images: Number I of images.
            expressions_per_image: Number k of expressions of each, all distinct.
            seed: Another seed gives other images and expressions.

        Returns:
            ``inputs``, I images uint8 (3, H, W), and ``data_samples`` with their
            expressions and boxes.
        """
        generator = torch.Generator().manual_seed(seed)
        number = seed * images * expressions_per_image
        inputs, samples = [], []
        for _ in range(images):
            texts = tuple(
                self._expression(number + i) for i in range(expressions_per_image)
            )
            number += expressions_per_image
            inputs.append(
                torch.randint(
                    256,
                    (3, self.height, self.width),
                    dtype=torch.uint8,
                    generator=generator,
                )
            )
            size = (self.height, self.width)
            sample = DetDataSample(
                metainfo=dict(
                    text=texts,
                    img_id=0,
                    img_path='',
                    ori_shape=size,
                    img_shape=size,
                    placement=Placement.identity(size),
                )
            )
            corners = torch.rand(len(texts), 4, generator=generator) / 2
            corners[:, 2:] += 0.5
            sample.gt_instances = InstanceData(
                bboxes=corners * torch.tensor([*size[::-1]] * 2),
                labels=torch.arange(len(texts)),
            )
            samples.append(sample)
        return dict(inputs=inputs, data_samples=samples)

    def _expression(self, number: int) -> str:
        words = []
        for _ in range(self.num_words):
            number, digit = divmod(number, len(_WORDS))
            words.append(_WORDS[digit])
        return ' '.join(words)


def write_tokenizer(folder: str) -> None:
    """Write a tokenizer that knows the synthetic expressions' words, a token each."""
    vocabulary = '\n'.join([*_SPECIAL_TOKENS, *_WORDS]) + '\n'
    Path(folder, 'vocab.txt').write_text(vocabulary)
    for name, content in (
        ('tokenizer_config.json', dict(tokenizer_class='BertTokenizer')),
        ('config.json', dict(model_type='bert')),
    ):
        Path(folder, name).write_text(json.dumps(content))


def _find_canvas(node) -> Iterator[tuple[int, int]]:
    """Sizes (width, height) of every PadToCanvas in a part of a config."""
    if isinstance(node, dict):
        if node.get('type') == 'PadToCanvas':
            yield tuple(node['size'])
        node = list(node.values())
    if isinstance(node, list | tuple):
        for child in node:
            yield from _find_canvas(child)
