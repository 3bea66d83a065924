"""Hooks that save, check and complete checkpoints of tuned weights."""

from .tuned_checkpoint_hook import TunedCheckpointHook
from .tuned_state_hook import TunedStateHook

__all__ = ['TunedCheckpointHook', 'TunedStateHook']
