import random

import numpy as np
import torch

from m2ist_mm.seeding import seed_generators, seeded_generators


def draw():
    return random.random(), np.random.rand(), torch.rand(1).item()


def test_both_doors_draw_the_same_of_a_key():
    seed_generators(3, 5, 0)
    expected = draw()
    with seeded_generators(3, 5, 0):
        assert draw() == expected
    with seeded_generators(3, 5, 1):
        other = draw()
    assert not set(other) & set(expected)


def test_generators_draw_unlike_one_another():
    with seeded_generators(0):
        assert len(set(draw())) == 3


def test_generators_are_restored():
    seed_generators(1)
    expected = draw()
    seed_generators(1)
    with seeded_generators(2):
        draw()
    assert draw() == expected


def test_numbers_are_those_of_earlier_releases():
    """A resumed training must draw what it would have drawn."""
    with seeded_generators(0, 1, 2):
        seeds = np.random.SeedSequence((0, 1, 2)).generate_state(3)
        assert random.random() == random.Random(int(seeds[0])).random()
        assert np.random.rand() == np.random.RandomState(seeds[1]).rand()
        generator = torch.Generator().manual_seed(int(seeds[2]))
        assert torch.rand(1) == torch.rand(1, generator=generator)
