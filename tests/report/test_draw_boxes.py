import numpy as np
import pytest

from m2ist_mm.report import draw_labelled_and_predicted
from m2ist_mm.report.draw_boxes import LABELLED, PREDICTED

GREY = np.full((100, 200, 3), 120, np.uint8)


def share(image, color):
    """Share of pixels of a colour in the outline (10, 20)-(100, 80)."""
    return (image[20, 10:101] == color).all(-1).mean()


def test_labelled_box_is_solid_and_predicted_one_dashed():
    labelled = draw_labelled_and_predicted(GREY, [10, 20, 100, 80], None)
    assert share(labelled, LABELLED) == 1
    assert not (labelled == PREDICTED).all(-1).any()
    predicted = draw_labelled_and_predicted(GREY, None, [10, 20, 100, 80])
    assert 0.3 < share(predicted, PREDICTED) < 0.8
    assert (GREY == 120).all()


def test_boxes_shrink_with_the_image():
    drawn = draw_labelled_and_predicted(
        np.full((200, 400, 3), 120, np.uint8), [20, 40, 200, 160], None, max_side=200
    )
    assert drawn.shape == (100, 200, 3)
    assert share(drawn, LABELLED) == 1


@pytest.mark.parametrize('box', [[-50, -50, 500, 500], [0, 0, 200, 100]])
def test_box_at_the_edge_is_seen(box):
    drawn = draw_labelled_and_predicted(GREY, box, None)
    assert (drawn[1, 5:-5] == LABELLED).all()
    assert (drawn[-2, 5:-5] == LABELLED).all()


def test_image_of_one_pixel_is_no_error():
    drawn = draw_labelled_and_predicted(GREY[:1, :1], [0, 0, 1, 1], [0, 0, 1, 1])
    assert drawn.shape == (1, 1, 3)
