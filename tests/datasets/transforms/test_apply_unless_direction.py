import numpy as np
import pytest
from mmcv.transforms import BaseTransform
from mmdet.registry import TRANSFORMS

from m2ist_mm.datasets import ApplyUnlessDirection


@TRANSFORMS.register_module()
class MarkSample(BaseTransform):
    def transform(self, results):
        results['marked'] = True
        return results


def share_applied(text, prob, number=300):
    np.random.seed(0)
    transform = ApplyUnlessDirection([dict(type='MarkSample')], prob=prob)
    return sum('marked' in transform(dict(text=text)) for _ in range(number)) / number


@pytest.mark.parametrize(
    'text', ['left', ['dog on left'], ['red dog', 'top bunk'], ['middle one', 'dog']]
)
def test_sample_with_a_direction_word_passes_unchanged(text):
    assert share_applied(text, prob=1.0) == 0


@pytest.mark.parametrize('text', [['laptop'], ['bright dog', 'red cat']])
def test_other_samples_are_transformed(text):
    assert share_applied(text, prob=1.0) == 1
    assert share_applied(text, prob=0.5) == pytest.approx(0.5, abs=0.1)
