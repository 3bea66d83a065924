import torch

from m2ist_mm.models.towers.padding import map_padding


def test_mask_is_read_off_at_the_nearest_pixel():
    # 2 x 3 positions of 4 x 4 pixels are read at rows 0, 4 and columns 0, 4, 8
    padding = torch.ones(1, 8, 12, dtype=torch.bool)
    padding[0, 3:8, 4:9] = False
    assert map_padding(padding, (2, 3)).tolist() == [
        [[True, True, True], [True, False, False]]
    ]


def test_image_between_the_pixels_that_are_read_is_not_lost():
    padding = torch.ones(2, 8, 12, dtype=torch.bool)
    padding[0, 1:6, 5:7] = False
    padding[1] = False
    mask = map_padding(padding, (2, 3))
    assert mask[0].tolist() == 2 * [[True, False, True]]
    assert not mask[1].any()
