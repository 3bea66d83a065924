import numpy as np

from m2ist_mm.visualization import expression_colors


def test_colors_stay_when_expressions_are_added():
    assert expression_colors(0) == []
    many = expression_colors(200)
    for k in (1, 3, 10, 12):
        assert expression_colors(k) == many[:k]


def test_colors_differ_and_carry_white_letters():
    colors = np.array(expression_colors(40))
    assert (colors >= 0).all()
    assert (colors <= 255).all()
    assert (colors @ [0.299, 0.587, 0.114]).max() < 150
    distances = np.abs(colors[:, None] - colors).sum(-1) + 1000 * np.eye(40)
    assert distances[:10, :10].min() >= 100  # those that most images need
    assert distances.min() > 10
