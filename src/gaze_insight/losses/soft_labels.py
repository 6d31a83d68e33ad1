"""Label maps of shares: a foreground probability or a trust in each pixel, coded in one byte."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from gaze_insight.types import IGNORE

__all__ = ["SHARE_STEPS", "SoftLabels", "decode_share", "hide_labels", "read_labels"]

SHARE_STEPS = 254
"""A byte from 0 to 254 is a share in steps of 1/254; 255 is unknown."""


class SoftLabels(NamedTuple):
    """What is to be learned: foreground and trust of each pixel, both (B, 1, H, W) float32 in [0, 1].

    Attributes:
        foreground: Probability that the pixel is lesion; 0 where nothing is known.
        trust: How sure that is; 0 where nothing is known.
        known: (B, 1, H, W) bool; False for pixels from outside of the image, and hidden ones.
        case_weight: (B,) >= 0, how much an image counts.
    """

    foreground: Tensor
    trust: Tensor
    known: Tensor
    case_weight: Tensor


def decode_share(codes: Tensor) -> Tensor:
    """Read shares from bytes.

    Args:
        codes: Any shape, uint8, 0..254 in steps of 1/254, 255 unknown.

    Returns:
        The same shape, float32 in [0, 1]; 0 where unknown.

    Example:
        >>> decode_share(torch.tensor([0, 127, 254, 255], dtype=torch.uint8)).tolist()
        [0.0, 0.5, 1.0, 0.0]
    """
    return torch.where(codes == IGNORE, 0.0, codes.float() / SHARE_STEPS)


def read_labels(
    labels: Tensor, trust: Tensor | None = None, weighted_trust: Tensor | None = None, *, soft: bool = True
) -> SoftLabels:
    """Make one form of soft and hard label maps.

    The weight of a case is the quotient of the sums of ``weighted_trust`` and ``trust``: what the first was
    multiplied by. An image without any trust has none.

    Args:
        labels: (B, 1, H, W) uint8, shares as `decode_share` reads them, or 0, 1 and 255.
        trust: Shares of the same shape; None: all that is known is trusted.
        weighted_trust: The same, times a weight of the case; None: all cases count alike.
        soft: Whether the labels are shares.

    Returns:
        The labels; a pixel is known where labels and trust are.

    Example:
        >>> codes, trust = torch.tensor([[[[[254, 0, 255]]]], [[[[127, 254, 127]]]]], dtype=torch.uint8)
        >>> read_labels(codes, trust).trust.flatten().tolist()
        [0.5, 1.0, 0.0]
    """
    known = labels != IGNORE
    if trust is not None:
        known = known & (trust != IGNORE)
    foreground = decode_share(labels) if soft else torch.where(known, labels.float(), 0.0)
    believed = known.float() if trust is None else torch.where(known, decode_share(trust), 0.0)
    case_weight = torch.ones(len(labels), device=labels.device)
    if trust is not None and weighted_trust is not None:
        total = decode_share(trust).flatten(1).sum(dim=1)
        weighted = decode_share(weighted_trust).flatten(1).sum(dim=1)
        case_weight = weighted / torch.where(total > 0, total, 1.0)
    return SoftLabels(torch.where(known, foreground, 0.0), believed, known, case_weight)


def hide_labels(labels: SoftLabels, hidden: Tensor) -> SoftLabels:
    """Forget the labels of some pixels.

    Args:
        labels: The labels.
        hidden: (B, 1, H, W) bool.

    Returns:
        The labels, with the hidden pixels unknown.

    Example:
        >>> codes = torch.tensor([[[[1, 1]]]], dtype=torch.uint8)
        >>> hide_labels(read_labels(codes, soft=False), torch.tensor([[[[True, False]]]])).known.tolist()
        [[[[False, True]]]]
    """
    foreground, trust = (torch.where(hidden, 0.0, part) for part in (labels.foreground, labels.trust))
    return SoftLabels(foreground, trust, labels.known & ~hidden, labels.case_weight)
