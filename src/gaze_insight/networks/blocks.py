"""The U-Net's building blocks."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["TwoConvolutions", "UpAndJoin", "Upsampling", "fit_to"]

Upsampling = Literal["deconv", "bilinear"]


def _convolution(in_channels: int, out_channels: int, groups: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, padding=1),
        nn.GroupNorm(groups, out_channels),
        nn.LeakyReLU(0.1, inplace=True),
    )


class TwoConvolutions(nn.Sequential):
    """Twice: 3 x 3 convolution, group norm, leaky ReLU (slope 0.1).

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output; a multiple of `groups`.
        groups: Groups of the norm. Group statistics are those of one image, so no image depends on its batch.

    Example:
        >>> TwoConvolutions(3, 8)(torch.zeros(1, 3, 5, 7)).shape
        torch.Size([1, 8, 5, 7])
    """

    def __init__(self, in_channels: int, out_channels: int, *, groups: int = 4) -> None:
        super().__init__(
            _convolution(in_channels, out_channels, groups), _convolution(out_channels, out_channels, groups)
        )


def fit_to(features: Tensor, height: int, width: int) -> Tensor:
    """Repeat or cut the last rows and columns until a map has the given size.

    Args:
        features: (B, C, h, w).
        height: Rows wanted.
        width: Columns wanted.

    Returns:
        (B, C, height, width); the input itself where it fits already.

    Example:
        >>> fit_to(torch.arange(4.0).view(1, 1, 2, 2), 3, 1).flatten().tolist()
        [0.0, 2.0, 2.0]
    """
    rows, columns = height - features.shape[-2], width - features.shape[-1]
    if rows > 0 or columns > 0:
        features = F.pad(features, (0, max(columns, 0), 0, max(rows, 0)), mode="replicate")
    if rows < 0 or columns < 0:
        features = features[..., :height, :width]
    return features


class UpAndJoin(nn.Module):
    """Enlarge a coarse map to the size of the next finer one, join both, and convolve twice.

    Args:
        in_channels: Channels of the coarse map.
        skip_channels: Channels of the finer map that comes from the encoder.
        out_channels: Channels of the output.
        upsample: "deconv", a transposed 2 x 2 convolution, or "bilinear", without weights.
        halve: Whether the transposed convolution halves the channels.

    Example:
        >>> block = UpAndJoin(8, 4, 4)
        >>> block(torch.zeros(1, 8, 3, 3), torch.zeros(1, 4, 7, 6)).shape
        torch.Size([1, 4, 7, 6])
    """

    def __init__(
        self,
        in_channels: int,
        skip_channels: int,
        out_channels: int,
        *,
        upsample: Upsampling = "deconv",
        halve: bool = True,
    ) -> None:
        super().__init__()
        up_channels = in_channels // 2 if upsample == "deconv" and halve else in_channels
        self.upsample = nn.ConvTranspose2d(in_channels, up_channels, 2, 2) if upsample == "deconv" else None
        self.convolutions = TwoConvolutions(skip_channels + up_channels, out_channels)

    def forward(self, coarse: Tensor, skip: Tensor) -> Tensor:
        """Join a coarse and a finer map.

        Args:
            coarse: (B, in_channels, h, w).
            skip: (B, skip_channels, H, W), about twice as large.

        Returns:
            (B, out_channels, H, W).
        """
        height, width = skip.shape[-2:]
        if self.upsample is None:
            up = F.interpolate(coarse, size=(height, width), mode="bilinear", align_corners=False)
        else:
            up = fit_to(self.upsample(coarse), height, width)
        joined: Tensor = self.convolutions(torch.cat([skip, up], dim=1))
        return joined
