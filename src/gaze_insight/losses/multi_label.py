"""Cross-entropy of several labels at once, some of which are unknown."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from gaze_insight.errors import DataError
from gaze_insight.losses.per_image import require_same_shape

__all__ = ["balanced_weights", "multi_label_loss"]


def multi_label_loss(logits: Tensor, labels: Tensor, positive_weights: Tensor | None = None) -> Tensor:
    """Binary cross-entropy, averaged over what is known.

    -(w_c y log p + (1 - y) log(1 - p)) with p = sigmoid(logit), in float32.

    Args:
        logits: (B, C).
        labels: (B, C) in [0, 1], nan where unknown.
        positive_weights: (C,), w >= 0 of the positives of each class; 1 if None.

    Returns:
        A scalar >= 0; 0, with a gradient of zeros, where nothing is known.

    Raises:
        DataError: The shapes do not fit.

    Example:
        >>> labels = torch.tensor([[1.0, float("nan")]])
        >>> round(multi_label_loss(torch.zeros(1, 2), labels).item(), 4)
        0.6931
    """
    require_same_shape("labels", logits, labels)
    if positive_weights is not None and positive_weights.shape != logits.shape[1:]:
        raise DataError(f"expected {logits.shape[1]} weights of positives, found {len(positive_weights)}")
    known = ~labels.isnan()
    values = F.binary_cross_entropy_with_logits(
        logits.float(),
        labels.float().nan_to_num(0.0),
        pos_weight=positive_weights,
        reduction="none",
    )
    return torch.where(known, values, 0.0).sum() / known.sum().clamp_min(1)


def balanced_weights(labels: Tensor, *, largest: float = 10.0) -> tuple[float, ...]:
    """Weigh positives so that they count as much as the negatives of their class.

    Args:
        labels: (N, C) in {0, 1, nan}, the training set's.
        largest: No weight exceeds it.

    Returns:
        Negatives / positives of each class, in (0, `largest`]; 1 for a class without either.

    Example:
        >>> balanced_weights(torch.tensor([[1.0, 0.0], [0.0, 0.0], [0.0, float("nan")]]))
        (2.0, 1.0)
    """
    positives, negatives = ((labels == value).sum(dim=0).tolist() for value in (1, 0))
    return tuple(min(n / p, largest) if p and n else 1.0 for p, n in zip(positives, negatives, strict=True))
