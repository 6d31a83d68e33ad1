"""What a quality score without ground truth is worth, where the truth is known: order, level, use."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

from gaze_insight.errors import DataError

__all__ = [
    "calibration_error",
    "equal_bins",
    "interval_of",
    "kept_means",
    "replaced_means",
    "spearman",
]


def spearman(first: ArrayLike, second: ArrayLike) -> float:
    """Spearman's rank correlation: Pearson's correlation of the ranks, ties sharing their mean rank.

    Args:
        first: Values, (N,).
        second: Values of the same cases, (N,).

    Returns:
        In [-1, 1]; NaN for fewer than three cases or where one side is constant.

    Raises:
        DataError: The two differ in length.

    Example:
        >>> spearman([0.1, 0.2, 0.3, 0.4], [1, 3, 2, 4]).__round__(2)
        0.8
    """
    one, other = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if one.shape != other.shape:
        raise DataError(f"both sides of a correlation need the same cases, found {one.shape}, {other.shape}")
    if len(one) < 3 or np.ptp(one) == 0 or np.ptp(other) == 0:
        return float("nan")
    return float(np.corrcoef(rankdata(one), rankdata(other))[0, 1])


def interval_of(
    statistic: Callable[[NDArray[np.intp]], float],
    count: int,
    *,
    groups: Sequence[Hashable] | None = None,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile bootstrap interval of any statistic of cases; whole groups are drawn where there are any.

    Args:
        statistic: From the indices of the cases drawn, (M,), to a number.
        count: Cases, N.
        groups: The group (patient) of each case, (N,); None: every case is one.
        level: Share of resampled statistics inside the interval, in (0, 1).
        resamples: How many resamples.
        seed: Seed of the drawing.

    Returns:
        Lower and upper end over the resamples whose statistic is a number; NaN for fewer than five groups.

    Raises:
        DataError: `groups` has another length.

    Example:
        >>> values = np.arange(20.0)
        >>> low, high = interval_of(lambda drawn: float(np.median(values[drawn])), 20)
        >>> low < 9.5 < high
        True
    """
    if groups is not None and len(groups) != count:
        raise DataError(f"each case needs a group: found {count} cases and {len(groups)} groups")
    members: dict[Hashable, list[int]] = {}
    for place in range(count):
        members.setdefault(place if groups is None else groups[place], []).append(place)
    if len(members) < 5:
        return float("nan"), float("nan")
    indices = [np.array(group, dtype=np.intp) for group in members.values()]
    rng = np.random.default_rng(seed)
    found = np.empty(resamples)
    for number in range(resamples):
        drawn = rng.integers(0, len(indices), len(indices))
        whole = drawn if groups is None else np.concatenate([indices[one] for one in drawn])
        found[number] = statistic(whole)
    found = found[np.isfinite(found)]
    if not len(found):
        return float("nan"), float("nan")
    low, high = np.percentile(found, [50 * (1 - level), 50 * (1 + level)])
    return float(low), float(high)


def equal_bins(expected: ArrayLike, true: ArrayLike, bins: int = 10) -> list[tuple[float, float, int]]:
    """Sort cases by their expected value into equally filled bins and average both sides in each.

    Args:
        expected: Expected values, (N,).
        true: True values, (N,).
        bins: Bins at most; each holds at least two cases.

    Returns:
        Mean expected value, mean true value and number of cases of each bin, rising; empty for no case.

    Example:
        >>> equal_bins([0.2, 0.4, 0.9, 0.7], [0.1, 0.5, 0.8, 0.8], bins=2)
        [(0.3, 0.3, 2), (0.8, 0.8, 2)]
    """
    one, other = np.asarray(expected, dtype=np.float64), np.asarray(true, dtype=np.float64)
    if not len(one):
        return []
    order = np.argsort(one, kind="stable")
    parts = np.array_split(order, max(1, min(bins, len(one) // 2)))
    return [(round(float(one[p].mean()), 12), round(float(other[p].mean()), 12), len(p)) for p in parts]


def calibration_error(expected: ArrayLike, true: ArrayLike, bins: int = 10) -> float:
    r"""Mean calibration error: $\sum_b n_b \lvert\bar e_b - \bar t_b\rvert / N$ over equally filled bins.

    Args:
        expected: Expected values, (N,).
        true: True values, (N,).
        bins: Bins at most.

    Returns:
        At least 0, in the unit of the values; NaN for no case.

    Example:
        >>> round(calibration_error([0.2, 0.4, 0.9, 0.7], [0.1, 0.5, 0.7, 0.7], bins=2), 3)
        0.05
    """
    found = equal_bins(expected, true, bins)
    if not found:
        return float("nan")
    return sum(n * abs(mean - truth) for mean, truth, n in found) / sum(n for _, _, n in found)


def kept_means(order: ArrayLike, values: ArrayLike, left_out: ArrayLike) -> NDArray[np.float64]:
    """Mean of the cases that stay when those first in an order are left out.

    Args:
        order: Indices of all cases, the first to be left out first, (N,).
        values: A value a case, (N,).
        left_out: Shares of cases left out, each in [0, 1), (K,); at least one case stays.

    Returns:
        Means, (K,).

    Example:
        >>> kept_means([2, 0, 1], [0.4, 0.9, 0.2], [0.0, 0.34, 0.67]).round(2).tolist()
        [0.5, 0.65, 0.9]
    """
    sorted_values = np.asarray(values, dtype=np.float64)[np.asarray(order, dtype=np.intp)]
    count = len(sorted_values)
    gone = np.minimum(np.rint(np.asarray(left_out, dtype=np.float64) * count), count - 1).astype(int)
    return np.array([sorted_values[start:].mean() for start in gone])


def replaced_means(
    order: ArrayLike, values: ArrayLike, counts: Sequence[int], to: float = 1.0
) -> NDArray[np.float64]:
    """Mean of all cases when those first in an order get another value.

    Args:
        order: Indices of cases, the first to be replaced first, (M,) with M at most N.
        values: A value a case, (N,).
        counts: How many are replaced; more than M replace M.
        to: The value they get.

    Returns:
        Means, one for each of `counts`.

    Example:
        >>> replaced_means([1, 0], [0.5, 0.2], [0, 1, 2]).tolist()
        [0.35, 0.75, 1.0]
    """
    array = np.asarray(values, dtype=np.float64)
    gains = np.concatenate([[0.0], np.cumsum(to - array[np.asarray(order, dtype=np.intp)])])
    chosen = np.minimum(np.asarray(counts, dtype=int), len(gains) - 1)
    means: NDArray[np.float64] = array.mean() + gains[chosen] / len(array)
    return means
