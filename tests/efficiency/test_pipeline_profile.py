import pytest
from mmcv.transforms import BaseTransform, RandomApply
from mmengine.dataset import Compose

from m2ist_mm.efficiency import PipelineProfile


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


class Work(BaseTransform):
    """Takes its time, and counts how often it ran."""

    def __init__(self, clock, seconds):
        self.clock = clock
        self.seconds = seconds

    def transform(self, results):
        self.clock.now += self.seconds
        if 'fail' in results:
            raise ValueError('broken')
        return dict(results, runs=results['runs'] + 1)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def pipeline(clock):
    """Steps of 1 and 2 seconds around two inner ones of 4 and 8."""
    inner = RandomApply([Work(clock, 4), Work(clock, 8)], prob=1.0)
    return Compose([Work(clock, 1), inner, Work(clock, 2)])


def test_every_step_is_timed_inner_ones_too(pipeline, clock):
    profile = PipelineProfile(pipeline, clock)
    assert pipeline(dict(runs=0)) == pipeline(dict(runs=0)) == dict(runs=4)
    assert profile.seconds == {
        '1 Work': 2,
        '2 RandomApply / 1 Work': 8,
        '2 RandomApply / 2 Work': 16,
        '3 Work': 4,
    }
    assert set(profile.calls.values()) == {2}


def test_step_that_never_runs_is_listed(pipeline, clock):
    pipeline.transforms[1].prob = 0.0
    profile = PipelineProfile(pipeline, clock)
    pipeline(dict(runs=0))
    assert profile.seconds['2 RandomApply / 1 Work'] == 0
    assert profile.calls['2 RandomApply / 1 Work'] == 0
    assert profile.calls['1 Work'] == 1


def test_errors_of_steps_pass(pipeline, clock):
    profile = PipelineProfile(pipeline, clock)
    with pytest.raises(ValueError, match='broken'):
        pipeline(dict(runs=0, fail=True))
    assert profile.seconds['1 Work'] == 1
