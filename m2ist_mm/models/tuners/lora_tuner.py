"""LoRA: low-rank updates of projection matrices."""

import re
from collections.abc import Sequence
from contextlib import AbstractContextManager

from mmdet.registry import MODELS
from torch import nn
from torch.nn.utils import parametrize

from ..towers import FrozenPart
from .base_tuner import BaseTuner
from .packed_update import PACKED, PackedUpdate


@MODELS.register_module()
class LoRATuner(BaseTuner):
    """LoRA (Hu et al. 2022, arXiv 2106.09685), by the library peft.

    ``W + alpha/r · B A`` replaces the matrices W of the targets in every layer of both
    towers; B starts at zero. A target is a kind of site of the towers, of any name. It
    names a layer that peft knows (``nn.Linear``, ``nn.Conv2d``, ``nn.Embedding``),
    which peft replaces by its own, or an ``nn.MultiheadAttention``, which packs query,
    key and value into one matrix; then the name of the target says which part is meant.
    The latter is updated by :class:`PackedUpdate`: peft would update all three parts
    and the output projection, and would change the frozen weights by rounding when it
    merges before and unmerges after each forward.

    The updates' names in ``state_dict()`` are those of the towers' modules with
    ``lora_A`` and ``lora_B``.

    Args:
        rank: Rank r of the updates; ``2·C·r`` parameters per square matrix.
        alpha: LoRA's alpha; the factor of an update is alpha/r.
        targets: Kinds of site whose matrices are updated.

    Raises:
        ImportError: peft is not installed.
        ValueError: The rank is not positive, there is no target, or one cannot be
            updated.
    """

    def __init__(
        self,
        towers: dict[str, FrozenPart],
        rank: int = 16,
        alpha: float = 16,
        targets: Sequence[str] = ('query', 'value'),
    ) -> None:
        if rank < 1 or not targets:
            raise ValueError(
                f'LoRATuner: rank={rank}, targets={list(targets)}: the rank must be at '
                'least 1, and one target must be named'
            )
        self.needs = {name: tuple(targets) for name in towers}
        super().__init__(towers)
        # lists, which do not register what is in them as a part of this module: the
        # updates are parts of the towers
        self._layers = []
        self._packed = []
        for name, tower in towers.items():
            self._update(tower, name, targets, rank, alpha)

    def _update(
        self,
        tower: FrozenPart,
        name: str,
        targets: Sequence[str],
        rank: int,
        alpha: float,
    ) -> None:
        names = {module: path for path, module in tower.named_modules()}
        layers: list[str] = []
        packed: dict[nn.Module, list[str]] = {}
        for target in targets:
            for module in tower.find('sites', target):
                if isinstance(module, nn.MultiheadAttention):
                    packed.setdefault(module, []).append(target)
                else:
                    layers.append(names[module])
        for attention, parts in packed.items():
            if unknown := set(parts) - set(PACKED):
                raise ValueError(
                    f'LoRATuner: target {sorted(unknown)} of the {name} tower names '
                    f'{names[attention]!r}, which packs its projections: call the '
                    f'target one of {PACKED}'
                )
            update = PackedUpdate(attention.embed_dim, rank, alpha / rank, parts)
            update.to(attention.in_proj_weight.device)
            parametrize.register_parametrization(attention, 'in_proj_weight', update)
            self._packed.append(update)
        if layers:
            self._layers += _inject(tower, layers, rank, alpha)

    def init_weights(self) -> None:
        """Initialise the updates; they start at zero."""
        for layer in self._layers:
            for adapter in layer.active_adapters:
                layer.reset_lora_parameters(adapter, init_lora_weights=True)
        for update in self._packed:
            update.init_weights()

    def inserted(self, name: str, tower: FrozenPart) -> AbstractContextManager:
        """Compute each packed matrix once, see :meth:`BaseTuner.inserted`."""
        return parametrize.cached()


def _inject(
    tower: nn.Module, names: Sequence[str], rank: int, alpha: float
) -> list[nn.Module]:
    """Replace the named modules by peft's, and return those."""
    try:
        from peft import LoraConfig, inject_adapter_in_model
        from peft.tuners.lora import LoraLayer
    except ImportError as error:
        raise ImportError(
            'LoRATuner needs the library peft: pip install -r requirements/optional.txt'
        ) from error
    pattern = '|'.join(re.escape(name) for name in names)
    config = LoraConfig(r=rank, lora_alpha=alpha, target_modules=pattern)
    inject_adapter_in_model(config, tower)
    return [module for module in tower.modules() if isinstance(module, LoraLayer)]
