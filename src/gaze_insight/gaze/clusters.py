"""Points grouped: representative ones, weighted clusters, and groups with a gap between them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import pdist

from gaze_insight.errors import DataError, SettingsError

__all__ = ["Points", "farthest_points", "linked_groups", "weighted_clusters"]

Points = NDArray[np.float64]
"""Positions, shape (N, 2), as (x, y), both axes in one unit of length."""

_ROUNDS = 100


def farthest_points(points: Points, count: int, first: int = 0) -> NDArray[np.intp]:
    """Choose points that lie far from each other, one after the other.

    Each next point is the one whose distance to its nearest chosen point is largest (Gonzalez, Clustering to
    minimize the maximum intercluster distance, 1985); of equals, the first.

    Args:
        points: Positions, shape (N, 2).
        count: How many to choose, at least 0.
        first: Index of the point to begin with.

    Returns:
        Indices in the order of choice, shape (K,) with K at most `count`: positions that are already chosen
        are not chosen twice. Empty for no points.

    Raises:
        DataError: `points` has another shape.
        SettingsError: `count` is below 0.

    Example:
        >>> farthest_points(np.array([[0.0, 0], [0.1, 0], [1, 0], [0, 0]]), 4).tolist()
        [0, 2, 1]
    """
    _check(points, count)
    if len(points) == 0 or count == 0:
        return np.zeros(0, np.intp)
    chosen = [first]
    nearest = _distances(points, points[first])
    while len(chosen) < count and nearest.max() > 0:
        chosen.append(int(nearest.argmax()))
        nearest = np.minimum(nearest, _distances(points, points[chosen[-1]]))
    return np.array(chosen, np.intp)


def weighted_clusters(points: Points, weights: NDArray[np.float64], count: int) -> NDArray[np.intp]:
    """Group points by weighted k-means, the same way each time.

    Minimises ``sum_i w_i |p_i - c(i)|^2`` (Lloyd, Least squares quantization in PCM, 1982). It begins with
    the point nearest to the weighted mean and the points far from it by `farthest_points`, so nothing is
    drawn at random.

    Args:
        points: Positions, shape (N, 2).
        weights: Weights above 0, shape (N,).
        count: Clusters wanted, at least 1.

    Returns:
        Cluster of each point, shape (N,), numbered from 0 by first appearance; fewer than `count` clusters
        where there are fewer distinct positions. Empty for no points.

    Raises:
        DataError: `points` or `weights` has another shape, or a weight is not above 0.
        SettingsError: `count` is below 1.

    Example:
        >>> x = np.array([[0.1, 0.1], [0.1, 0.2], [0.9, 0.9]])
        >>> weighted_clusters(x, np.ones(3), 2).tolist()
        [0, 0, 1]
    """
    _check(points, count, least=1)
    if weights.shape != points.shape[:1] or not np.all(weights > 0):
        raise DataError(f"expected a weight above 0 for each of {len(points)} points, found {weights.shape}")
    if len(points) == 0:
        return np.zeros(0, np.intp)
    middle = np.average(points, axis=0, weights=weights)
    first = int(_distances(points, middle).argmin())
    centres = points[farthest_points(points, count, first)]
    group = _nearest(points, centres)
    for _ in range(_ROUNDS):
        for one in np.unique(group):
            centres[one] = np.average(points[group == one], axis=0, weights=weights[group == one])
        moved = _nearest(points, centres)
        if np.array_equal(moved, group):
            break
        group = moved
    return _by_first_member(group)


def linked_groups(points: Points, gap: float) -> NDArray[np.intp]:
    """Split points into groups that have a gap between them.

    Two points belong together where a chain of points with steps of at most `gap` joins them (single
    linkage).

    Args:
        points: Positions, shape (N, 2).
        gap: Longest step, in the unit of the points; above 0.

    Returns:
        Group of each point, shape (N,), numbered from 0 by first appearance. Empty for no points.

    Raises:
        DataError: `points` has another shape.
        SettingsError: `gap` is not above 0.

    Example:
        >>> linked_groups(np.array([[0.0, 0], [0.9, 0], [0.1, 0], [0.2, 0]]), 0.15).tolist()
        [0, 1, 0, 0]
    """
    _check(points)
    if not gap > 0:
        raise SettingsError(f"gap must be above 0, found {gap:g}")
    if len(points) < 2:
        return np.zeros(len(points), np.intp)
    return _by_first_member(fcluster(linkage(pdist(points), "single"), gap, criterion="distance"))


def _by_first_member(labels: NDArray[Any]) -> NDArray[np.intp]:
    """Number the groups from 0 without gaps, in the order of their first members."""
    _, begun, group = np.unique(labels, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(begun))[group.reshape(-1)].astype(np.intp)


def _check(points: Points, count: int = 0, *, least: int = 0) -> None:
    if points.ndim != 2 or points.shape[1] != 2:
        raise DataError(f"points must have shape (N, 2), found {points.shape}")
    if count < least:
        raise SettingsError(f"count must be at least {least}, found {count}")


def _distances(points: Points, one: Points) -> NDArray[np.float64]:
    away: NDArray[np.float64] = np.hypot(*(points - one).T)
    return away


def _nearest(points: Points, centres: Points) -> NDArray[np.intp]:
    return np.asarray(np.argmin([_distances(points, one) for one in centres], axis=0), np.intp)
