"""Distance to the convex hull of fixations."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from gaze_insight.errors import DataError
from gaze_insight.types import Size

__all__ = ["hull_distance"]


def hull_distance(points: NDArray[np.float64], size: Size) -> NDArray[np.float32]:
    """Measure how far each pixel's centre is from the boundary of the points' convex hull.

    Args:
        points: Positions in pixels of the grid, (N, 2) as (x, y); the centre of the pixel in row ``i`` and
            column ``j`` is ``(j + 0.5, i + 0.5)``. They may lie off the grid.
        size: Height and width of the grid.

    Returns:
        (h, w) float32: Euclidean distance in pixels, positive inside the hull, negative outside. The hull of
        one point or of points on a line has no inside.

    Raises:
        DataError: There is no point, or `points` has another shape.

    Example:
        >>> hull_distance(np.array([[0.0, 0], [4, 0], [4, 2], [0, 2]]), Size(2, 5)).round(1)
        array([[ 0.5,  0.5,  0.5,  0.5, -0.5],
               [ 0.5,  0.5,  0.5,  0.5, -0.5]], dtype=float32)
    """
    if points.ndim != 2 or points.shape[1:] != (2,) or len(points) == 0:
        raise DataError(f"points must be (N, 2) with N above 0, found {points.shape}")
    corners = cv2.convexHull(points.astype(np.float32)).reshape(-1, 2)
    x = np.arange(size.width, dtype=np.float32) + np.float32(0.5)
    y = (np.arange(size.height, dtype=np.float32) + np.float32(0.5))[:, None]
    nearest = np.full(size, np.inf, dtype=np.float32)
    left = np.ones(size, dtype=bool)
    right = np.ones(size, dtype=bool)
    for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        along = end - start
        length = np.float32(max(float(along @ along), 1e-12))
        share = np.clip(((x - start[0]) * along[0] + (y - start[1]) * along[1]) / length, 0, 1)
        square = (x - start[0] - share * along[0]) ** 2 + (y - start[1] - share * along[1]) ** 2
        np.minimum(nearest, square, out=nearest)
        side = along[0] * (y - start[1]) - along[1] * (x - start[0])
        left &= side > 0
        right &= side < 0
    distance = np.sqrt(nearest)
    return np.where(left | right, distance, -distance).astype(np.float32, copy=False)
