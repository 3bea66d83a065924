"""Learned tokens before the language tower's input."""

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmdet.registry import MODELS
from torch import Tensor, nn

from ...structures import TowerFeatures
from ..towers import FrozenPart
from .base_tuner import BaseTuner


@MODELS.register_module()
class PromptTuner(BaseTuner):
    """Prompt tuning of the language tower (Lester et al. 2021, arXiv 2104.08691).

    Learned embeddings precede those of the expression's tokens, whose positions shift
    accordingly. They act through the tower's attention and are removed from its output
    and taps, since the V-L encoder has positions for words alone. They are initialised
    with embeddings of tokens drawn from the vocabulary. The vision tower is unchanged.

    Args:
        num_tokens: Number P of learned tokens; ``P·C_l`` parameters.

    Raises:
        ValueError: The tower has too few positions for them and an expression.
    """

    needs = dict(language=('embedding',))

    def __init__(self, towers: dict[str, FrozenPart], num_tokens: int = 20) -> None:
        super().__init__(towers)
        language = towers['language']
        most = getattr(language, 'num_positions', math.inf)
        if num_tokens + language.input_spec.max_tokens > most:
            raise ValueError(
                f"PromptTuner: num_tokens={num_tokens} and the expressions' max_tokens="
                f'{language.input_spec.max_tokens} are more than the {most} positions '
                'of the language tower'
            )
        table = language.find('sites', 'embedding')[0].weight
        drawn = torch.randint(len(table), (num_tokens,), device=table.device)
        self.prompts = nn.Parameter(table.detach()[drawn].clone())

    def prepare(self, name: str, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Insert positions for the prompts, see :meth:`BaseTuner.prepare`."""
        if name != 'language':
            return inputs
        input_ids, attention_mask = inputs
        # by shape: len() would fix the number of expressions in an exported graph
        room = input_ids.shape[0], len(self.prompts)
        return (
            torch.cat([input_ids.new_zeros(room), input_ids], dim=1),
            torch.cat([attention_mask.new_ones(room), attention_mask], dim=1),
        )

    @contextmanager
    def inserted(self, name: str, tower: FrozenPart) -> Iterator[None]:
        """See :meth:`BaseTuner.inserted`."""
        if name != 'language':
            yield
            return

        def place(module, inputs, embeddings):
            prompts = self.prompts.expand(embeddings.shape[0], -1, -1)
            return torch.cat([prompts, embeddings[:, len(self.prompts) :]], dim=1)

        handle = tower.find('sites', 'embedding')[0].register_forward_hook(place)
        try:
            yield
        finally:
            handle.remove()

    def finish(self, name: str, features: TowerFeatures) -> TowerFeatures:
        """Remove the prompts, see :meth:`BaseTuner.finish`."""
        if name != 'language':
            return features
        count = len(self.prompts)
        return features.replace(
            tokens=features.tokens[:, count:],
            mask=features.mask[:, count:],
            inputs=features.inputs[:, count:],
            taps={
                kind: [tap[:, count:] for tap in taps]
                for kind, taps in features.taps.items()
            },
        )
