"""Contrast of two views of a case within a batch, with targets that are soft where labels agree."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from gaze_insight.errors import DataError
from gaze_insight.losses.per_image import require_same_shape
from gaze_insight.types import Settings

__all__ = ["ContrastiveSettings", "label_similarity", "soft_contrastive_loss"]


class ContrastiveSettings(Settings):
    """What the image is contrasted with, and how.

    Example:
        >>> ContrastiveSettings(image_text=0).image_gaze
        1.0
    """

    image_text: float = Field(1.0, ge=0, description="weight of image against text; 0 switches it off")
    image_gaze: float = Field(
        1.0, ge=0, description="weight of image against fixation sequence; 0 switches it off"
    )
    width: int = Field(64, ge=2, multiple_of=2, description="channels of the joint space")
    temperature: float = Field(0.1, gt=0, description="of the similarities of embeddings")
    soft_targets: bool = Field(True, description="share a case's target among the cases of like labels")
    label_temperature: float = Field(0.1, gt=0, description="of the similarities of labels")


def label_similarity(labels: Tensor) -> Tensor:
    """Compare the label vectors of each two cases by their cosine.

    Two cases without any positive label are alike: similarity 1, and 0 to every other.

    Args:
        labels: (B, C) in {0, 1, nan}; unknown counts as 0.

    Returns:
        (B, B), in [0, 1], 1 on the diagonal.

    Example:
        >>> label_similarity(torch.tensor([[1.0, 0.0], [0.0, 0.0], [0.0, float("nan")]])).tolist()
        [[1.0, 0.0, 0.0], [0.0, 1.0, 1.0], [0.0, 1.0, 1.0]]
    """
    known = labels.float().nan_to_num(0.0)
    none = (known.sum(dim=1, keepdim=True) == 0).float()
    vectors = F.normalize(torch.cat([known, none], dim=1), dim=1)
    return vectors @ vectors.T


def soft_contrastive_loss(
    image: Tensor, other: Tensor, labels: Tensor, present: Tensor, settings: ContrastiveSettings
) -> Tensor:
    r"""InfoNCE in both directions, with soft targets.

    $$L = \tfrac{1}{2} [CE(S / \tau, T) + CE(S^T / \tau, T)]$$

    S is the cosine of image i and view j, T the softmax over the cases of their label similarity divided by
    its temperature, or the identity with ``soft_targets`` off. InfoNCE in both directions: Radford et al.,
    "Learning Transferable Visual Models", ICML 2021, fig. 3; targets from label similarity: Wang et al.,
    "MedCLIP", EMNLP 2022, section 3.3.

    Args:
        image: (B, D), embeddings of the images.
        other: (B, D), embeddings of the other view; anything where it is missing.
        labels: (B, C) in {0, 1, nan}.
        present: (B,) bool, True for cases that have the other view; the rest take no part on either side.
        settings: Temperatures and targets.

    Returns:
        A scalar >= 0, computed in float32. 0, with a gradient of zeros, for fewer than two cases.

    Raises:
        DataError: The shapes do not fit.

    Example:
        >>> x = torch.eye(2)
        >>> present = torch.tensor([True, True])
        >>> loss = soft_contrastive_loss(x, x, x, present, ContrastiveSettings(temperature=0.5))
        >>> round(loss.item(), 3)
        0.127
    """
    require_same_shape("embeddings of the other view", image, other)
    if image.ndim != 2 or present.shape != image.shape[:1] or labels.shape[:1] != image.shape[:1]:
        raise DataError(
            f"expected embeddings (B, D), labels (B, C) and presence (B,), found {tuple(image.shape)}, "
            f"{tuple(labels.shape)} and {tuple(present.shape)}"
        )
    image, other, labels = image[present].float(), other[present].float(), labels[present]
    if len(image) < 2:
        return 0 * (image.sum() + other.sum())
    scores = F.normalize(image, dim=1) @ F.normalize(other, dim=1).T / settings.temperature
    if settings.soft_targets:
        targets = (label_similarity(labels) / settings.label_temperature).softmax(dim=1)
    else:
        targets = torch.eye(len(image), device=image.device)
    return (F.cross_entropy(scores, targets) + F.cross_entropy(scores.T, targets)) / 2
