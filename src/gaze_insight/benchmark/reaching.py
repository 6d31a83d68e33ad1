"""Where a curve of a few points first reaches a height, and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["at_position", "first_reach", "joint_means", "order_interval"]


def first_reach(heights: NDArray[np.float64], wanted: NDArray[np.float64]) -> NDArray[np.float64]:
    """Find the first place at which broken lines reach a height.

    Args:
        heights: (R, P): R lines of P points each.
        wanted: (R,): the height for each line.

    Returns:
        (R,): places in points from 0, between points by proportion; -inf where the first point is as high
        already, inf where no point is.

    Example:
        >>> first_reach(np.array([[0.5, 0.7, 0.6, 0.9]] * 3), np.array([0.6, 0.4, 0.95])).tolist()
        [0.5, -inf, inf]
    """
    reached = heights >= wanted[:, None]
    first = reached.argmax(axis=1)
    rows = np.arange(len(heights))
    above = heights[rows, first]
    below = heights[rows, np.maximum(first - 1, 0)]
    rise = np.where(above > below, above - below, 1.0)
    found = first - 1 + (wanted - below) / rise
    found = np.where(first == 0, -np.inf, found)
    return np.where(reached.any(axis=1), found, np.inf)


def at_position(values: Sequence[float], position: float) -> float:
    """Give the value at a place between points, on a logarithmic scale.

    Args:
        values: Values of the points, above 0.
        position: Place in points from 0; infinite for beyond the ends.

    Returns:
        The value; infinite places stay so.

    Example:
        >>> round(at_position([25, 100], 0.5), 6), at_position([25, 100], math.inf)
        (50.0, inf)
    """
    if math.isinf(position):
        return float(position)
    return float(np.exp(np.interp(position, np.arange(len(values)), np.log(values))))


def order_interval(values: NDArray[np.float64], level: float = 0.95) -> tuple[float, float]:
    """Percentile interval by order statistics, for values that may be infinite.

    Args:
        values: (R,), R >= 1.
        level: Share of values inside, in (0, 1).

    Returns:
        Lower and upper end, each one of the values.

    Example:
        >>> order_interval(np.array([1.0, np.inf, 2.0, 3.0]), 0.5)
        (1.0, inf)
    """
    ordered, tail = np.sort(values), (1 - level) / 2
    last = len(ordered) - 1
    return float(ordered[math.floor(tail * last)]), float(ordered[math.ceil((1 - tail) * last)])


def joint_means(
    tables: Sequence[NDArray[np.float64]],
    *,
    groups: Sequence[Hashable] | None = None,
    resamples: int = 2000,
    seed: int = 0,
) -> NDArray[np.float64]:
    """Resample the means of some tables of the same cases together.

    As in :func:`gaze_insight.evaluation.statistics.crossed_bootstrap_interval`, cases (or groups) are drawn
    with replacement, the same for all tables and whatever the tables are, and seeds apart for each table,
    their deviations stretched by sqrt(k / (k - 1)).

    Args:
        tables: Scores, (N, K) each; K may differ.
        groups: The group (patient) of each case, (N,), or None.
        resamples: How many resamples.
        seed: Seed of the drawing of seeds; that of cases is fixed, so that calls on the same cases draw
            alike.

    Returns:
        (resamples, tables): resampled means.

    Example:
        >>> drawn = joint_means([np.full((5, 2), 0.5), np.full((5, 1), 0.8)], resamples=3)
        >>> drawn.shape, np.allclose(drawn, [0.5, 0.8])
        ((3, 2), True)
    """
    count = len(tables[0])
    numbers: dict[Hashable, int] = {}
    given: Sequence[Hashable] = range(count) if groups is None else groups
    index = np.array([numbers.setdefault(group, len(numbers)) for group in given])
    cases = np.random.default_rng(0).multinomial(
        len(numbers), np.full(len(numbers), 1 / len(numbers)), size=resamples
    )
    weights = cases[:, index].astype(np.float64)
    weights /= weights.sum(axis=1, keepdims=True)
    rng = np.random.default_rng(seed)
    means = np.empty((resamples, len(tables)))
    for place, table in enumerate(tables):
        by_seed = weights @ table
        k = table.shape[1]
        centre = by_seed.mean(axis=1)
        picked = np.take_along_axis(by_seed, rng.integers(0, k, size=by_seed.shape), axis=1).mean(axis=1)
        means[:, place] = centre + (picked - centre) * math.sqrt(k / max(1, k - 1))
    return means
