import torch
from torch import nn

from m2ist_mm.efficiency import AllocationTracker

KB = 1000


def test_bytes_are_counted_from_making_to_end():
    with AllocationTracker() as tracker:
        first = torch.zeros(KB)
        second = first + 1
        assert tracker.live == 8 * KB
        del first
        assert tracker.live == 4 * KB
        third = torch.zeros(2 * KB, dtype=torch.uint8)
        assert tracker.live == 6 * KB
        del second, third
        assert tracker.live == 0
    assert tracker.peak == 8 * KB
    assert [size for _, size in tracker.timeline] == [0, 4 * KB, 8 * KB, 6 * KB]


def test_views_and_what_was_there_before_are_no_allocations():
    before = torch.zeros(KB)
    with AllocationTracker() as tracker:
        half = before[: KB // 2].view(2, -1)
        before.add_(1)
        assert tracker.live == 0
        copy = half.clone()
        row = copy[0]
        del copy
        # the row keeps the whole copy alive
        assert tracker.live == 2 * KB
        del row
        assert tracker.live == 0
        # not by way of an operation on what was there
        numbers = torch.tensor([1.0] * 10)
        assert tracker.live == 40
    del numbers


def test_new_timeline_begins_with_what_is_alive():
    with AllocationTracker() as tracker:
        kept = torch.zeros(KB)
        (kept + 1).sum()
        assert tracker.peak == 8 * KB + 4
        tracker.start()
        assert tracker.timeline == [('', 4 * KB)]
        assert tracker.peak == 4 * KB


def test_peak_of_a_backward_pass_is_the_hand_count():
    layers = nn.Sequential(nn.Linear(10, 20), nn.ReLU(), nn.Linear(20, 30))
    inputs = torch.randn(5, 10)
    with AllocationTracker() as tracker:
        loss = layers(inputs).sum()
        # ReLU's output and the loss
        assert tracker.live == 4 * (5 * 20 + 1)
        loss.backward()
        weights = sum(p.numel() for p in layers.parameters())
        assert tracker.live == 4 * (1 + weights)
        del loss
        layers.zero_grad()
        assert tracker.live == 0


def test_other_devices_are_not_counted():
    with AllocationTracker('cuda') as tracker:
        torch.zeros(KB)
    assert tracker.peak == 0


def test_repetition_gives_the_same_timeline():
    def run():
        layer = nn.TransformerEncoderLayer(16, 2, 32)
        inputs = torch.randn(3, 4, 16)
        with AllocationTracker() as tracker:
            layer(inputs).square().mean().backward()
        return tracker.timeline

    assert run() == run()
