"""The state of a model whose parameters lie in shards on several processes."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from torch import Tensor, nn
from torch.distributed.fsdp import (
    FullStateDictConfig,
    FullyShardedDataParallel,
    StateDictType,
)


@contextmanager
def gathered_state(
    model: nn.Module, state: dict[str, Tensor] | None = None
) -> Iterator[None]:
    """Make ``state_dict()`` of modules inside an FSDP model return the whole state.

    FSDP gathers shards at the root alone: ``state_dict()`` of a module inside it
    returns the shards of this process. Other models are unchanged.

    Args:
        model: The runner's model.
        state: The model's whole state, if known; otherwise it is gathered, in which all
            processes must take part.
    """
    if not isinstance(model, FullyShardedDataParallel):
        yield
        return
    if state is None:
        on_cpu = model.compute_device.type == 'cpu'
        with FullyShardedDataParallel.state_dict_type(
            model,
            StateDictType.FULL_STATE_DICT,
            # offloading from a CPU to itself copies nothing, and FSDP frees the source
            FullStateDictConfig(offload_to_cpu=not on_cpu, rank0_only=False),
        ):
            state = model.state_dict()
    modules = dict(model.module.named_modules())
    for name, module in modules.items():
        path = [part for part in name.split('.') if part != '_fsdp_wrapped_module']
        module.state_dict = partial(_part, state, ''.join(f'{p}.' for p in path if p))
    try:
        yield
    finally:
        for module in modules.values():
            del module.state_dict


def _part(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        key.removeprefix(prefix): value
        for key, value in state.items()
        if key.startswith(prefix)
    }
