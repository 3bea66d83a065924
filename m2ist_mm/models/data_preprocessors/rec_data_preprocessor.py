"""From collated samples to what the towers take."""

from functools import cached_property

import torch
from mmdet.models.data_preprocessors import DetDataPreprocessor
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample, SampleList
from torch import Tensor
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from ...feature_cache import feature_key
from ...structures import Placement, expressions_of
from ..towers import resolve_pretrained


@MODELS.register_module()
class RECDataPreprocessor(DetDataPreprocessor):
    """Normalises images, masks their padding, and tokenises expressions.

    Args:
        tokenizer: Hub name, local folder or ``'package:MODULE/FOLDER'`` of the language
            tower's tokenizer. It is loaded when the first expression comes.
        max_tokens: Most tokens of an expression, ``[CLS]`` and ``[SEP]`` included. A
            longer one is truncated; its data sample says so in ``truncated``.
        kwargs: Arguments of mmdet's ``DetDataPreprocessor`` (``mean``, ``std``, …).

    Attributes:
        image_keys: Whether batches have ``image_keys``, by which a cache of vision
            features knows an image; the grounder asks for them where there is one.
    """

    image_keys = False

    def __init__(self, tokenizer: str, max_tokens: int = 20, **kwargs) -> None:
        super().__init__(**kwargs)
        self.tokenizer_name = tokenizer
        self.max_tokens = max_tokens

    @cached_property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The tokenizer.

        Raises:
            FileNotFoundError: It is neither on this machine nor can be fetched.
        """
        try:
            return AutoTokenizer.from_pretrained(
                resolve_pretrained(self.tokenizer_name)
            )
        except OSError as error:
            raise FileNotFoundError(
                f'the tokenizer {self.tokenizer_name!r} is not on this machine and '
                'could not be fetched from the model hub. Download it elsewhere and '
                'point the config at the folder: --cfg-options '
                f'model.data_preprocessor.tokenizer=FOLDER ({error})'
            ) from error

    def forward(self, data: dict, training: bool = False) -> dict:
        """Prepare a batch.

        Args:
            data: ``inputs``, a list of I uint8 images (3, H, W), and ``data_samples``,
                whose ``text`` is a str or, for several expressions of one image, a
                tuple of str.
            training: Whether the model trains.

        Returns:
            ``data_samples``, and ``inputs`` with ``images`` (I, 3, H, W), zero in the
            padding, ``padding_mask`` (I, H, W) bool, ``input_ids`` and
            ``attention_mask`` (E, L) int64 with L the longest of the batch, and
            ``image_index`` (E,) int64, the image of each expression; ``image_keys``, I
            bytes, where they are asked for.
        """
        keys = {}
        if self.image_keys:
            keys['image_keys'] = [
                self._image_key(image, sample)
                for image, sample in zip(
                    data['inputs'], data['data_samples'], strict=True
                )
            ]
        data = super().forward(data, training)
        images, samples = data['inputs'], data['data_samples']
        mask = self._padding_mask(images, samples)
        images = images.masked_fill(mask[:, None], 0)
        inputs = dict(images=images, padding_mask=mask, **self._tokenize(samples))
        return dict(inputs=inputs | keys, data_samples=samples)

    def _image_key(self, image: Tensor, sample: DetDataSample) -> bytes:
        """Name all that the vision tower's input is made of."""
        made_of = (
            image.shape,
            Placement.of(sample).region,
            [getattr(self, name, None) for name in ('mean', 'std')],
            self._channel_conversion,
        )
        return feature_key(repr(made_of).encode() + image.cpu().numpy().tobytes())

    def _padding_mask(self, images: Tensor, samples: SampleList) -> Tensor:
        mask = images.new_ones(len(images), *images.shape[-2:], dtype=torch.bool)
        for row, sample in zip(mask, samples, strict=True):
            left, top, right, bottom = Placement.of(sample).region
            row[top:bottom, left:right] = False
        return mask

    def _tokenize(self, samples: SampleList) -> dict[str, Tensor]:
        texts, image_index = [], []
        for index, sample in enumerate(samples):
            expressions = list(expressions_of(sample))
            lengths = [len(ids) for ids in self.tokenizer(expressions)['input_ids']]
            truncated = tuple(length > self.max_tokens for length in lengths)
            alone = isinstance(sample.text, str)
            sample.set_metainfo(dict(truncated=truncated[0] if alone else truncated))
            texts += expressions
            image_index += [index] * len(expressions)
        encoded = self.tokenizer(
            texts,
            padding=True,
            truncation=True,
            max_length=self.max_tokens,
            return_tensors='pt',
        )
        return dict(
            input_ids=encoded['input_ids'].to(self.device),
            attention_mask=encoded['attention_mask'].to(self.device),
            image_index=torch.tensor(image_index, device=self.device),
        )
