"""What the decoders and the teacher need to know of an image encoder."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from gaze_insight.errors import DataError

__all__ = ["IMAGENET_MEAN", "IMAGENET_STD", "ImageEncoder"]

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class ImageEncoder(nn.Module):
    """An encoder that takes RGB in [0, 1], normalises it itself, and gives five maps, finest first.

    Args:
        channels: Channels of the five maps.
        strides: Input pixels per map pixel, for the five maps.
        mean: Mean of each input channel, in [0, 1].
        std: Standard deviation of each input channel.

    Example:
        >>> encoder = ImageEncoder((8,) * 5, (1, 2, 4, 8, 16), mean=(0.5,), std=(0.25,))
        >>> encoder.normalise(torch.ones(1, 1, 16, 16)).max().item()
        2.0
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, channels: Sequence[int], strides: Sequence[int], *, mean: Sequence[float], std: Sequence[float]
    ) -> None:
        super().__init__()
        self.channels = tuple(channels)
        self.strides = tuple(strides)
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, -1, 1, 1), persistent=False)

    def normalise(self, image: Tensor) -> Tensor:
        """Shift and scale an image by the mean and standard deviation that this encoder was made for.

        Args:
            image: (B, channels, H, W) in [0, 1].

        Returns:
            The same shape, about zero mean and unit variance, channels last in memory, which convolutions
            on a CPU prefer. A batch without images stays empty.

        Raises:
            DataError: The shape is not (B, channels, H, W), or a side is shorter than the coarsest stride.

        Example:
            >>> encoder = ImageEncoder((8,) * 5, (1, 2, 4, 8, 16), mean=(0.5,), std=(0.5,))
            >>> encoder.normalise(torch.zeros(1, 1, 8, 8))
            Traceback (most recent call last):
            ...
            gaze_insight.errors.DataError: expected an image of at least 16 x 16 px, found 8 x 8
              -> enlarge the image or the training size
        """
        expected = self.mean.shape[1]
        if image.ndim != 4 or image.shape[1] != expected:
            raise DataError(f"expected a batch of shape (B, {expected}, H, W), found {tuple(image.shape)}")
        height, width = image.shape[-2:]
        least = self.strides[-1]
        if min(height, width) < least:
            raise DataError(
                f"expected an image of at least {least} x {least} px, found {height} x {width}",
                remedy="enlarge the image or the training size",
            )
        normalised = (image - self.mean) / self.std
        return normalised.contiguous(memory_format=torch.channels_last)
