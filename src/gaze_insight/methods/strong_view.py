"""A strongly varied view of a batch, and the same move of labels and predictions."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from gaze_insight.losses.soft_labels import SoftLabels
from gaze_insight.methods.protocol import Batch
from gaze_insight.types import IGNORE, Settings

__all__ = ["StrongView", "StrongViewSettings", "strong_view"]

_DRAWS = 16
_LEAST_NOISE = 1e-6


class StrongViewSettings(Settings):
    """How far the strong view goes; each part is off at the value that its description names.

    Example:
        >>> StrongViewSettings(zoom=1).zoom
        1.0
    """

    zoom: float = Field(1.5, ge=1, le=4, description="scales lie in [1 / zoom, zoom]; off: 1")
    colour: float = Field(
        0.4, ge=0, le=2, description="log of the largest gain of brightness, contrast and saturation; off: 0"
    )
    blur_px: float = Field(1.5, ge=0, le=8, description="sd of the blur, mixed in by a random share; off: 0")
    noise_sd: float = Field(0.05, ge=0, le=1, description="largest sd of the noise, range 1; off: 0")
    cutout_frac: float = Field(0.15, ge=0, lt=1, description="largest area that is cut out; off: 0")


@dataclass(frozen=True)
class StrongView:
    """A varied batch and how it was moved.

    Attributes:
        image: (B, 3, H, W), RGB in [0, 1].
        known: (B, 1, H, W) bool; False outside of the plain image and where it is cut out.
        scale: (B,), the zoom; above 1 for an enlarged image.
        grid: (B, H, W, 2), where each pixel lies in the plain view, in [-1, 1] within the image.
    """

    image: Tensor
    known: Tensor
    scale: Tensor
    grid: Tensor

    def move(self, maps: Tensor, *, fill: float = 0.0) -> Tensor:
        """Move a map of the plain view as the images were moved, interpolating linearly.

        Args:
            maps: (B, C, H, W).
            fill: Value of the pixels that are not known.

        Returns:
            The moved map, float32.
        """
        moved = F.grid_sample(maps.float(), self.grid, padding_mode="border", align_corners=False)
        return torch.where(self.known, moved, fill)

    def move_hard(self, labels: Tensor) -> Tensor:
        """Move a map of 0, 1 and 255 by the nearest pixel; what is not known becomes 255.

        Args:
            labels: (B, 1, H, W) uint8.

        Returns:
            The moved map, uint8.
        """
        moved = F.grid_sample(
            labels.float(), self.grid, mode="nearest", padding_mode="border", align_corners=False
        )
        return moved.to(torch.uint8).masked_fill(~self.known, IGNORE)

    def move_labels(self, labels: SoftLabels) -> SoftLabels:
        """Move labels; a pixel with an unknown neighbour to interpolate from is unknown.

        Args:
            labels: The labels of the plain view.

        Returns:
            The labels of this view.
        """
        known = self.move(labels.known) > 1 - 1e-4
        foreground, trust = (
            torch.where(known, self.move(part).clamp(0, 1), 0.0) for part in (labels.foreground, labels.trust)
        )
        return SoftLabels(foreground, trust, known, labels.case_weight)


def strong_view(batch: Batch, settings: StrongViewSettings, fill: Tensor) -> StrongView:
    """Vary a batch: zoom, then colour, blur and noise, then a rectangle cut out.

    All that is random follows from the step's noise and seed, image by image, so that an image is varied
    alike in whichever process it is.

    Args:
        batch: The plain view.
        settings: How far to go.
        fill: (1, 3, 1, 1), colour of what is cut out or lies outside.

    Returns:
        The view.

    Example:
        >>> batch = Batch(torch.rand(2, 3, 16, 16), {}, None, torch.rand(2, 1, 16, 16), 0.0)
        >>> view = strong_view(batch, StrongViewSettings(), torch.full((1, 3, 1, 1), 0.5))
        >>> tuple(view.image.shape), tuple(view.move(batch.noise).shape)
        ((2, 3, 16, 16), (2, 1, 16, 16))
    """
    draws = batch.noise.flatten(1)[:, -_DRAWS:].float()
    grid, scale = _zoomed(batch.image, settings.zoom, draws[:, :3])
    known = (grid.abs() <= 1).all(dim=-1)[:, None] & ~_cut_out(batch.image, settings, draws[:, 3:7])
    image = F.grid_sample(batch.image, grid, padding_mode="border", align_corners=False)
    image = _coloured(image, settings.colour, draws[:, 7:13])
    image = _blurred(image, settings.blur_px, draws[:, 13])
    if settings.noise_sd:
        image = _noisy(image, batch, settings.noise_sd * draws[:, 14])
    return StrongView(torch.where(known, image.clamp(0, 1), fill), known, scale, grid)


def _zoomed(image: Tensor, zoom: float, draws: Tensor) -> tuple[Tensor, Tensor]:
    """Enlarged images show a random part; reduced ones lie at a random place."""
    scale = torch.exp((2 * draws[:, 0] - 1) * math.log(zoom))
    room = (1 - 1 / scale).abs()
    theta = torch.zeros(len(image), 2, 3, device=image.device)
    theta[:, 0, 0] = theta[:, 1, 1] = 1 / scale
    theta[:, :, 2] = (2 * draws[:, 1:3] - 1) * room[:, None]
    return F.affine_grid(theta, list(image.shape), align_corners=False), scale


def _cut_out(image: Tensor, settings: StrongViewSettings, draws: Tensor) -> Tensor:
    """Choose a rectangle of up to the given area, sides in the ratio of up to 2 : 1, that may be cut off."""
    height, width = image.shape[-2:]
    area, ratio, down, across = (draws[:, i].view(-1, 1, 1, 1) for i in range(4))
    sides = (settings.cutout_frac * area).sqrt()
    tall, wide = sides * 2 ** (ratio - 0.5), sides * 2 ** (0.5 - ratio)
    rows = (torch.arange(height, device=image.device) + 0.5).view(1, 1, -1, 1) / height
    columns = (torch.arange(width, device=image.device) + 0.5).view(1, 1, 1, -1) / width
    return ((rows - down).abs() < tall / 2) & ((columns - across).abs() < wide / 2)


def _coloured(image: Tensor, strength: float, draws: Tensor) -> Tensor:
    if not strength:
        return image
    gains = torch.exp((2 * draws - 1) * strength)[:, :, None, None]
    brightness, contrast, saturation = gains[:, 0:1], gains[:, 1:2], gains[:, 2:3]
    tint = gains[:, 3:6] ** (1 / 3)
    grey = image.mean(dim=1, keepdim=True)
    image = (grey + (image - grey) * saturation) * brightness * tint
    middle = image.mean(dim=(1, 2, 3), keepdim=True)
    return middle + (image - middle) * contrast


def _blurred(image: Tensor, sd_px: float, share: Tensor) -> Tensor:
    if not sd_px:
        return image
    reach = min(math.ceil(3 * sd_px), min(image.shape[-2:]) - 1)
    offsets = torch.arange(-reach, reach + 1, device=image.device, dtype=image.dtype)
    kernel = torch.exp(-offsets.square() / (2 * sd_px**2))
    kernel = (kernel / kernel.sum()).expand(image.shape[1], 1, -1)
    padded = F.pad(image, (reach,) * 4, mode="reflect")
    rows = F.conv2d(padded, kernel[:, :, None, :], groups=image.shape[1])
    smooth = F.conv2d(rows, kernel[:, :, :, None], groups=image.shape[1])
    return image + share.view(-1, 1, 1, 1) * (smooth - image)


def _noisy(image: Tensor, batch: Batch, sd: Tensor) -> Tensor:
    """Add normal noise, one plane for each colour: the step's noise, rolled by distances from its seed."""
    normal = 2**0.5 * torch.erfinv(2 * batch.noise.clamp(_LEAST_NOISE, 1 - _LEAST_NOISE) - 1)
    height, width = normal.shape[-2:]
    generator = torch.Generator().manual_seed(batch.seed)
    rolls = torch.rand(image.shape[1], 2, generator=generator).tolist()
    planes = [normal.roll((int(y * height), int(x * width)), dims=(2, 3)) for y, x in rolls]
    return image + sd.view(-1, 1, 1, 1) * torch.cat(planes, dim=1)
