"""Mirror images and scales over which a prediction is averaged."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

__all__ = ["MIRRORS", "resize_maps", "scaled_size"]

MIRRORS: tuple[tuple[int, ...], ...] = ((), (-1,), (-2,), (-2, -1))
"""Axes that are turned round: the image itself and its three mirror images."""

_STRIDE_PX = 32


def scaled_size(size: tuple[int, ...], scale: float) -> tuple[int, ...]:
    """Give the size at a scale: the own one at 1, else the nearest multiple of the coarsest stride, 32 px.

    Args:
        size: Height and width in pixels.
        scale: Above 0.

    Returns:
        Height and width in pixels.

    Example:
        >>> scaled_size((160, 200), 1.25), scaled_size((160, 200), 1)
        ((192, 256), (160, 200))
    """
    if scale == 1:
        return size
    return tuple(max(_STRIDE_PX, round(side * scale / _STRIDE_PX) * _STRIDE_PX) for side in size)


def resize_maps(maps: Tensor, size: tuple[int, ...], *, antialias: bool = False) -> Tensor:
    """Resize maps bilinearly.

    Args:
        maps: (B, C, H, W).
        size: Height and width in pixels.
        antialias: Average over areas where the maps shrink.

    Returns:
        (B, C, *size); the maps themselves where they have that size already.

    Example:
        >>> import torch
        >>> resize_maps(torch.zeros(1, 1, 4, 4), (8, 6)).shape
        torch.Size([1, 1, 8, 6])
    """
    if tuple(maps.shape[-2:]) == tuple(size):
        return maps
    return F.interpolate(maps, size=size, mode="bilinear", align_corners=False, antialias=antialias)
