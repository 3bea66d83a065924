"""Turns collated samples into the inputs of the towers."""

from collections.abc import Sequence
from dataclasses import fields
from functools import cached_property

import torch
from mmdet.models.data_preprocessors import DetDataPreprocessor
from mmdet.registry import MODELS
from mmdet.structures import SampleList
from mmengine.logging import print_log
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from ...structures import Expressions, InputSpec, Placement
from ..towers import load_tokenizer


@MODELS.register_module()
class RECDataPreprocessor(DetDataPreprocessor):
    """Normalises images, fills their padding, and tokenises expressions.

    Everything follows from the towers' input contract. A field that the config states
    overrides it; a warning is logged if it contradicts the tower.

    Args:
        input_spec: Input contract of the towers; given by the grounder.
        mean, std, channel_order, pad_value, tokenizer: Override fields of the contract,
            see :class:`InputSpec`. ``max_tokens`` is the language tower's alone, since
            the head has as many positions.
        kwargs: Other arguments of mmdet's ``DetDataPreprocessor``.

    Attributes:
        fill: Normalised value of each channel in the padding, (3, 1, 1).

    Raises:
        ValueError: The contract is not complete, or a field is wrong.
    """

    def __init__(
        self,
        input_spec: InputSpec | None = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        channel_order: str | None = None,
        pad_value: Sequence[float] | None = None,
        tokenizer: str | None = None,
        **kwargs,
    ) -> None:
        own = InputSpec(
            mean=mean,
            std=std,
            channel_order=channel_order,
            pad_value=pad_value,
            tokenizer=tokenizer,
        )
        asked = input_spec or InputSpec()
        _warn_of_contradictions(own, asked)
        self.input_spec = spec = own.join(asked)
        for name in ('mean', 'std', 'channel_order', 'max_tokens'):
            self._require(name)
        super().__init__(
            mean=spec.mean,
            std=spec.std,
            # images are read as BGR
            bgr_to_rgb=spec.channel_order == 'rgb',
            **kwargs,
        )
        fill = torch.tensor(spec.pad_value or spec.mean).view(-1, 1, 1)
        self.register_buffer('fill', (fill - self.mean) / self.std, persistent=False)

    def _require(self, name: str) -> None:
        if getattr(self.input_spec, name) is None:
            of_text = name in ('tokenizer', 'max_tokens')
            part = 'backbone.language' if of_text else 'data_preprocessor'
            raise ValueError(
                f'RECDataPreprocessor: neither the towers nor the config say {name}; '
                f'state it: --cfg-options model.{part}.{name}=VALUE'
            )

    @cached_property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The tokenizer, loaded with the first expression.

        Raises:
            FileNotFoundError, ValueError: See :func:`load_tokenizer`.
        """
        self._require('tokenizer')
        return load_tokenizer(self.input_spec.tokenizer)

    def forward(self, data: dict, training: bool = False) -> dict:
        """Prepare a batch.

        Args:
            data: ``inputs``, a list of I uint8 images (3, H, W), BGR, and
                ``data_samples``, with ``text``, a tuple of the image's expressions, and
                ``placement``.
            training: Whether the model trains.

        Returns:
            ``data_samples``, and ``inputs`` with ``images`` (I, 3, H, W), normalised,
            with the tower's pad value in the padding; ``padding_mask`` (I, H, W) bool;
            ``input_ids`` and ``attention_mask`` (E, L) int64, L the length of the
            longest expression; and ``image_index`` (E,) int64, the image of each
            expression. Samples without expressions leave out the last three.

        Raises:
            ValueError: An image does not have the size of the canvas; names it.
        """
        for image, sample in zip(data['inputs'], data['data_samples'], strict=True):
            self._check_size(tuple(image.shape[-2:]), sample.get('img_path'))
        data = super().forward(data, training)
        images, samples = data['inputs'], data['data_samples']
        mask = _padding_mask(images, samples)
        images = torch.where(mask[:, None], self.fill, images)
        inputs = dict(images=images, padding_mask=mask)
        if any(len(Expressions.of(sample)) for sample in samples):
            inputs |= self.tokenize(samples)
        return dict(inputs=inputs, data_samples=samples)

    def _check_size(self, found: tuple[int, int], path: str | None) -> None:
        size = self.input_spec.size
        if size is not None and found != size:
            raise ValueError(
                f'{path}: the pipeline gives {found[0]} x {found[1]} pixels (h x w), '
                f'the vision tower takes {size[0]} x {size[1]}: state canvas=(h, w) '
                'once, at the top of the config, and load it with '
                'm2ist_mm.config.load_config_file, as the tools do'
            )

    def tokenize(self, samples: SampleList) -> dict[str, Tensor]:
        """Tokenise the expressions of samples, and note in them what is truncated.

        Args:
            samples: Samples of I images with E expressions in all.

        Returns:
            ``input_ids``, ``attention_mask`` and ``image_index`` of :meth:`forward`.
        """
        texts = [Expressions.of(sample).texts for sample in samples]
        encoded = self.tokenizer(
            [text for group in texts for text in group],
            padding=True,
            truncation=True,
            max_length=self.input_spec.max_tokens,
            return_tensors='pt',
        )
        # what is cut off a longer expression
        truncated = iter([bool(one.overflowing) for one in encoded.encodings])
        for sample, group in zip(samples, texts, strict=True):
            sample.set_metainfo(dict(truncated=tuple(next(truncated) for _ in group)))
        counts = torch.tensor([len(group) for group in texts])
        return dict(
            input_ids=encoded['input_ids'].to(self.device),
            attention_mask=encoded['attention_mask'].to(self.device),
            image_index=torch.arange(len(texts))
            .repeat_interleave(counts)
            .to(self.device),
        )


def _padding_mask(images: Tensor, samples: SampleList) -> Tensor:
    """Canvas pixels that show no image, (I, H, W) bool."""
    mask = images.new_ones(len(images), *images.shape[-2:], dtype=torch.bool)
    for row, sample in zip(mask, samples, strict=True):
        left, top, right, bottom = Placement.of(sample).region
        row[top:bottom, left:right] = False
    return mask


def _warn_of_contradictions(own: InputSpec, asked: InputSpec) -> None:
    for field in fields(InputSpec):
        stated, wanted = getattr(own, field.name), getattr(asked, field.name)
        if None not in (stated, wanted) and stated != wanted:
            print_log(
                f'data_preprocessor.{field.name}={stated!r} contradicts the tower, '
                f'whose weights were trained with {wanted!r}; the config counts',
                logger='current',
                level=30,
            )
