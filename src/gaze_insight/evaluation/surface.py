"""Distances between the outlines of a predicted and a true mask."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from gaze_insight.errors import DataError
from gaze_insight.evaluation.overlap import DEFAULT_EMPTY_POLICY, EmptyPolicy, require_mask_pair
from gaze_insight.types import BoolArray

__all__ = ["Spacing", "average_surface_distance", "hd95", "surface_distances"]

Spacing = tuple[float, float]
"""Height and width of a pixel, in the unit the distance shall have; (1, 1) gives pixels."""

_PIXELS: Spacing = (1.0, 1.0)


def _outline(mask: BoolArray) -> BoolArray:
    """Pixels of the mask with a 4-neighbour outside it; beyond the image's border counts as outside."""
    inside: BoolArray = ndimage.binary_erosion(mask)
    return mask & ~inside


def _union_box(pred: BoolArray, target: BoolArray) -> tuple[slice, slice]:
    """The smallest box that holds both masks: outside it no distance is ever read."""
    rows = np.flatnonzero((pred | target).any(axis=1))
    columns = np.flatnonzero((pred | target).any(axis=0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def surface_distances(
    pred: BoolArray, target: BoolArray, spacing: Spacing = _PIXELS
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Distance of every outline pixel of one mask to the nearest outline pixel of the other.

    An outline pixel belongs to the mask and has a 4-neighbour outside it.

    Args:
        pred: Predicted mask, (H, W) bool.
        target: True mask, (H, W) bool.
        spacing: Height and width of a pixel, both > 0; (1, 1) gives distances in px.

    Returns:
        Distances from the predicted to the true outline (one for each predicted outline pixel) and from
        the true to the predicted one. Both are empty if either mask is empty.

    Raises:
        DataError: The arrays are not boolean masks of one shape, or the spacing is not positive.

    Example:
        >>> pred, true = np.zeros((1, 5), bool), np.zeros((1, 5), bool)
        >>> pred[0, 0] = true[0, 3] = True
        >>> surface_distances(pred, true)
        (array([3.]), array([3.]))
    """
    require_mask_pair(pred, target)
    if not all(math.isfinite(size) and size > 0 for size in spacing):
        raise DataError(f"a pixel's height and width must be above 0, found {tuple(spacing)}")
    if not (pred.any() and target.any()):
        return np.empty(0), np.empty(0)
    box = _union_box(pred, target)
    pred_outline, target_outline = _outline(pred[box]), _outline(target[box])
    to_target = ndimage.distance_transform_edt(~target_outline, sampling=spacing)
    to_pred = ndimage.distance_transform_edt(~pred_outline, sampling=spacing)
    return to_target[pred_outline], to_pred[target_outline]


def hd95(
    pred: BoolArray,
    target: BoolArray,
    spacing: Spacing = _PIXELS,
    policy: EmptyPolicy = DEFAULT_EMPTY_POLICY,
) -> float:
    """95 % Hausdorff distance: the larger of the two directed 95th percentiles of outline distances.

    Args:
        pred: Predicted mask, (H, W) bool.
        target: True mask, (H, W) bool.
        spacing: Height and width of a pixel, both > 0; (1, 1) gives px.
        policy: What empty masks score; by default 0 where both are empty, the image's diagonal where one is.

    Returns:
        A distance >= 0 in the unit of ``spacing``; NaN only where the policy excludes the case.

    Raises:
        DataError: The arrays are not boolean masks of one shape, or the spacing is not positive.

    Example:
        >>> mask = np.zeros((4, 3), bool)
        >>> mask[1:3, 1] = True
        >>> hd95(mask, mask), hd95(mask, np.zeros_like(mask))
        (0.0, 5.0)
    """
    forth, back = surface_distances(pred, target, spacing)
    if forth.size == 0:
        return _empty_distance(pred, target, spacing, policy)
    return float(max(np.percentile(forth, 95), np.percentile(back, 95)))


def average_surface_distance(
    pred: BoolArray,
    target: BoolArray,
    spacing: Spacing = _PIXELS,
    policy: EmptyPolicy = DEFAULT_EMPTY_POLICY,
) -> float:
    """Symmetric average surface distance: the mean over the outline pixels of both masks together.

    Args:
        pred: Predicted mask, (H, W) bool.
        target: True mask, (H, W) bool.
        spacing: Height and width of a pixel, both > 0; (1, 1) gives px.
        policy: What empty masks score; by default 0 where both are empty, the image's diagonal where one is.

    Returns:
        A distance >= 0 in the unit of ``spacing``; NaN only where the policy excludes the case.

    Raises:
        DataError: The arrays are not boolean masks of one shape, or the spacing is not positive.

    Example:
        >>> pred, true = np.zeros((3, 5), bool), np.zeros((3, 5), bool)
        >>> pred[1, 1] = true[1, 3] = True
        >>> average_surface_distance(pred, true, spacing=(0.5, 0.5))
        1.0
    """
    forth, back = surface_distances(pred, target, spacing)
    if forth.size == 0:
        return _empty_distance(pred, target, spacing, policy)
    return float(np.concatenate([forth, back]).mean())


def _empty_distance(pred: BoolArray, target: BoolArray, spacing: Spacing, policy: EmptyPolicy) -> float:
    if not pred.any() and not target.any():
        return policy.both_empty_distance
    if policy.one_empty_distance == "exclude":
        return math.nan
    height, width = target.shape
    return math.hypot(height * spacing[0], width * spacing[1])
