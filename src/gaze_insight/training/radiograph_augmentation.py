"""Joint augmentation of a radiograph, where it was looked at, and the boxes drawn on it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from gaze_insight.types import Settings

__all__ = ["Moves", "RadiographAugmentation", "draw_moves", "vary_light"]


class RadiographAugmentation(Settings):
    """How training radiographs are varied; zero leaves a part out."""

    rotation_deg: float = Field(7.0, ge=0, le=45, description="largest rotation")
    scale: float = Field(0.1, ge=0, lt=1, description="scales lie in [1 - scale, 1 + scale]")
    shift_frac: float = Field(0.05, ge=0, le=0.5, description="largest shift, of the side")
    brightness: float = Field(0.15, ge=0, le=1, description="largest change of brightness")
    contrast: float = Field(0.15, ge=0, le=1, description="largest change of contrast")
    mirror: bool = Field(
        False,
        description="mirror half of the images left to right; the heart changes its side, and words of side "
        "no longer fit",
    )


@dataclass(frozen=True)
class Moves:
    """Affine moves of B square pictures, in fractions of the side: ``moved = A (p - 1/2) + 1/2 + shift``.

    Args:
        matrix: A, (B, 2, 2), invertible.
        shift: (B, 2), x and y.

    Example:
        >>> still = Moves(torch.eye(2)[None], torch.zeros(1, 2))
        >>> still.points(torch.tensor([[[0.25, 0.5]]])).tolist()
        [[[0.25, 0.5]]]
    """

    matrix: Tensor
    shift: Tensor

    def __len__(self) -> int:
        return len(self.matrix)

    def part(self, which: slice) -> Moves:
        """Take the moves of some pictures.

        Args:
            which: Which of them.
        """
        return Moves(self.matrix[which], self.shift[which])

    def points(self, points: Tensor) -> Tensor:
        """Move points with their pictures.

        Args:
            points: (B, N, 2), x and y as fractions of the side.

        Returns:
            (B, N, 2); a point that leaves the picture lies outside [0, 1].
        """
        return (points - 0.5) @ self.matrix.transpose(1, 2) + 0.5 + self.shift[:, None]

    def sources(self, points: Tensor) -> Tensor:
        """Say where the points of the moved picture come from; the inverse of `points`.

        Args:
            points: (N, 2), x and y as fractions of the side, the same for each picture.

        Returns:
            (B, N, 2).
        """
        back = torch.linalg.inv(self.matrix)
        sources: Tensor = (points[None] - 0.5 - self.shift[:, None]) @ back.transpose(1, 2) + 0.5
        return sources

    def maps(self, planes: Tensor) -> Tensor:
        """Move pictures or maps, bilinearly; what comes from outside is 0.

        Args:
            planes: (B, K, S, S) floats.

        Returns:
            The same shape, on the same device.
        """
        back = torch.linalg.inv(self.matrix)
        theta = torch.cat([back, -2 * back @ self.shift[:, :, None]], dim=2).to(planes)
        grid = F.affine_grid(theta, list(planes.shape), align_corners=False)
        return F.grid_sample(planes, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def draw_moves(count: int, settings: RadiographAugmentation, generator: torch.Generator) -> Moves:
    """Draw rotation, scale, shift and mirroring for pictures.

    Args:
        count: How many, B.
        settings: The sizes of variation.
        generator: CPU generator that decides everything random here.

    Returns:
        The moves; each picture keeps its place where all sizes are 0.

    Example:
        >>> calm = RadiographAugmentation(rotation_deg=0, scale=0, shift_frac=0)
        >>> torch.equal(draw_moves(1, calm, torch.Generator()).matrix[0], torch.eye(2))
        True
    """
    drawn = 2 * torch.rand(count, 4, generator=generator) - 1
    mirrored = torch.rand(count, generator=generator) < 0.5
    angle = drawn[:, 0] * math.radians(settings.rotation_deg)
    scale = 1 + drawn[:, 1] * settings.scale
    side = torch.where(mirrored, -1.0, 1.0) if settings.mirror else torch.ones(count)
    cosine, sine = scale * angle.cos(), scale * angle.sin()
    rows = [torch.stack([side * cosine, -sine], 1), torch.stack([side * sine, cosine], 1)]
    return Moves(torch.stack(rows, 1), drawn[:, 2:] * settings.shift_frac)


def vary_light(image: Tensor, settings: RadiographAugmentation, generator: torch.Generator) -> Tensor:
    """Vary brightness and contrast: ``(image - m) c + m + b``, with m the image's own mean.

    Args:
        image: (B, K, S, S) in [0, 1].
        settings: The sizes of variation.
        generator: CPU generator.

    Returns:
        The same shape, in [0, 1].

    Example:
        >>> dark = RadiographAugmentation(brightness=0, contrast=0)
        >>> float(vary_light(torch.full((1, 1, 2, 2), 0.5), dark, torch.Generator()).mean())
        0.5
    """
    drawn = (2 * torch.rand(len(image), 2, generator=generator) - 1).to(image)
    mean = image.mean(dim=(1, 2, 3), keepdim=True)
    contrast = 1 + settings.contrast * drawn[:, 0, None, None, None]
    brightness = settings.brightness * drawn[:, 1, None, None, None]
    return ((image - mean) * contrast + mean + brightness).clamp(0, 1)
