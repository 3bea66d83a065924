"""Input of a head: the tokens of both modalities."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .tower_features import TowerFeatures


@dataclass
class Features:
    """Tokens of I images and of their E expressions.

    Attributes:
        vision: Tokens of the images, (I, N, C_v).
        language: Tokens of the expressions, (E, L, C_l).
        image_index: (E,) int64, the image (0 … I - 1) of each expression.
        positions: (I, N) int64, the position of each vision token on the vision tower's
            grid, row by row; ``None`` if all positions are present, in order.
    """

    vision: TowerFeatures
    language: TowerFeatures
    image_index: Tensor
    positions: Tensor | None = None

    def without_padding(self) -> 'Features':
        """Drop vision tokens that are padding in every image.

        No token attends to padding, so the result is the same. Images with fewer tokens
        than the fullest are padded behind theirs. The number of remaining tokens
        depends on the data, so an exported model does not use this.

        Returns:
            Features with ``positions``, whose vision tokens have no ``grid`` any more.
        """
        mask = self.vision.mask
        order = mask.to(torch.uint8).argsort(dim=1, stable=True)
        kept = order[:, : int((~mask).sum(dim=1).max())]
        tokens = self.vision.tokens
        vision = TowerFeatures(
            tokens=tokens.gather(1, kept[:, :, None].expand(-1, -1, tokens.shape[2])),
            mask=mask.gather(1, kept),
        )
        return Features(vision, self.language, self.image_index, kept)

    def pooled(self, grid: tuple[int, int], size: int) -> 'Features':
        """Average the vision tokens of every ``size`` × ``size`` cells of the grid.

        Padding does not count; an average of padding alone is padding.

        Args:
            grid: Rows and columns of the vision tower's tokens, multiples of ``size``.
            size: Rows and columns that make one.

        Returns:
            Features on a grid of ``size`` times fewer rows and columns, all present.
        """
        mask, places = self.vision.mask, self.positions
        rows, columns = (count // size for count in grid)
        if places is None:
            places = torch.arange(mask.shape[1], device=mask.device).expand_as(mask)
        cells = places // grid[1] // size * columns + places % grid[1] // size
        share = F.one_hot(cells, rows * columns) * ~mask[..., None]
        share = share.to(self.vision.tokens.dtype).transpose(1, 2)
        count = share.sum(2, keepdim=True)
        vision = TowerFeatures(
            tokens=share @ self.vision.tokens / count.clamp(min=1),
            mask=count[..., 0] == 0,
            grid=(rows, columns),
        )
        return Features(vision, self.language, self.image_index)
