import numpy as np
import pytest

from m2ist_mm.report import draw_labelled_and_predicted
from m2ist_mm.report.draw_boxes import LABELLED, PREDICTED

GREY = np.full((100, 200, 3), 120, np.uint8)


def share(image, color):
    """Share of pixels of a colour in the outline (10, 20)-(100, 80)."""
    return (image[20, 10:100] == color).all(-1).mean()


def test_predicted_box_is_solid_and_labelled_one_dashed():
    predicted = draw_labelled_and_predicted(GREY, None, [10, 20, 100, 80])
    assert share(predicted, PREDICTED) == 1
    assert not (predicted == LABELLED).all(-1).any()
    labelled = draw_labelled_and_predicted(GREY, [10, 20, 100, 80], None)
    assert 0.3 < share(labelled, LABELLED) < 0.8
    assert (GREY == 120).all()


def test_of_equal_boxes_both_are_seen():
    drawn = draw_labelled_and_predicted(GREY, [10, 20, 100, 80], [10, 20, 100, 80])
    assert share(drawn, LABELLED) > 0.3 and share(drawn, PREDICTED) > 0.1


def test_boxes_shrink_with_the_image():
    drawn = draw_labelled_and_predicted(
        np.full((200, 400, 3), 120, np.uint8), None, [20, 40, 200, 160], max_side=200
    )
    assert drawn.shape == (100, 200, 3)
    assert share(drawn, PREDICTED) == 1


@pytest.mark.parametrize('box', [[-50, -50, 500, 500], [0, 0, 200, 100]])
def test_box_at_the_edge_is_seen(box):
    drawn = draw_labelled_and_predicted(GREY, None, box)
    assert (drawn[1, 5:-5] == PREDICTED).all()
    assert (drawn[-2, 5:-5] == PREDICTED).all()


def test_image_of_one_pixel_is_no_error():
    drawn = draw_labelled_and_predicted(GREY[:1, :1], [0, 0, 1, 1], [0, 0, 1, 1])
    assert drawn.shape == (1, 1, 3)
