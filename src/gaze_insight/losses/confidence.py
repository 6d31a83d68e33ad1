"""Confidence-aware weighted consistency (equations 10 to 12 of From Gaze to Insight)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from gaze_insight.losses.per_image import image_means, require_same_shape

__all__ = ["confidence_weighted_consistency"]


def confidence_weighted_consistency(
    student_logits: Tensor,
    teacher_logits: Tensor,
    *,
    tau_positive: float = 0.8,
    tau_negative: float = 0.2,
    keep: Tensor | None = None,
) -> Tensor:
    """Agreement of the student with the teacher where both are confident, eqs. 10 to 12.

    With the two-class probabilities Y = (1 - sigmoid z, sigmoid z): Omega_pos holds the pixels where max(Y)
    of both is at least tau_positive (eq. 10), Omega_neg those where min(Y) of both is at most tau_negative
    (eq. 11), and the loss (eq. 12) is the mean of max(Y_teacher) * -log Y_student(y) over Omega_pos plus the
    mean of min(Y_teacher) * -log(1 - Y_student(1 - y)) over Omega_neg, where y is the teacher's class. With
    two classes both logarithms are the same number, and the sets are equal if tau_negative = 1 -
    tau_positive.

    The means are taken in each image and then over the images. Only the student receives a gradient. Computed
    in float32.

    Args:
        student_logits: (B, 1, H, W).
        teacher_logits: (B, 1, H, W).
        tau_positive: Threshold on the larger probability, in [0.5, 1].
        tau_negative: Threshold on the smaller probability, in [0, 0.5].
        keep: (B, 1, H, W) bool, the pixels that may count; all if None.

    Returns:
        A scalar >= 0; an empty set contributes 0.

    Raises:
        DataError: The shapes differ.

    Example:
        >>> sure, unsure = torch.full((1, 1, 2, 2), 3.0), torch.zeros(1, 1, 2, 2)
        >>> confidence_weighted_consistency(unsure, sure).item()
        0.0
        >>> round(confidence_weighted_consistency(sure, sure).item(), 4)
        0.0486
    """
    require_same_shape("teacher logits", student_logits, teacher_logits)
    z_student, z_teacher = student_logits.float(), teacher_logits.detach().float()
    sure_student = torch.sigmoid(z_student.detach().abs())
    sure_teacher = torch.sigmoid(z_teacher.abs())
    unsure_student, unsure_teacher = 1 - sure_student, 1 - sure_teacher
    positive = (sure_teacher >= tau_positive) & (sure_student >= tau_positive)
    negative = (unsure_teacher <= tau_negative) & (unsure_student <= tau_negative)
    if keep is not None:
        require_same_shape("keep", student_logits, keep)
        positive, negative = positive & keep, negative & keep
    signed = torch.where(z_teacher >= 0, z_student, -z_student)
    cross_entropy = F.softplus(-signed)
    per_image = image_means(sure_teacher * cross_entropy, positive)
    per_image = per_image + image_means(unsure_teacher * cross_entropy, negative)
    return per_image.mean()
