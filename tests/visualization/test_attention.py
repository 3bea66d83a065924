import numpy as np
import pytest

from m2ist_mm.structures import Placement
from m2ist_mm.visualization import draw_attention, draw_attention_sheet

# an image of 40 x 60 pixels (h x w), twice as large on a canvas of 128 x 128
PLACEMENT = Placement(
    ori_shape=(40, 60),
    canvas=(128, 128),
    scale=(2.0, 2.0),
    offset=(4.0, 24.0),
    window=(0.0, 0.0, 60.0, 40.0),
)
GREY = np.full((40, 60, 3), 100, np.uint8)


def one_cell(row, column):
    attention = np.zeros((8, 8))  # cells of 16 x 16 pixels of the canvas
    attention[row, column] = 0.1
    return attention


def strongest(drawn):
    """(x, y) of the middle of what is red."""
    red = drawn[..., 0].astype(int) - drawn[..., 2]
    rows, columns = np.nonzero(red > red.max() - 10)
    return (columns.mean() + 0.5, rows.mean() + 0.5)


def test_attention_lies_where_its_cell_is_in_the_image():
    drawn = draw_attention(GREY, one_cell(2, 5), PLACEMENT)
    assert drawn.shape == GREY.shape
    assert drawn.dtype == np.uint8
    # the cell's middle is (88, 40) on the canvas
    assert strongest(drawn) == pytest.approx((42, 8), abs=0.6)
    # far from it the image is as it was, in grey
    assert (drawn[25:] == 100).all()


def test_mirrored_image_is_not_mirrored_again():
    placement = Placement((40, 60), (128, 128), (-2.0, 2.0), (124.0, 24.0), (0,) * 4)
    drawn = draw_attention(GREY, one_cell(2, 5), placement)
    assert strongest(drawn) == pytest.approx((18, 8), abs=0.6)


def test_colours_do_not_depend_on_the_sum():
    weak, strong = one_cell(3, 3), 9 * one_cell(3, 3)
    same = draw_attention(GREY, weak, PLACEMENT)
    assert (same == draw_attention(GREY, strong, PLACEMENT)).all()
    assert (draw_attention(GREY, 0 * weak, PLACEMENT) == 100).all()
    assert (draw_attention(GREY, one_cell(7, 7), PLACEMENT) == 100).all()  # padding


def test_sheet_has_a_row_a_layer_and_a_column_a_head():
    attention = np.zeros((2, 3, 8, 8))
    attention[1, 2, 4, 3] = 1
    sheet = draw_attention_sheet(GREY, attention, PLACEMENT)
    red = sheet[..., 0].astype(int) - sheet[..., 2] > 100
    rows, columns = np.nonzero(red)
    height, width = sheet.shape[:2]
    # the last layer's mean and last head
    assert rows.min() > height / 2
    left, right = (columns[columns < width / 2], columns[columns > width / 2])
    assert len(left) == len(right)
    assert right.min() - left.min() == 3 * 164
    assert right.min() > width - 160
    last = sheet[-111:-4, -164:-4]  # 60 x 40 pixels became 160 x 107
    # the cell's middle is (56, 72) on the canvas
    assert strongest(last) == pytest.approx((26 * 160 / 60, 24 * 160 / 60), abs=1)


def test_wrong_shapes_are_named():
    with pytest.raises(ValueError, match=r'an attention map is \(h, w\).* \(2, 8, 8\)'):
        draw_attention(GREY, np.zeros((2, 8, 8)), PLACEMENT)
    with pytest.raises(ValueError, match='has 60x39 pixels, .* image of 60x40'):
        draw_attention(GREY[1:], one_cell(0, 0), PLACEMENT)
