import torch

from m2ist_mm.structures import Features, TowerFeatures


def build(grid, mask=None):
    count = grid[0] * grid[1]
    if mask is None:
        mask = torch.zeros(2, count, dtype=torch.bool)
    return Features(
        TowerFeatures(torch.randn(2, count, 3), mask, grid=grid),
        TowerFeatures(torch.randn(3, 4, 9), torch.zeros(3, 4, dtype=torch.bool)),
        torch.tensor([0, 1, 1]),
    )


def test_pooled_averages_cells():
    features = build((4, 6))
    pooled = features.pooled((4, 6), 2)
    maps = features.vision.tokens.unflatten(1, (4, 6))
    assert pooled.vision.grid == (2, 3)
    for row in range(2):
        for column in range(3):
            cell = maps[:, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
            token = pooled.vision.tokens[:, 3 * row + column]
            torch.testing.assert_close(token, cell.mean((1, 2)))
    assert not pooled.vision.mask.any()
    assert pooled.positions is None
    assert pooled.language is features.language
    assert pooled.image_index is features.image_index


def test_pooled_leaves_out_padding():
    mask = torch.zeros(2, 24, dtype=torch.bool)
    mask[0, 12:] = True  # the lower half
    mask[1, [0, 1, 6]] = True  # three of the first cell's four
    features = build((4, 6), mask)
    tokens = features.vision.tokens
    pooled = features.pooled((4, 6), 2)
    assert pooled.vision.mask.tolist() == [3 * [False] + 3 * [True], 6 * [False]]
    torch.testing.assert_close(pooled.vision.tokens[1, 0], tokens[1, 7])
    cut = features.without_padding().pooled((4, 6), 2)
    assert torch.equal(cut.vision.mask, pooled.vision.mask)
    torch.testing.assert_close(cut.vision.tokens, pooled.vision.tokens)
