"""Cross-entropy on the pixels that carry a label (equations 8 and 13 of From Gaze to Insight)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from gaze_insight.losses.per_image import image_means, require_same_shape
from gaze_insight.types import FOREGROUND, IGNORE

__all__ = ["Balance", "comprehensive_cross_entropy", "partial_cross_entropy"]

Balance = Literal["none", "classes"]


def _cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    target = (labels == FOREGROUND).to(torch.float32)
    return F.binary_cross_entropy_with_logits(logits.float(), target, reduction="none")


def partial_cross_entropy(logits: Tensor, labels: Tensor, *, balance: Balance = "none") -> Tensor:
    """Cross-entropy on labelled pixels only, eq. 8: -1/N sum_i sum_c y_ic log(yhat_ic).

    N counts the labelled pixels of an image; the result is averaged over the images. Computed in float32.

    Args:
        logits: (B, 1, H, W) foreground logits.
        labels: (B, 1, H, W), 0 background, 1 foreground, 255 unlabelled; integers.
        balance: "classes" averages the labelled foreground and the labelled background of an image apart, and
            then both, so that the smaller class counts as much; a class that is absent does not count.

    Returns:
        A scalar >= 0. An image without a labelled pixel contributes 0.

    Raises:
        DataError: The shapes differ.

    Example:
        >>> logits = torch.zeros(1, 1, 1, 3)
        >>> labels = torch.tensor([[[[1, 0, 255]]]])
        >>> round(partial_cross_entropy(logits, labels).item(), 4)
        0.6931
    """
    require_same_shape("labels", logits, labels)
    losses = _cross_entropy(logits, labels)
    labelled = labels != IGNORE
    if balance == "none":
        return image_means(losses, labelled).mean()
    foreground = labels == FOREGROUND
    background = labelled & ~foreground
    present = [kind.flatten(1).any(dim=1).float() for kind in (foreground, background)]
    means = image_means(losses, foreground) + image_means(losses, background)
    return (means / (present[0] + present[1]).clamp(min=1)).mean()


def comprehensive_cross_entropy(logits: Tensor, labels: Tensor, *, weight: Tensor | None = None) -> Tensor:
    """Cross-entropy over the comprehensive pseudo-mask, eq. 13, as a mean over pixels instead of a sum.

    The mean makes the term independent of the image's size, so that the weights of eq. 14 keep their meaning.
    Pixels that are hidden by masking carry 255 and are left out, not called background. Computed in float32.

    Args:
        logits: (B, 1, H, W) foreground logits.
        labels: (B, 1, H, W), 0 background, 1 foreground, 255 ignored; integers.
        weight: (B, 1, H, W) >= 0, how much each pixel counts; all alike if None.

    Returns:
        A scalar >= 0. An image without a counted pixel contributes 0.

    Raises:
        DataError: The shapes differ.

    Example:
        >>> logits = torch.tensor([[[[20.0, -20.0, 3.0]]]])
        >>> labels = torch.tensor([[[[1, 0, 255]]]])
        >>> round(comprehensive_cross_entropy(logits, labels).item(), 4)
        0.0
    """
    require_same_shape("labels", logits, labels)
    counted = (labels != IGNORE).float()
    if weight is not None:
        require_same_shape("weight", logits, weight)
        counted = counted * weight.float()
    return image_means(_cross_entropy(logits, labels), counted).mean()
