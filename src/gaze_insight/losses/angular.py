"""Angular feature consistency (equation 9 of From Gaze to Insight)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from gaze_insight.errors import DataError

__all__ = ["angular_feature_consistency"]


def angular_feature_consistency(
    student: Sequence[Tensor], teacher: Sequence[Tensor], *, beta: float = 1.0, eps: float = 1e-6
) -> Tensor:
    """Mean angle between the student's and the teacher's features, eq. 9.

    beta / L sum_k E[1 - <Z_k, X'_k> / (|Z_k| |X'_k| + eps)], with product and norms over the channels of each
    place, and the expectation over places and images. The teacher receives no gradient. Computed in float32.

    Args:
        student: Z_k, (B, C_k, H_k, W_k) each.
        teacher: X'_k, as many, with the same channels; another spatial size is interpolated to the student's.
        beta: Scale of the loss.
        eps: Keeps the quotient finite where a feature is zero; the loss is 1 there.

    Returns:
        A scalar in [0, 2 beta].

    Raises:
        DataError: No features, or their numbers or channels differ.

    Example:
        >>> z = torch.tensor([1.0, 0.0]).view(1, 2, 1, 1)
        >>> x = torch.tensor([0.0, 1.0]).view(1, 2, 1, 1)
        >>> angular_feature_consistency([z], [x]).item()
        1.0
    """
    if not student or len(student) != len(teacher):
        raise DataError(
            f"expected as many student as teacher features, found {len(student)} and {len(teacher)}"
        )
    losses = [_angular(z.float(), x.detach().float(), eps) for z, x in zip(student, teacher, strict=True)]
    return beta * torch.stack(losses).mean()


def _angular(z: Tensor, x: Tensor, eps: float) -> Tensor:
    if z.shape[:2] != x.shape[:2]:
        raise DataError(f"expected features of shape {tuple(x.shape)}, found {tuple(z.shape)}")
    if z.shape[-2:] != x.shape[-2:]:
        x = F.interpolate(x, size=z.shape[-2:], mode="bilinear", align_corners=False)
    product = (z * x).sum(dim=1)
    norms = torch.linalg.vector_norm(z, dim=1) * torch.linalg.vector_norm(x, dim=1)
    angles: Tensor = 1 - product / (norms + eps)
    return angles.mean()
