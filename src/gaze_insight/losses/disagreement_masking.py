"""Disagreement-aware random masking (DARM, section 3.2 of From Gaze to Insight)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from pydantic import Field, field_validator
from torch import Tensor
from torch.nn import functional as F

from gaze_insight.losses.per_image import require_same_shape
from gaze_insight.types import IGNORE, Settings

__all__ = ["DarmSettings", "apply_masking", "disagreement_mask"]

IMAGENET_MEAN = (0.485, 0.456, 0.406)
_MILLION = 1_000_000


class DarmSettings(Settings):
    """Where two predictions disagree, and how much of that is hidden.

    Example:
        >>> DarmSettings().budget_frac
        0.3
    """

    disagreement: float = Field(0.5, ge=0, lt=1, description="Least difference of the two probabilities")
    budget_frac: float = Field(
        0.3, ge=0, le=1, description="Share of an image's disagreement that is hidden, to 1e-6"
    )
    block_px: tuple[int, ...] = Field((3, 5, 7, 9), min_length=1, description="Sides of the patches, odd")

    @field_validator("block_px")
    @classmethod
    def _odd(cls, sides: tuple[int, ...]) -> tuple[int, ...]:
        if any(side < 1 or side % 2 == 0 for side in sides):
            raise ValueError(f"expected odd sides of at least 1 px, found {sides}")
        return sides


def disagreement_mask(
    student_prob: Tensor, teacher_prob: Tensor, noise: Tensor, settings: DarmSettings | None = None
) -> Tensor:
    """Choose random patches of the region D where student and teacher disagree: |p_s - p_t| > disagreement.

    Each pixel of D may be the centre of a square patch: its noise is the patch's priority, and the low bits
    of the noise choose the patch's side. A pixel's priority is the highest among the patches that cover it,
    and the floor(budget_frac |D|) pixels of D with the highest priority are hidden, ties in reading order. So
    the hidden pixels form patches, lie in D, and meet the budget of each image exactly.

    Args:
        student_prob: (B, 1, H, W) in [0, 1].
        teacher_prob: (B, 1, H, W) in [0, 1].
        noise: (B, 1, H, W), float32, independent and uniform in (0, 1); the same noise gives the same mask.
        settings: Threshold, budget and patch sides; the defaults if None.

    Returns:
        (B, 1, H, W) bool, True where hidden; nothing where the two agree.

    Raises:
        DataError: The shapes differ.

    Example:
        >>> student, teacher = torch.ones(1, 1, 10, 10), torch.zeros(1, 1, 10, 10)
        >>> disagreement_mask(student, teacher, torch.rand(1, 1, 10, 10)).sum().item()
        30
    """
    settings = settings or DarmSettings()
    require_same_shape("teacher probabilities", student_prob, teacher_prob)
    require_same_shape("noise", student_prob, noise)
    disputed = (student_prob.detach() - teacher_prob.detach()).abs() > settings.disagreement
    noise = noise.float()
    choice = (noise * 4096).frac().mul(len(settings.block_px)).long()
    priority = torch.zeros_like(noise)
    for index, side in enumerate(settings.block_px):
        centres = torch.where(disputed & (choice == index), noise, 0.0)
        rows = F.max_pool2d(centres, (1, side), stride=1, padding=(0, side // 2))
        patches = F.max_pool2d(rows, (side, 1), stride=1, padding=(side // 2, 0))
        priority = torch.maximum(priority, patches)
    ranked = torch.where(disputed, priority, -1.0).flatten(1)
    order = ranked.argsort(dim=1, descending=True, stable=True)
    budget = disputed.flatten(1).sum(dim=1) * round(settings.budget_frac * _MILLION) // _MILLION
    within = torch.arange(order.shape[1], device=order.device) < budget[:, None]
    hidden = torch.zeros_like(within).scatter(1, order, within)
    return hidden.view_as(disputed)


def apply_masking(
    image: Tensor, labels: Tensor, hidden: Tensor, *, fill: Sequence[float] | Tensor = IMAGENET_MEAN
) -> tuple[Tensor, Tensor]:
    """Hide pixels of an image, and ignore their labels.

    Args:
        image: (B, C, H, W) in [0, 1].
        labels: (B, 1, H, W) integers.
        hidden: (B, 1, H, W) bool.
        fill: One value a channel for hidden pixels; an encoder's `mean`, so that they are 0 after
            normalisation.

    Returns:
        The image with `fill` and the labels with 255 where `hidden`; the inputs stay as they are.

    Raises:
        DataError: Labels and hidden differ in shape.

    Example:
        >>> image, labels = torch.ones(1, 3, 1, 2), torch.ones(1, 1, 1, 2, dtype=torch.uint8)
        >>> _, seen = apply_masking(image, labels, torch.tensor([[[[True, False]]]]))
        >>> seen.flatten().tolist()
        [255, 1]
    """
    require_same_shape("hidden", labels, hidden)
    colour = torch.as_tensor(fill, dtype=image.dtype, device=image.device).reshape(1, -1, 1, 1)
    return torch.where(hidden, colour, image), labels.masked_fill(hidden, IGNORE)
