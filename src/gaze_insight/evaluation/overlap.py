"""Overlap of a predicted with a true mask, and what an empty mask is worth."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from gaze_insight.errors import DataError
from gaze_insight.types import BoolArray, Settings

__all__ = ["DEFAULT_EMPTY_POLICY", "EmptyPolicy", "dice", "iou", "require_mask_pair"]


class EmptyPolicy(Settings):
    """What a score is where the true mask, the predicted mask, or both have no pixel.

    The default never lets a missed lesion leave the average: it scores no overlap and the largest
    distance the image allows.

    Example:
        >>> EmptyPolicy().both_empty_overlap, EmptyPolicy().one_empty_distance
        (1.0, 'diagonal')
    """

    both_empty_overlap: float = Field(
        default=1.0, ge=0, le=1, description="Dice and IoU where neither mask has a pixel"
    )
    one_empty_overlap: float = Field(
        default=0.0, ge=0, le=1, description="Dice and IoU where only one of the masks has a pixel"
    )
    both_empty_distance: float = Field(
        default=0.0, ge=0, description="HD95 and ASD where neither mask has a pixel, in px and in mm"
    )
    one_empty_distance: Literal["diagonal", "exclude"] = Field(
        default="diagonal",
        description="HD95 and ASD where only one mask has a pixel: the image's diagonal, or not a number "
        "(the case leaves the mean of the distances and is counted as excluded)",
    )

    def describe(self) -> str:
        """State the policy in words, for the files and pages that show scores.

        Returns:
            Two sentences.

        Example:
            >>> print(EmptyPolicy().describe())
            If neither the true nor the predicted mask has a pixel: overlap 1, distance 0. \
If only one of them is empty: overlap 0, distance = the image's diagonal.
        """
        distance = (
            "distance = the image's diagonal"
            if self.one_empty_distance == "diagonal"
            else "no distance (the case is left out of the mean distance and counted)"
        )
        return (
            f"If neither the true nor the predicted mask has a pixel: overlap {self.both_empty_overlap:g}, "
            f"distance {self.both_empty_distance:g}. "
            f"If only one of them is empty: overlap {self.one_empty_overlap:g}, {distance}."
        )


DEFAULT_EMPTY_POLICY = EmptyPolicy()


def require_mask_pair(pred: BoolArray, target: BoolArray) -> None:
    """Refuse two arrays that are not boolean masks of the same image.

    Args:
        pred: Predicted mask, (H, W).
        target: True mask, (H, W).

    Raises:
        DataError: Not boolean, not two-dimensional, of different shapes, or without any pixel.

    Example:
        >>> require_mask_pair(np.ones((2, 2), bool), np.ones((2, 3), bool))
        Traceback (most recent call last):
        ...
        gaze_insight.errors.DataError: masks must have the same shape, found pred (2, 2) and target (2, 3)
          -> bring the prediction to the native size of the true mask first
    """
    for name, mask in (("pred", pred), ("target", target)):
        if mask.dtype != np.bool_ or mask.ndim != 2 or mask.size == 0:
            raise DataError(
                f"{name} must be a boolean (H, W) array, found {mask.dtype} of shape {mask.shape}",
                remedy="threshold probabilities first",
            )
    if pred.shape != target.shape:
        raise DataError(
            f"masks must have the same shape, found pred {pred.shape} and target {target.shape}",
            remedy="bring the prediction to the native size of the true mask first",
        )


def dice(pred: BoolArray, target: BoolArray, policy: EmptyPolicy = DEFAULT_EMPTY_POLICY) -> float:
    """Dice coefficient, 2 |P and T| / (|P| + |T|).

    Args:
        pred: Predicted mask, (H, W) bool.
        target: True mask, (H, W) bool.
        policy: What empty masks score; by default 1 where both are empty, 0 where one is.

    Returns:
        A fraction in [0, 1].

    Raises:
        DataError: The arrays are not boolean masks of one shape.

    Example:
        >>> dice(np.array([[True, True, False]]), np.array([[True, False, False]]))
        0.6666666666666666
    """
    require_mask_pair(pred, target)
    predicted, true = int(pred.sum()), int(target.sum())
    if predicted == 0 or true == 0:
        return policy.both_empty_overlap if predicted == true else policy.one_empty_overlap
    return 2 * int((pred & target).sum()) / (predicted + true)


def iou(pred: BoolArray, target: BoolArray, policy: EmptyPolicy = DEFAULT_EMPTY_POLICY) -> float:
    """Intersection over union, |P and T| / |P or T|.

    Args:
        pred: Predicted mask, (H, W) bool.
        target: True mask, (H, W) bool.
        policy: What empty masks score; by default 1 where both are empty, 0 where one is.

    Returns:
        A fraction in [0, 1].

    Raises:
        DataError: The arrays are not boolean masks of one shape.

    Example:
        >>> iou(np.array([[True, True, False]]), np.array([[True, False, False]]))
        0.5
    """
    require_mask_pair(pred, target)
    predicted, true = bool(pred.any()), bool(target.any())
    if not (predicted and true):
        return policy.both_empty_overlap if predicted == true else policy.one_empty_overlap
    return int((pred & target).sum()) / int((pred | target).sum())
