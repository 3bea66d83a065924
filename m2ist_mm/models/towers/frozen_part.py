"""A pre-trained module, frozen while modules beside or inside it are tuned."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import Any

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ...checkpoints import tensors_sha256
from .architectures import ARCHITECTURES, Architecture, Pattern
from .taps import record_taps, resolve_modules

# hooks sit on modules that threads share, so one forward with hooks runs at a time
_RUNNING = threading.RLock()


class FrozenPart(BaseModule):
    """Base of pre-trained modules that side networks tap and tuners tune.

    Frozen (:meth:`freeze`), it stays in evaluation mode, gets no gradient, saves
    nothing for backward, and its output is bit-identical to that of the bare module.
    Checkpoints leave out its pre-trained weights and name them instead
    (:meth:`identity`). BatchNorm is in evaluation mode with every tuning method.

    A subclass implements :meth:`forward`; callers that want taps call :meth:`encode`.

    Args:
        weights: Name of the pre-trained weights; ``None`` if they are random. Random
            weights cannot be loaded again, so checkpoints contain them.
        taps: Kind of tap to module names, for an architecture that is not in
            :data:`ARCHITECTURES`, or to override its row.
        sites: The same for the modules that a tuner changes.
        norms: The same for the LayerNorms behind taps.
    """

    architecture = ''  # key of ARCHITECTURES

    def __init__(
        self,
        weights: str | None = None,
        taps: dict[str, Pattern] | None = None,
        sites: dict[str, Pattern] | None = None,
        norms: dict[str, Pattern] | None = None,
    ) -> None:
        super().__init__()
        self.weights = weights
        self.frozen = False
        self._patterns = dict(taps=taps or {}, sites=sites or {}, norms=norms or {})
        self._wanted: dict[str, list[int]] = {}
        self._tuner: tuple[str, nn.Module] | None = None
        # own weights by name, to their names before a tuner changed the module
        self._own_names: dict[str, str] | None = None
        self._tuned: set[str] = set()
        self._identity: dict[str, str] | None = None
        self.register_load_state_dict_post_hook(_forget_identity)

    # -- module names ------------------------------------------------------

    @property
    def known(self) -> Architecture:
        """Row of this architecture in the table; empty if there is none."""
        return ARCHITECTURES.get(self.architecture, Architecture())

    def find(
        self, table: str, kind: str, layers: Sequence[int] | None = None
    ) -> list[nn.Module]:
        """Find the modules of one kind.

        Args:
            table: ``'taps'``, ``'sites'`` or ``'norms'``.
            kind: Kind of tap, site or norm.
            layers: Numbers of the layers, from 0; ``None`` is all.

        Raises:
            ValueError: There is no such kind or module; lists those that exist.
        """
        patterns = getattr(self.known, table) | self._patterns[table]
        if kind not in patterns:
            raise ValueError(
                f'{type(self).__name__} ({self.architecture or "unknown architecture"})'
                f' has no {table} {kind!r}, only {sorted(patterns)}: name its modules '
                f"in the tower's config, {table}=dict({kind}='NAME.{{i}}.NAME')"
            )
        return resolve_modules(self, patterns[kind], layers)

    # -- frozen or tuned ---------------------------------------------------

    def own_tensors(self) -> dict[int, str]:
        """Names of the own parameters and buffers, by the identity of the tensor."""
        return {id(v): name for name, v in self.state_dict(keep_vars=True).items()}

    def add_tuner(self, name: str, tuner: nn.Module, own: dict[int, str]) -> None:
        """Attach a tuner, which may have changed modules of this part.

        Args:
            name: Name by which the tuner knows this part.
            tuner: A ``BaseTuner``.
            own: :meth:`own_tensors` before the tuner was built.
        """
        # in a tuple, lest it be registered as a module of this part
        self._tuner = (name, tuner)
        self._own_names = {
            new: own[key] for key, new in self.own_tensors().items() if key in own
        }

    def own_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """Names and parameters of the part itself, without what a tuner adds."""
        for name, parameter in self.named_parameters():
            if self._own_names is None or name in self._own_names:
                yield name, parameter

    def freeze(self, tuned: Callable[[str], bool] = lambda name: False) -> None:
        """Freeze the own weights.

        Args:
            tuned: Tells by its name whether a weight is tuned nevertheless.
        """
        self.frozen = True
        if self._own_names is None:
            self._own_names = {name: name for name in self.state_dict()}
        for name, parameter in self.own_parameters():
            if not tuned(name):
                parameter.requires_grad_(False)
            elif parameter.requires_grad:
                self._tuned.add(name)
        self.train()

    @property
    def builds_graph(self) -> bool:
        """Whether gradients pass through: the part is tuned, or a module inside it."""
        return not self.frozen or self._tuner is not None

    def train(self, mode: bool = True) -> 'FrozenPart':
        """Set the training mode, unless frozen; never that of BatchNorm."""
        super().train(mode and not self.frozen)
        for module in self.modules():
            if isinstance(module, _BatchNorm):
                module.eval()
        return self

    def init_weights(self) -> None:
        """Initialise a random part; pre-trained weights stay."""
        if self.weights is None:
            self.init_random_weights()

    def init_random_weights(self) -> None:
        """Initialise as the architecture's authors do; nothing by default."""

    # -- what checkpoints need to know -------------------------------------

    def frozen_state_keys(self) -> set[str]:
        """Names in ``state_dict()`` that checkpoints leave out.

        They are the frozen weights of a pre-trained part.
        """
        return set(self._frozen_names())

    def renamed_state_keys(self) -> dict[str, str]:
        """Map original weight names to their names after a tuner renamed them."""
        names = (self._own_names or {}).items()
        return {old: new for new, old in names if new != old}

    def identity(self) -> dict[str, str] | None:
        """Name and sha256 of the weights that checkpoints leave out, if any.

        Hashed once, as frozen weights do not change.
        """
        names = self._frozen_names()
        if names and self._identity is None:
            state = self.state_dict()
            digest = tensors_sha256({old: state[new] for new, old in names.items()})
            self._identity = dict(name=self.weights, sha256=digest)
        return self._identity

    def _frozen_names(self) -> dict[str, str]:
        if not self.frozen or self.weights is None:
            return {}
        return {
            new: old for new, old in self._own_names.items() if new not in self._tuned
        }

    # -- running -----------------------------------------------------------

    def tap(self, wanted: dict[str, Sequence[int]]) -> None:
        """Choose what :meth:`encode` records.

        Args:
            wanted: Kind of tap to layer numbers; replaces an earlier choice.

        Raises:
            ValueError: There is no such tap; lists those that exist.
        """
        for kind, layers in wanted.items():
            self.find('taps', kind, layers)
        self._wanted = {kind: list(layers) for kind, layers in wanted.items()}

    @property
    def tapped(self) -> dict[str, list[int]]:
        """What :meth:`encode` records: kind of tap to layer numbers."""
        return self._wanted

    def encode(self, *inputs: Tensor, call: Callable | None = None) -> Any:
        """Run :meth:`forward` with tuner and taps, without graph if frozen.

        Args:
            inputs: Arguments of ``forward``.
            call: Callable that runs the part: itself unless given, or a wrapper such as
                FSDP's, which gathers its shards when it is called.

        Returns:
            The output with taps, see :meth:`with_taps`.
        """
        name, tuner = self._tuner or ('', None)
        if tuner is not None:
            inputs = tuner.prepare(name, *inputs)
        with _RUNNING, ExitStack() as stack:
            if not self.builds_graph:
                # not inference_mode: its tensors cannot be saved for the adapters'
                # backward
                stack.enter_context(torch.no_grad())
            if tuner is not None:
                # before the taps, which read what the tuner has changed
                stack.enter_context(tuner.inserted(name, self))
            modules = {
                kind: self.find('taps', kind, layers)
                for kind, layers in self._wanted.items()
            }
            taps = stack.enter_context(record_taps(modules))
            output = (call or self)(*inputs)
        output = self.with_taps(output, taps)
        return output if tuner is None else tuner.finish(name, output)

    def with_taps(self, output: Any, taps: dict[str, list[Tensor]]) -> Any:
        """Add recorded taps to the output of :meth:`forward`.

        Args:
            output: The output.
            taps: Kind of tap to the outputs of the tapped modules, in the order of the
                layers; the first element if a module returns a tuple.
        """
        raise NotImplementedError


def _forget_identity(part: FrozenPart, incompatible_keys) -> None:
    part._identity = None
