"""What the decoders and the teacher need to know of an image encoder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from gaze_insight.errors import DataError
from gaze_insight.networks.local_weights import LoadedWeights, match_weights, read_weights

__all__ = ["IMAGENET_MEAN", "IMAGENET_STD", "ImageEncoder", "initial_weights_of"]

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class ImageEncoder(nn.Module):
    """An encoder that takes RGB in [0, 1], normalises it itself, and gives five maps, finest first.

    Args:
        channels: Channels of the five maps.
        strides: Input pixels per map pixel, for the five maps.
        mean: Mean of each input channel, in [0, 1].
        std: Standard deviation of each input channel.

    Attributes:
        initial_weights: What was loaded out of a file of weights; None without one.

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
        self.initial_weights: LoadedWeights | None = None
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

    def load_file(self, path: str | Path, *, prefer: str = "") -> LoadedWeights:
        """Fill the encoder with the weights of a file: published ones, or those of a run's checkpoint.

        Args:
            path: The file; see :func:`~gaze_insight.networks.local_weights.read_weights`.
            prefer: Of several networks in the file that fit alike, the one whose prefix has this word.

        Returns:
            What was taken and what was left; also kept in `initial_weights`.

        Raises:
            DataError: The file cannot be read, or a weight is missing, of another shape, or too many.
        """
        weights = self.own_names(read_weights(path))
        self.initial_weights = match_weights(self.weights_targets(), weights, str(path), prefer=prefer)
        return self.initial_weights

    def own_names(self, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        """Give published weights this encoder's names, where they differ by more than a prefix.

        Args:
            weights: Name to tensor.

        Returns:
            Name to tensor.
        """
        return weights

    def weights_targets(self) -> list[nn.Module]:
        """Give the modules that a file of weights may fill, largest first, each a part of the one before."""
        return [self]


def initial_weights_of(module: nn.Module) -> dict[str, LoadedWeights]:
    """Find the encoders of a module that began with the weights of a file.

    Args:
        module: A network or a whole method.

    Returns:
        The encoder's name in the module to what was loaded; empty where every encoder began otherwise.

    Example:
        >>> initial_weights_of(ImageEncoder((8,), (1,), mean=(0.5,), std=(0.5,)))
        {}
    """
    encoders = ((name, part) for name, part in module.named_modules() if isinstance(part, ImageEncoder))
    return {name: part.initial_weights for name, part in encoders if part.initial_weights is not None}
