import pytest
import torch
from mmdet.structures import DetDataSample

from m2ist_mm.structures import Placement, check_box_frame, find_box_frame

# half as large, 30 pixels from the left and 10 from the top of the canvas
HALF = Placement(
    (60, 160), (60, 120), (0.5, 0.5), (30.0, 10.0), (0.0, 0.0, 160.0, 60.0)
)
BOXES = torch.tensor([[20, 10, 60, 50], [100, 0, 160, 60]])


def test_boxes_are_recognised_by_where_they_lie():
    assert find_box_frame(BOXES[[1]].float(), BOXES, HALF) == 'image'
    assert find_box_frame(HALF.to_canvas(BOXES), BOXES, HALF) == 'canvas'
    same = Placement.identity((60, 160))
    assert find_box_frame(BOXES.float(), BOXES, same) is None
    assert find_box_frame(torch.zeros(0, 4), BOXES, HALF) is None


def test_boxes_clipped_with_the_image_are_recognised():
    # the left 40 pixels of the canvas show 20 of the image
    cut = HALF.crop(0, 0, (60, 40))
    moved = torch.tensor([[40.0, 15, 40, 35]])
    assert find_box_frame(moved, BOXES[:1], cut) == 'canvas'
    # the whole image, beyond the border of a canvas that shows its upper left
    whole = torch.tensor([[0.0, 0, 160, 60]])
    corner = Placement.identity((60, 160)).crop(0, 0, (30, 80))
    assert find_box_frame(torch.tensor([[0.0, 0, 80, 30]]), whole, corner) == 'canvas'


def test_boxes_of_a_mirrored_image_are_recognised():
    mirrored = Placement(
        (60, 160), (60, 160), (-1.0, 1.0), (160.0, 0.0), (0.0, 0.0, 160.0, 60.0)
    )
    moved = torch.tensor([[100.0, 10, 140, 50], [0, 0, 60, 60]])
    assert find_box_frame(moved, BOXES, mirrored) == 'canvas'
    assert find_box_frame(BOXES, BOXES, mirrored) == 'image'
    symmetric = torch.tensor([[40.0, 0, 120, 60]])
    assert find_box_frame(symmetric, symmetric, mirrored) is None


def test_boxes_loaded_between_the_moves_are_refused():
    shifted = BOXES + torch.tensor([30, 10, 30, 10])  # resized before, padded after
    with pytest.raises(ValueError, match='neither .* set.* results.*box_frame'):
        find_box_frame(shifted, BOXES, HALF)


@pytest.mark.parametrize(
    ('frame', 'wanted', 'reason'),
    [
        ('canvas', 'image', 'a.jpg: .* of the canvas, .* load it last'),
        ('image', 'canvas', 'a.jpg: .* of the original image, .* load it first'),
    ],
)
def test_boxes_in_other_pixels_than_needed_are_refused(frame, wanted, reason):
    metainfo = dict(img_path='a.jpg', box_frame=frame)
    with pytest.raises(ValueError, match=reason):
        check_box_frame(metainfo, wanted)
    check_box_frame(metainfo, frame)
    check_box_frame(dict(box_frame=None), wanted)
    check_box_frame(DetDataSample(metainfo=dict(img_path='a.jpg')), wanted)
