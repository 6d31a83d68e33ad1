"""Cross-entropy and Dice with soft labels, each pixel weighed by how far its label is trusted."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from gaze_insight.losses.per_image import image_means, require_same_shape
from gaze_insight.losses.soft_labels import SoftLabels

__all__ = ["pixel_weights", "soft_cross_entropy", "soft_dice"]

_PIXEL = 1.0


def pixel_weights(labels: SoftLabels, *, floor: float) -> Tensor:
    """Weigh each known pixel by its trust: w = floor + (1 - floor) * trust, and 0 where nothing is known.

    Args:
        labels: The labels.
        floor: Weight of an untrusted pixel, in [0, 1]. 1: all known pixels alike; 0: what nobody trusts
            does not count, as in partial cross-entropy.

    Returns:
        (B, 1, H, W) in [0, 1].

    Example:
        >>> from gaze_insight.losses.soft_labels import read_labels
        >>> codes, trust = (torch.tensor([[[[value, 255]]]], dtype=torch.uint8) for value in (254, 127))
        >>> pixel_weights(read_labels(codes, trust), floor=0.5).tolist()
        [[[[0.75, 0.0]]]]
    """
    return torch.where(labels.known, floor + (1 - floor) * labels.trust, 0.0)


def soft_cross_entropy(logits: Tensor, labels: SoftLabels, *, floor: float = 0.0) -> Tensor:
    r"""Cross-entropy with soft labels, weighed by trust.

    $$L = \frac{1}{B} \sum_b c_b \frac{\sum_i w_i [-q_i \log p_i - (1 - q_i) \log(1 - p_i)]}{\sum_i w_i}$$

    with q the label's foreground, w of `pixel_weights` and c the weight of the case. With hard labels that
    are trusted where they are known, it is partial cross-entropy. Computed in float32.

    Args:
        logits: (B, 1, H, W).
        labels: The labels, of that shape.
        floor: Weight of an untrusted pixel, in [0, 1].

    Returns:
        A scalar >= 0. An image without a pixel that counts contributes 0.

    Raises:
        DataError: The shapes differ.

    Example:
        >>> from gaze_insight.losses.soft_labels import read_labels
        >>> codes = torch.full((1, 1, 2, 2), 127, dtype=torch.uint8)
        >>> round(soft_cross_entropy(torch.zeros(1, 1, 2, 2), read_labels(codes)).item(), 4)
        0.6931
    """
    require_same_shape("labels", logits, labels.foreground)
    losses = F.binary_cross_entropy_with_logits(logits.float(), labels.foreground, reduction="none")
    return (labels.case_weight * image_means(losses, pixel_weights(labels, floor=floor))).mean()


def soft_dice(logits: Tensor, labels: SoftLabels, *, floor: float = 0.0) -> Tensor:
    r"""Soft Dice distance from soft labels, weighed by trust.

    $$L = \frac{1}{B} \sum_b c_b \left(1 - \frac{2 \sum_i w_i p_i q_i + 1}{\sum_i w_i (p_i^2 + q_i^2) + 1}
    \right)$$

    Squares in the denominator make p = q its minimum also where q is neither 0 nor 1. The 1 is worth one
    pixel; an image without a lesion is asked for none. Source of the form: Milletari et al., "V-Net", 3DV
    2016. Computed in float32.

    Args:
        logits: (B, 1, H, W).
        labels: The labels, of that shape.
        floor: Weight of an untrusted pixel, in [0, 1].

    Returns:
        A scalar in [0, 1]. An image without a pixel that counts contributes 0.

    Raises:
        DataError: The shapes differ.

    Example:
        >>> from gaze_insight.losses.soft_labels import read_labels
        >>> codes = torch.full((1, 1, 2, 2), 127, dtype=torch.uint8)
        >>> soft_dice(torch.zeros(1, 1, 2, 2), read_labels(codes)).item()
        0.0
    """
    require_same_shape("labels", logits, labels.foreground)
    p, q = logits.float().sigmoid().flatten(1), labels.foreground.flatten(1)
    weight = pixel_weights(labels, floor=floor).flatten(1)
    shared = (weight * p * q).sum(dim=1)
    squares = (weight * (p.square() + q.square())).sum(dim=1)
    return (labels.case_weight * (1 - (2 * shared + _PIXEL) / (squares + _PIXEL))).mean()
