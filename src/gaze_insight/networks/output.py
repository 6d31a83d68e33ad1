"""What every segmentation network returns."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

__all__ = ["SegmentationOutput"]


class SegmentationOutput(NamedTuple):
    """Logits of the foreground and the features that distillation compares.

    Args:
        logits: (B, 1, H, W), at the size of the input image; the foreground's probability is their sigmoid.
        features: One (B, C_k, H_k, W_k) map for each fusion stage, finest first; empty where there is none.

    Example:
        >>> import torch
        >>> SegmentationOutput(torch.zeros(1, 1, 4, 4), []).logits.sigmoid().max().item()
        0.5
    """

    logits: Tensor
    features: list[Tensor]
