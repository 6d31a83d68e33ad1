"""Counting for the keyword study: rates of labels against tags with intervals."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["TagRates", "f1_interval", "tag_rates", "wilson_interval"]


@dataclass(frozen=True)
class TagRates:
    """How a labeler's word on one finding agrees with the tags.

    Args:
        finding: The finding, or "all findings" for their sum.
        tagged: Reports with the tag.
        found: Reports that the labeler marks.
        hits: Reports with both.
        precision: hits / found; NaN where nothing was found.
        precision_ci95: Its Wilson interval.
        recall: hits / tagged; NaN where nothing is tagged.
        recall_ci95: Its Wilson interval.
        f1: 2 hits / (found + tagged); NaN where both are 0.
        f1_ci95: Its percentile bootstrap interval over reports.
    """

    finding: str
    tagged: int
    found: int
    hits: int
    precision: float
    precision_ci95: tuple[float, float]
    recall: float
    recall_ci95: tuple[float, float]
    f1: float
    f1_ci95: tuple[float, float]


def wilson_interval(hits: int, total: int) -> tuple[float, float]:
    r"""Give the Wilson 95 % interval of a share (Wilson, 1927).

    :math:`\frac{\hat p + z^2/2n \pm z\sqrt{\hat p(1 - \hat p)/n + z^2/4n^2}}{1 + z^2/n}` with z = 1.96.

    Args:
        hits: How many.
        total: Of how many.

    Returns:
        Lower and upper end in [0, 1]; NaN twice for a total of 0.

    Example:
        >>> [round(end, 3) for end in wilson_interval(9, 10)]
        [0.596, 0.982]
    """
    if total == 0:
        return math.nan, math.nan
    z = 1.959963984540054
    share = hits / total
    middle = share + z * z / (2 * total)
    half = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    scale = 1 + z * z / total
    return max(0.0, (middle - half) / scale), min(1.0, (middle + half) / scale)


def f1_interval(
    tagged: NDArray[np.bool_], found: NDArray[np.bool_], *, resamples: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """Give the percentile bootstrap 95 % interval of F1, reports drawn with replacement.

    Reports with equal counts are drawn together, which is the same and faster.

    Args:
        tagged: Shape (reports, findings): the tags.
        found: Shape (reports, findings): what the labeler marks; F1 is of the sum over findings.
        resamples: How many resamples, at least 1.
        seed: Seed of the drawing.

    Returns:
        Lower and upper end; NaN twice where neither is ever true.

    Example:
        >>> tags = np.array([[True], [False]] * 20)
        >>> f1_interval(tags, tags)
        (1.0, 1.0)
    """
    hits = (tagged & found).sum(axis=1)
    both = tagged.sum(axis=1) + found.sum(axis=1)
    if not both.any():
        return math.nan, math.nan
    kinds, counts = np.unique(np.stack([hits, both]), axis=1, return_counts=True)
    drawn = np.random.default_rng(seed).multinomial(len(hits), counts / len(hits), size=resamples)
    hits_drawn, both_drawn = drawn @ kinds[0], drawn @ kinds[1]
    values = 2 * hits_drawn[both_drawn > 0] / both_drawn[both_drawn > 0]
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


def tag_rates(
    finding: str,
    tagged: NDArray[np.bool_],
    found: NDArray[np.bool_],
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> TagRates:
    """Compute precision, recall and F1 against tags.

    Args:
        finding: What is counted.
        tagged: Shape (reports,) or (reports, findings): the tags.
        found: Likewise: what the labeler marks.
        resamples: Resamples of the interval of F1.
        seed: Seed of the drawing.

    Returns:
        The rates.

    Example:
        >>> rates = tag_rates("Edema", np.array([True, True, False]), np.array([True, False, False]))
        >>> rates.precision, rates.recall, round(rates.f1, 3)
        (1.0, 0.5, 0.667)
    """
    wide_tags, wide_found = (one.reshape(len(one), -1) for one in (tagged, found))
    wanted, said = int(wide_tags.sum()), int(wide_found.sum())
    hits = int((wide_tags & wide_found).sum())
    return TagRates(
        finding=finding,
        tagged=wanted,
        found=said,
        hits=hits,
        precision=hits / said if said else math.nan,
        precision_ci95=wilson_interval(hits, said),
        recall=hits / wanted if wanted else math.nan,
        recall_ci95=wilson_interval(hits, wanted),
        f1=2 * hits / (wanted + said) if wanted + said else math.nan,
        f1_ci95=f1_interval(wide_tags, wide_found, resamples=resamples, seed=seed),
    )
