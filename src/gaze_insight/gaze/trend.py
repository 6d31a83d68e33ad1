"""Whether something grows or falls over a session: a robust slope with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from gaze_insight.errors import DataError

__all__ = ["Trend", "trend"]

_MOST = 1500


@dataclass(frozen=True)
class Trend:
    """A robust straight line through values in order.

    Args:
        slope: Change per `per` steps of the order.
        low: Lower end of the slope's 95 % interval.
        high: Upper end.
        intercept: The line's value at order 0.
        per: Steps that `slope` speaks of.

    Example:
        >>> Trend(slope=0.5, low=0.2, high=0.8, intercept=3.0, per=100).certain
        True
    """

    slope: float
    low: float
    high: float
    intercept: float
    per: int

    @property
    def certain(self) -> bool:
        """The interval leaves out 0."""
        return self.low > 0 or self.high < 0


def trend(order: Sequence[int] | ArrayLike, values: ArrayLike, *, per: int = 1) -> Trend | None:
    """Fit the Theil-Sen line: the median of the slopes through all pairs of points.

    Up to 29 % of the values may be anything without spoiling it. Of more than 1500 values every k-th is
    used. Source: P. K. Sen, Estimates of the regression coefficient based on Kendall's tau, 1968.

    Args:
        order: Place of each value, shape (N,).
        values: The values, shape (N,), finite.
        per: Steps of the order that the slope is given for.

    Returns:
        The line; None for fewer than 3 values, or where all stand in one place.

    Raises:
        DataError: Unequal lengths.

    Example:
        >>> trend([0, 1, 2, 3], [5.0, 5.1, 9.0, 5.3], per=10).slope
        1.0
    """
    place, height = np.asarray(order, dtype=np.float64), np.asarray(values, dtype=np.float64)
    if place.shape != height.shape or place.ndim != 1:
        raise DataError(f"order and values must have one shape (N,), found {place.shape} and {height.shape}")
    if len(place) < 3 or np.ptp(place) == 0:
        return None
    step = -(-len(place) // _MOST)
    kept = np.argsort(place, kind="stable")[::step]
    slope, intercept, low, high = stats.theilslopes(height[kept], place[kept])
    return Trend(float(slope) * per, float(low) * per, float(high) * per, float(intercept), per)
