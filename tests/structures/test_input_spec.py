import pytest

from m2ist_mm.structures import InputSpec


def test_two_towers_specs_join():
    vision = InputSpec(size=(128, 96), mean=(1.0, 2.0, 3.0), channel_order='bgr')
    language = InputSpec(tokenizer='bert', max_tokens=20, channel_order='rgb')
    assert vision.join(language) == InputSpec(
        size=(128, 96),
        mean=(1.0, 2.0, 3.0),
        channel_order='bgr',  # the first's
        tokenizer='bert',
        max_tokens=20,
    )


@pytest.mark.parametrize(
    ('field', 'reason'),
    [
        (dict(channel_order='gbr'), "'rgb' or 'bgr', not 'gbr'"),
        (dict(size=(128, 0)), r'\(h, w\) in pixels, got \(128, 0\)'),
        (dict(size=(128.0, 96)), r'\(h, w\) in pixels, got \(128.0, 96\)'),
        (dict(size=(128,)), r'\(h, w\) in pixels, got \(128,\)'),
        (dict(size=640), r'size must be \(h, w\) in pixels, got 640'),
        (dict(size='ab'), "got 'ab'"),
        (dict(mean=(1, 2)), r'mean must be 3 finite numbers, .* got \(1, 2\)'),
        (dict(mean='abc'), "mean must be 3 finite numbers, .* got 'abc'"),
        (dict(mean=(1, 2, float('nan'))), 'mean must be 3 finite numbers'),
        (dict(mean=(1, 2, '3')), 'mean must be 3 finite numbers'),
        (dict(std=(1, float('inf'), 3)), 'std must be 3 finite numbers'),
        (dict(std=(1, 0, 3)), r'std must be above 0, got \(1, 0, 3\)'),
        (dict(std=(1, 2, -3)), 'std must be above 0'),
        (dict(pad_value=114), 'pad_value must be 3 finite numbers, .* got 114'),
        (dict(max_tokens=2), 'max_tokens must be an integer of at least 3, got 2'),
        (dict(max_tokens=3.5), 'max_tokens must be an integer .* got 3.5'),
        (dict(max_tokens='9'), "max_tokens must be an integer .* got '9'"),
    ],
)
def test_what_no_tower_can_take_is_refused(field, reason):
    with pytest.raises(ValueError, match=reason):
        InputSpec(**field)


def test_lists_are_as_tuples():
    lists = dict(size=[128, 96], mean=[1, 2, 3], std=[4, 5, 6], pad_value=[0, 0, 0])
    spec = InputSpec(**lists)
    assert spec == InputSpec(**{name: tuple(value) for name, value in lists.items()})
    assert (spec.size, spec.pad_value) == ((128, 96), (0, 0, 0))
