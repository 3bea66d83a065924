import numpy as np

from m2ist_mm.visualization.label_layout import LabelLayout


def test_label_stands_on_its_box_or_where_there_is_room():
    layout = LabelLayout((100, 80))
    assert layout.place((20, 10), (30, 40, 90, 70)) == (30, 30)  # above
    assert layout.place((20, 10), (30, 40, 90, 70)) == (30, 40)  # inside
    assert layout.place((20, 10), (90, 0, 100, 9)) == (80, 0)  # pushed into the image
    assert LabelLayout((100, 8)).place((20, 10), (0, 0, 9, 9)) is None


def test_labels_cover_neither_each_other_nor_leave_the_image():
    rng = np.random.default_rng(0)
    size, label = (400, 300), (30, 15)
    layout, page = LabelLayout(size), np.zeros(size[::-1], int)
    for _ in range(100):
        corners = np.sort(rng.uniform(-50, 450, (2, 2)), axis=0).flatten()
        left, top = layout.place(label, corners)
        place = page[top : top + label[1], left : left + label[0]]
        assert place.shape == label[::-1]
        place += 1
    assert page.max() == 1
    number = 100
    while layout.place(label, (0, 0, 9, 9)) is not None:
        number += 1
    assert number > 150  # of the 260 that would fit side by side
