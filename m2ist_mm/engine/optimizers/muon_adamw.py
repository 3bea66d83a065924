"""Muon for matrices, AdamW for all else."""

from collections.abc import Iterable

import torch
from mmdet.registry import OPTIMIZERS
from torch import Tensor
from torch.optim import AdamW, Optimizer


@OPTIMIZERS.register_module()
class MuonAdamW(Optimizer):
    """Both optimisers of torch as one (Muon: Jordan et al. 2024, arXiv 2502.16982).

    Muon makes every update of a matrix orthogonal; it learns a small transformer from
    scratch in a fraction of AdamW's steps. It is meant for the matrices between hidden
    layers: embeddings and the last layer belong to AdamW, with biases and norms. Both
    use the learning rate as AdamW understands it (``adjust_lr_fn='match_rms_adamw'``).

    Args:
        params: Parameters, or groups of them. A group with ``muon=False``, as
            ``paramwise_cfg=dict(custom_keys={'embedding': dict(muon=False)})`` makes
            it, goes to AdamW as a whole; of the others, the matrices go to Muon.
        lr: Learning rate of AdamW.
        muon_lr_mult: Muon's learning rate in terms of ``lr``.
        weight_decay: Weight decay of both.
        betas: AdamW's.
        fused: Whether AdamW goes through its weights in one pass.

    Raises:
        ImportError: torch has no Muon (before 2.9).
    """

    def __init__(
        self,
        params: Iterable,
        lr: float = 1e-3,
        muon_lr_mult: float = 1.0,
        weight_decay: float = 1e-4,
        betas: tuple[float, float] = (0.9, 0.999),
        fused: bool = False,
    ) -> None:
        try:
            from torch.optim import Muon
        except ImportError as error:
            raise ImportError(
                f'MuonAdamW needs torch >= 2.9, this is {torch.__version__}: upgrade '
                'it, or take AdamW'
            ) from error
        matrices, others = [], []
        for group in params:
            group = group if isinstance(group, dict) else dict(params=[group])
            options = {k: v for k, v in group.items() if k not in ('params', 'muon')}
            rate = options.pop('lr', lr)
            for chosen, muon in ((matrices, True), (others, False)):
                members = [
                    parameter
                    for parameter in group['params']
                    if muon == (parameter.ndim == 2 and group.get('muon', True))
                ]
                if members:
                    chosen.append(
                        dict(
                            params=members,
                            lr=rate * (muon_lr_mult if muon else 1),
                            **options,
                        )
                    )
        self._parts: list[Optimizer] = []
        if others:
            adamw = AdamW(others, lr, betas, weight_decay=weight_decay, fused=fused)
            self._parts.append(adamw)
        if matrices:
            muon = Muon(
                matrices,
                weight_decay=weight_decay,
                adjust_lr_fn='match_rms_adamw',
            )
            self._parts.append(muon)
        groups = [group for part in self._parts for group in part.param_groups]
        super().__init__(groups, dict(lr=lr, weight_decay=weight_decay))
        self._share()

    def _share(self) -> None:
        """Let the parts work on this optimiser's groups and state."""
        groups = iter(self.param_groups)
        for part in self._parts:
            part.param_groups = [next(groups) for _ in part.param_groups]
            part.state = self.state

    def load_state_dict(self, state_dict: dict) -> None:
        """Load the state of both."""
        super().load_state_dict(state_dict)
        self._share()

    @torch.no_grad()
    def step(self, closure=None) -> Tensor | None:
        """Update all parameters once."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for part in self._parts:
            part.step()
        return loss
