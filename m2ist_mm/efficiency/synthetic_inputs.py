"""Inputs of a config's size without a dataset."""

import json
from pathlib import Path

import torch
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData

from ..structures import InputSpec, Placement

_SPECIAL_TOKENS = ('[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]')
# few, so that the ids are within the smallest tower's vocabulary
_WORDS = 'abcde'


class SyntheticInputs:
    """Makes batches of noise and of expressions of the greatest length.

    Args:
        spec: What the towers take: the canvas and the number of tokens.
    """

    def __init__(self, spec: InputSpec) -> None:
        self.height, self.width = spec.size
        # [CLS] and [SEP] are tokens too
        self.num_words = spec.max_tokens - 2

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
