"""Whether a confidence sends the right cases to a human: risk against the share of cases that is kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gaze_insight.errors import DataError

__all__ = ["RiskCoverage", "SelectiveScore", "kept_mean", "risk_coverage", "selective_score"]


@dataclass(frozen=True, eq=False)
class RiskCoverage:
    """Mean risk of the cases kept, when the least confident are left out one after the other.

    Attributes:
        coverage: Share of cases kept: 1/N, 2/N, ..., 1; (N,).
        risk: Mean risk of those, (N,).
    """

    coverage: NDArray[np.float64]
    risk: NDArray[np.float64]

    @property
    def area(self) -> float:
        """Area under the curve, AURC: the mean of the risks over all N coverages."""
        return float(self.risk.mean())


class SelectiveScore(NamedTuple):
    """The area under a risk-coverage curve beside what chance and an oracle reach.

    Args:
        aurc: Area under the curve; lower is better.
        oracle: That of the best order there is.
        random: That of no order at all: the mean risk.
        excess: ``aurc - oracle``.
        share_of_gain: ``(random - aurc) / (random - oracle)``: 1 as the oracle, 0 as chance, below 0 worse;
            NaN where all cases have one risk.
    """

    aurc: float
    oracle: float
    random: float
    excess: float
    share_of_gain: float


def risk_coverage(confidence: ArrayLike, risk: ArrayLike) -> RiskCoverage:
    r"""Draw the risk-coverage curve (El-Yaniv and Wiener, JMLR 11, 2010).

    The point of coverage $k/N$ is the mean risk of the $k$ most confident cases. Cases of equal confidence
    come in random order; the curve is its expectation.

    Args:
        confidence: Higher is surer, (N,).
        risk: As 1 - Dice, (N,).

    Returns:
        The curve.

    Raises:
        DataError: No case, another length, or a value that is not a number.

    Example:
        >>> risk_coverage([0.9, 0.1, 0.5], [0.0, 0.6, 0.3]).risk.round(2).tolist()
        [0.0, 0.15, 0.3]
    """
    sure, loss = np.asarray(confidence, dtype=np.float64), np.asarray(risk, dtype=np.float64)
    if sure.shape != loss.shape or sure.ndim != 1 or not len(sure):
        raise DataError(f"expected a confidence and a risk of each case, found {sure.shape}, {loss.shape}")
    if not (np.isfinite(sure).all() and np.isfinite(loss).all()):
        raise DataError("expected confidences and risks that are numbers, found others")
    _, place = np.unique(-sure, return_inverse=True)
    tied = np.bincount(place, weights=loss) / np.bincount(place)
    ordered = tied[np.sort(place)]
    kept = np.arange(1, len(loss) + 1)
    return RiskCoverage(kept / len(loss), np.cumsum(ordered) / kept)


def selective_score(confidence: ArrayLike, risk: ArrayLike) -> SelectiveScore:
    """Score a confidence by the area under its risk-coverage curve (Geifman, Uziel, El-Yaniv, ICLR 2019).

    Args:
        confidence: Higher is surer, (N,).
        risk: As 1 - Dice, (N,).

    Returns:
        The area, with the oracle's, chance's, and the excess over the oracle.

    Raises:
        DataError: As :func:`risk_coverage`.

    Example:
        >>> selective_score([0.9, 0.1, 0.5], [0.0, 0.6, 0.3]).excess
        0.0
    """
    loss = np.asarray(risk, dtype=np.float64)
    area = risk_coverage(confidence, loss).area
    best, chance = risk_coverage(-loss, loss).area, float(loss.mean())
    room = chance - best
    return SelectiveScore(
        area, best, chance, area - best, (chance - area) / room if room > 1e-12 else float("nan")
    )


def kept_mean(confidence: ArrayLike, values: ArrayLike, keep_frac: float) -> float:
    """Mean of the most confident cases.

    Args:
        confidence: Higher is surer, (N,).
        values: As Dice, (N,).
        keep_frac: Share kept, in (0, 1]; at least one case.

    Returns:
        The mean over ``ceil(keep_frac N)`` cases.

    Raises:
        DataError: As :func:`risk_coverage`, or a share outside (0, 1].

    Example:
        >>> kept_mean([3, 2, 1], [0.9, 0.7, 0.2], 2 / 3)
        0.8
    """
    if not 0 < keep_frac <= 1:
        raise DataError(f"expected a share to keep in (0, 1], found {keep_frac}")
    curve = risk_coverage(confidence, values)
    return float(curve.risk[int(np.ceil(keep_frac * len(curve.risk) - 1e-9)) - 1])
