"""Random numbers that depend on a key alone."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def seed_generators(*key: int) -> None:
    """Seed Python's, numpy's and torch's generators, those of GPUs included.

    Args:
        *key: Numbers >= 0 that name the stream, such as seed, iteration and rank.
    """
    python_seed, numpy_seed, torch_seed = _seeds(key)
    random.seed(python_seed)
    np.random.seed(numpy_seed)
    torch.manual_seed(torch_seed)


@contextmanager
def seeded_generators(*key: int) -> Iterator[None]:
    """Seed Python's, numpy's and torch's CPU generators, and restore them after.

    Args:
        *key: Numbers >= 0 that name the stream, such as seed, epoch and index.
    """
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    python_seed, numpy_seed, torch_seed = _seeds(key)
    random.seed(python_seed)
    np.random.seed(numpy_seed)
    # not torch.manual_seed: it would seed the GPUs' generators as well
    torch.default_generator.manual_seed(torch_seed)
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])


def _seeds(key: tuple[int, ...]) -> list[int]:
    # a seed each: all three are Mersenne twisters, which one seed would make alike
    return [int(seed) for seed in np.random.SeedSequence(key).generate_state(3)]
