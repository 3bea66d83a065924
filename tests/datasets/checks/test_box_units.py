"""Boxes that are not in pixels."""

import pytest

from m2ist_mm.datasets.checks import check_expressions, looks_like_unit


def boxes(bbox, size, count=20):
    width, height = size
    return [
        dict(
            text='dog',
            bbox=bbox,
            width=width,
            height=height,
            entry=f'a.json: entry {number}',
            split='train',
            sent_id=number,
            img_path='a.jpg',
        )
        for number in range(count)
    ]


@pytest.mark.parametrize(
    ('unit', 'bbox'),
    [
        ('relative', [0.1, 0.2, 0.5, 1]),
        ('percent', [10, 20, 50, 80]),
        ('permille', [10, 20, 500, 800]),
    ],
)
def test_a_small_image_hides_no_unit(unit, bbox):
    large = boxes(bbox, (1200, 1100))
    assert looks_like_unit([*large, *boxes(bbox, (90, 1), 1)]) == (unit, 20)


def test_units_are_judged_by_the_boxes_of_larger_images():
    percent = [10, 20, 50, 80]
    small = boxes(percent, (90, 90), 100)
    assert looks_like_unit([*small, *boxes(percent, (640, 480), 19)]) is None
    pixels = boxes([300, 20, 500, 80], (640, 480), 1)
    assert looks_like_unit([*boxes(percent, (640, 480)), *pixels]) is None


def check(expressions, **options):
    return check_expressions(expressions, set(), **options)


def test_a_relative_box_among_pixels_is_a_fault():
    pixels = boxes([10, 20, 50, 80], (640, 480), 1)[0]
    relative = dict(pixels, bbox=[0.1, 0.2, 0.5, 1.0], entry='it', sent_id=5)
    sound, faults, _ = check([pixels, relative])
    assert [expression['sent_id'] for expression in sound] == [0]
    assert faults == [
        'it: its box [0.1, 0.2, 0.5, 1.0] (xyxy) lies within the first pixel; is it in '
        "relative units (0 to 1)? Mend it, or say box_unit='pixel' if it is right"
    ]
    for changed in (
        dict(relative, width=32),  # small itself
        dict(relative, bbox=[0.1, 0.2, 1.5, 1.0]),
        dict(relative, box_unit='percent'),  # was converted
    ):
        assert check([pixels, changed])[1] == []
    assert check([pixels, relative], box_unit='pixel')[1] == []


def test_boxes_that_leave_small_images_may_be_in_permille():
    permille = boxes([100, 200, 500, 800], (320, 240))
    hint = "; are the boxes in permille units (box_unit='permille')?"
    _, faults, _ = check(permille)
    assert len(faults) == 20 and all(fault.endswith(hint) for fault in faults)
    _, faults, _ = check([*permille, *boxes([10, 20, 50, 80], (320, 240), 19)])
    assert len([fault for fault in faults if fault.endswith(hint)]) == 20
    for others in (
        check([*permille, *boxes([10, 20, 50, 80], (320, 240))]),  # half of them fit
        check([*permille, *boxes([10, 20, 50, 1100], (320, 240), 1)]),
        check(permille[:19]),
        check(permille, box_unit='pixel'),
    ):
        assert others[1] and not any('permille' in fault for fault in others[1])


def test_a_box_that_leaves_its_image_may_have_been_corners():
    # in the file: 150, 100, 300, 200
    (box,) = boxes([150, 100, 450, 300], (320, 240), 1)
    _, (fault,), _ = check([dict(box, bbox_form='xywh')])
    assert fault.endswith(
        '; are the last two numbers in the file, 300 and 200, its right and bottom? '
        'They must be its width and height'
    )
    for other in (box, dict(box, bbox_form='xywh', bbox=[150, 100, 500, 300])):
        _, (fault,), _ = check([other])
        assert fault.endswith(
            'leaves the image of 320x240 pixels, by more than box_tolerance=1'
        )
