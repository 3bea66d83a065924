"""Corrections of a box by what the image shows at its place."""

import torch
from torch import Tensor, nn

from ...structures import Features


class BoxRefinement(nn.Module):
    """Looks at points of a box and corrects the box.

    The REG token has to tell a box from everything it has gathered. Here the vision
    tokens at the box itself are read, those that have met the expression in the V-L
    encoder and those of the image alone, whose grid may be finer (:class:`BoxPoints`).
    From them and the REG token an MLP computes Faster R-CNN's corrections
    (arXiv 1506.01497). Several in a row are a cascade (arXiv 1712.00726). Begins as the
    identity.

    Args:
        embed_dims: Channels C of the tokens, and hidden width of the MLP.
        grid: Rows and columns of the vision tokens of the V-L encoder.
        image_grid: Those of the vision tower.
    """

    step = 0.5  # an output of 1 moves the centre by half a box
    limit = 2.0  # of what is moved, in boxes, and of the logarithm of the growth

    def __init__(
        self, embed_dims: int, grid: tuple[int, int], image_grid: tuple[int, int]
    ) -> None:
        super().__init__()
        self.vision = BoxPoints(embed_dims, grid, points=3)
        self.images = BoxPoints(embed_dims, image_grid, points=5)
        channels = self.vision.out_channels + self.images.out_channels + embed_dims
        self.mlp = box_mlp(channels, embed_dims)
        nn.init.zeros_(self.mlp[-1].weight)
        nn.init.zeros_(self.mlp[-1].bias)

    def forward(
        self, boxes: Tensor, target: Tensor, vision: Features, images: Features
    ) -> Tensor:
        """Correct boxes.

        Args:
            boxes: (E, 4) ``cxcywh`` relative to the canvas. No gradient passes through
                them: each correction learns from the boxes it gets.
            target: REG token of each expression, (E, C).
            vision: Vision tokens of the V-L encoder, with C channels.
            images: Vision tokens before it, with C channels.

        Returns:
            (E, 4) ``cxcywh``, positive width and height; may leave the canvas.
        """
        boxes = boxes.detach()
        samples = self.vision(boxes, vision), self.images(boxes, images)
        output = self.mlp(torch.cat([*samples, target], 1))
        move, grow = (self.step * output).clamp(-self.limit, self.limit).chunk(2, 1)
        centre, size = boxes.chunk(2, 1)
        return torch.cat([centre + move * size, size * grow.exp()], 1)


class BoxPoints(nn.Module):
    """Bilinear samples of projected tokens at points of a box (RoIAlign, 1703.06870).

    Args:
        embed_dims: Channels C of the tokens.
        grid: Rows and columns of the tokens.
        points: Points per row and per column, from edge to edge of the box.
        channels: Channels of a point.
    """

    def __init__(
        self, embed_dims: int, grid: tuple[int, int], points: int, channels: int = 64
    ) -> None:
        super().__init__()
        self.grid = grid
        self.points = points
        self.out_channels = points**2 * channels
        self.proj = nn.Linear(embed_dims, channels)

    def forward(self, boxes: Tensor, features: Features) -> Tensor:
        """Samples of each box, point by point, (E, ``out_channels``) float32.

        Args:
            boxes: (E, 4) ``cxcywh`` relative to the canvas.
            features: Vision tokens on the grid, with C channels.
        """
        tokens = self.proj(features.vision.tokens.float())[features.image_index]
        return (self._weights(boxes, features) @ tokens).flatten(1)

    @torch.no_grad()
    def _weights(self, boxes: Tensor, features: Features) -> Tensor:
        """Weights of bilinear interpolation, (E, points of a box, n); 0 for padding."""
        rows, columns = (
            (torch.arange(count, device=boxes.device) + 0.5) / count
            for count in self.grid
        )
        places = torch.stack(
            [columns.repeat(len(rows)), rows.repeat_interleave(len(columns))], 1
        )
        if features.positions is not None:
            places = places[features.positions][features.image_index]  # (E, n, 2)
        along = torch.linspace(-0.5, 0.5, self.points, device=boxes.device)
        grid = torch.cartesian_prod(along, along).flip(1)  # row by row, (x, y)
        at = boxes[:, None, :2] + grid * boxes[:, None, 2:]
        cells = boxes.new_tensor([self.grid[1], self.grid[0]])
        distance = (at[:, :, None] - places.unsqueeze(-3)).abs() * cells
        near = (1 - distance).clamp(min=0).prod(-1)
        near = near * ~features.vision.mask[features.image_index][:, None]
        return near / near.sum(-1, keepdim=True).clamp(min=1e-6)


def box_mlp(in_channels: int, channels: int) -> nn.Sequential:
    """Three linear layers, from a vector to the four numbers of a box."""
    return nn.Sequential(
        nn.Linear(in_channels, channels),
        nn.ReLU(),
        nn.Linear(channels, channels),
        nn.ReLU(),
        nn.Linear(channels, 4),
    )
