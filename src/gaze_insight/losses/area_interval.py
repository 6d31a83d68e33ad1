"""The area of a prediction, held within what is sure about it."""

from __future__ import annotations

import torch
from torch import Tensor

from gaze_insight.losses.per_image import image_means, require_same_shape
from gaze_insight.losses.soft_labels import SoftLabels

__all__ = ["AreaInterval", "area_interval_loss", "described_area", "sure_area"]

AreaInterval = tuple[Tensor, Tensor]
"""Least and largest area of each image, both (B,), as shares of its known pixels."""

_EPS = 1e-6


def sure_area(labels: SoftLabels, *, least_trust: float) -> AreaInterval:
    """Bound the area by the sure pixels: the sure foreground is lesion, all but the sure background may be.

    Args:
        labels: The labels.
        least_trust: Trust from which a pixel is sure, in (0, 1].

    Returns:
        Least and largest share of the known pixels; (0, 1) where nothing is sure.

    Example:
        >>> from gaze_insight.losses.soft_labels import read_labels
        >>> foreground = torch.tensor([[[[254, 254, 0, 0]]]], dtype=torch.uint8)
        >>> trust = torch.tensor([[[[254, 0, 0, 254]]]], dtype=torch.uint8)
        >>> [bound.item() for bound in sure_area(read_labels(foreground, trust), least_trust=0.5)]
        [0.25, 0.75]
    """
    lesion = labels.foreground >= 0.5
    sure = labels.trust >= least_trust
    return (
        image_means((sure & lesion).float(), labels.known),
        1 - image_means((sure & ~lesion).float(), labels.known),
    )


def described_area(area: Tensor, *, tolerance: float) -> AreaInterval:
    """Bound the area by a description: from area / (1 + tolerance) to area * (1 + tolerance).

    Args:
        area: (B,), described share of the image; 0 where none was described.
        tolerance: How far off a description may be, > 0.

    Returns:
        Least and largest share; (0, 1) where none was described.

    Example:
        >>> [bound.tolist() for bound in described_area(torch.tensor([0.5, 0.0]), tolerance=0.25)]
        [[0.4000000059604645, 0.0], [0.625, 1.0]]
    """
    told = area > 0
    upper = torch.where(told, (area * (1 + tolerance)).clamp(max=1), 1.0)
    return area / (1 + tolerance), upper


def area_interval_loss(logits: Tensor, known: Tensor, interval: AreaInterval) -> Tensor:
    r"""Penalise an area outside of an interval, on the side on which it is.

    With A the mean probability over the known pixels, l and u the interval:

    $$L = \left(\frac{l - A}{l + A}\right)^2 [A < l] + \left(\frac{A - u}{A + u}\right)^2 [A > u]$$

    The one-sided squares are those of Kervadec et al., "Constrained-CNN losses for weakly supervised
    segmentation", Medical Image Analysis 54 (2019); dividing by the sum makes small lesions count as much as
    large ones. Computed in float32.

    Args:
        logits: (B, 1, H, W).
        known: (B, 1, H, W) bool, the pixels that are part of the image.
        interval: l and u, (B,) each, l <= u.

    Returns:
        A scalar in [0, 1]; an image without a known pixel contributes 0.

    Raises:
        DataError: The shapes differ.

    Example:
        >>> half, known = torch.zeros(1, 1, 2, 2), torch.ones(1, 1, 2, 2, dtype=torch.bool)
        >>> inside = area_interval_loss(half, known, (torch.tensor([0.4]), torch.tensor([0.6])))
        >>> above = area_interval_loss(half, known, (torch.tensor([0.1]), torch.tensor([0.25])))
        >>> inside.item(), round(above.item(), 4)
        (0.0, 0.1111)
    """
    require_same_shape("known pixels", logits, known)
    least, largest = interval
    area = image_means(logits.float().sigmoid(), known)
    below = (least - area).clamp(min=0) / (least + area + _EPS)
    above = (area - largest).clamp(min=0) / (area + largest + _EPS)
    found = known.flatten(1).any(dim=1)
    return torch.where(found, below.square() + above.square(), 0.0).mean()
