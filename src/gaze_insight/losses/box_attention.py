"""Attention of a class inside the boxes of that class."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from gaze_insight.errors import DataError
from gaze_insight.losses.per_image import require_same_shape

__all__ = ["BoxTarget", "box_attention_loss"]

BoxTarget = Literal["inside", "uniform"]
"""Whether attention may be anywhere inside of the box, or should fill it evenly."""

_EPSILON = 1e-8


def box_attention_loss(class_attention: Tensor, boxes: Tensor, target: BoxTarget = "inside") -> Tensor:
    """Ask the attention of a class to lie in its boxes, averaged over the classes and images that have some.

    With P_c the attention of class c, sum 1, and m_c the share of each place that its boxes cover:

    - "inside": -log(sum of P_c m_c / max m_c + e), 0 as soon as all attention is where the boxes cover most;
    - "uniform": KL(U_c || P_c) with U_c = m_c / sum m_c, 0 only where attention fills the boxes evenly.

    e = 1e-8; all in float32. Both forms are ours: the paper names boxes as an input and gives no formula.

    Args:
        class_attention: (B, C, h, w), >= 0.
        boxes: (B, C, h, w), in [0, 1]; zeros where a class has no box in an image.
        target: Which of the two.

    Returns:
        A scalar >= 0; 0, with a gradient of zeros, where there is no box.

    Raises:
        DataError: The shapes differ or are not (B, C, h, w).

    Example:
        >>> import torch
        >>> attention = torch.tensor([[[[0.25, 0.25, 0.5]]]])
        >>> boxes = torch.tensor([[[[1.0, 1.0, 0.0]]]])
        >>> round(box_attention_loss(attention, boxes).item(), 4)
        0.6931
        >>> round(box_attention_loss(attention, boxes, "uniform").item(), 4)
        0.6931
    """
    if class_attention.ndim != 4:
        raise DataError(f"expected attention of shape (B, C, h, w), found {tuple(class_attention.shape)}")
    require_same_shape("boxes", class_attention, boxes)
    keep = boxes.sum(dim=(2, 3)) > 0
    attention, inside = class_attention[keep].float().flatten(1), boxes[keep].float().flatten(1)
    if len(attention) == 0:
        return 0 * attention.sum()
    p = attention / attention.sum(dim=1, keepdim=True).clamp_min(_EPSILON)
    if target == "inside":
        mass = (p * inside / inside.amax(dim=1, keepdim=True)).sum(dim=1)
        return -(mass.clamp_max(1) + _EPSILON).log().mean()
    u = inside / inside.sum(dim=1, keepdim=True)
    return (u * ((u + _EPSILON).log() - (p + _EPSILON).log())).sum(dim=1).mean()
