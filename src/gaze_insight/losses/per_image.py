"""The mean that every loss takes: over the pixels of an image first, then over the images."""

from __future__ import annotations

import torch
from torch import Tensor

from gaze_insight.errors import DataError

__all__ = ["image_means", "require_same_shape"]


def image_means(values: Tensor, weights: Tensor) -> Tensor:
    """Average each image's pixels by their weights.

    With equal numbers of images, the mean over two processes then equals the mean over all images.

    Args:
        values: (B, ...), one value a pixel.
        weights: The same shape, >= 0 or bool; 0 leaves a pixel out.

    Returns:
        (B,), sum(weights * values) / sum(weights) of each image; 0 for an image without weight.

    Example:
        >>> values = torch.tensor([[1.0, 3.0], [5.0, 7.0]])
        >>> image_means(values, torch.tensor([[True, True], [False, False]])).tolist()
        [2.0, 0.0]
    """
    weights = weights.to(values.dtype).flatten(1)
    total = weights.sum(dim=1)
    summed = (values.flatten(1) * weights).sum(dim=1)
    return summed / torch.where(total > 0, total, torch.ones_like(total))


def require_same_shape(name: str, expected: Tensor, found: Tensor) -> None:
    """Refuse two tensors that broadcasting would combine into nonsense.

    Args:
        name: What the second tensor is, for the message.
        expected: The tensor whose shape rules.
        found: The tensor that must have it.

    Raises:
        DataError: The shapes differ.

    Example:
        >>> require_same_shape("labels", torch.zeros(1, 2), torch.zeros(2, 1))
        Traceback (most recent call last):
        ...
        gaze_insight.errors.DataError: expected labels of shape (1, 2), found (2, 1)
    """
    if expected.shape != found.shape:
        raise DataError(f"expected {name} of shape {tuple(expected.shape)}, found {tuple(found.shape)}")
