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
        (dict(max_tokens=2), 'max_tokens must be at least 3, got 2'),
    ],
)
def test_what_no_tower_can_take_is_refused(field, reason):
    with pytest.raises(ValueError, match=reason):
        InputSpec(**field)
