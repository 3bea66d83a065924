"""Bottleneck adapters, shared by side networks and tuners."""

from .bottleneck_adapter import BottleneckAdapter
from .gated_shared_adapter import GatedSharedAdapter
from .init_adapters import init_adapters
from .interaction_adapter import InteractionAdapter
from .on_grid import on_grid, on_map
from .shared_down_adapter import SharedDownAdapter
from .side_adapter import SideAdapter

__all__ = [
    'BottleneckAdapter',
    'GatedSharedAdapter',
    'InteractionAdapter',
    'SharedDownAdapter',
    'SideAdapter',
    'init_adapters',
    'on_grid',
    'on_map',
]
