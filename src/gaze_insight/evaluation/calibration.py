"""Whether probabilities of pixels mean what they say: reliability, ECE, Brier score, temperature."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from gaze_insight.errors import DataError, SettingsError
from gaze_insight.evaluation.pixel_counts import LOGITS, Tally

__all__ = [
    "Bin",
    "Binning",
    "Brier",
    "brier",
    "expected_calibration_error",
    "fit_temperature",
    "maximum_calibration_error",
    "negative_log_likelihood",
    "reliability",
]

Binning = Literal["equal_width", "equal_mass"]
"""Bins of one width in [0, 1], or of as many pixels each."""

_MOST_INVERSE, _LEAST_INVERSE = 20.0, 0.05


class Bin(NamedTuple):
    """A bin of a reliability diagram.

    Args:
        prob: Mean probability of its pixels.
        lesion: Share of them that is lesion.
        share: Its share of all pixels.
    """

    prob: float
    lesion: float
    share: float


class Brier(NamedTuple):
    """Brier score and its parts; ``score = reliability - resolution + uncertainty + within``.

    Args:
        score: Mean squared difference of probability and truth.
        reliability: Miscalibration, at least 0.
        resolution: How far the bins' shares of lesion lie from the mean share, at least 0.
        uncertainty: Variance of the truth; that of always saying the mean share.
        within: What binning hides: 0 where a bin holds one probability alone.
    """

    score: float
    reliability: float
    resolution: float
    uncertainty: float
    within: float


def _binned(tally: Tally, bins: int, binning: Binning) -> NDArray[np.float64]:
    """Sum pixels, probability, lesion and squared errors of each bin that holds a pixel, (bins, 3)."""
    if bins < 1:
        raise SettingsError(f"expected 1 bin or more, found {bins}")
    held = tally.pixels > 0
    if not held.any():
        raise DataError("expected at least one pixel, found none")
    prob, pixels, lesion = tally.prob[held], tally.pixels[held], tally.lesion[held]
    if binning == "equal_width":
        place = np.minimum((prob * bins).astype(np.intp), bins - 1)
    else:
        order = np.argsort(prob, kind="stable")
        prob, pixels, lesion = prob[order], pixels[order], lesion[order]
        middle = np.cumsum(pixels) - pixels / 2
        place = np.minimum((middle / pixels.sum() * bins).astype(np.intp), bins - 1)
    sums = [np.bincount(place, weights=w, minlength=bins) for w in (pixels, pixels * prob, lesion)]
    table = np.stack(sums, axis=1)
    return np.asarray(table[table[:, 0] > 0])


def reliability(tally: Tally, bins: int = 15, binning: Binning = "equal_width") -> list[Bin]:
    """Compare the probability of lesion with the share of lesion, bin by bin.

    Args:
        tally: The pixels.
        bins: Bins at most; empty ones are left out.
        binning: equal_width: bins of one width in [0, 1]; equal_mass: bins of as many pixels each, as far as
            pixels of one entry of the tally stay together.

    Returns:
        The bins, by rising probability.

    Raises:
        DataError: No pixel.
        SettingsError: Fewer than 1 bin.

    Example:
        >>> tally = Tally(np.array([0.1, 0.9]), np.array([1.0, 3.0]), np.array([0.0, 2.4]))
        >>> [(one.prob, round(one.lesion, 2), one.share) for one in reliability(tally, 2)]
        [(0.1, 0.0, 0.25), (0.9, 0.8, 0.75)]
    """
    table = _binned(tally, bins, binning)
    total = table[:, 0].sum()
    return [Bin(float(p / n), float(y / n), float(n / total)) for n, p, y in table]


def expected_calibration_error(tally: Tally, bins: int = 15, binning: Binning = "equal_width") -> float:
    r"""Expected calibration error: $\sum_b \frac{n_b}{N} \lvert \bar p_b - \bar y_b \rvert$.

    Naeini et al., AAAI 2015, of the probability of lesion (not of the likelier class).

    Args:
        tally: The pixels.
        bins: Bins at most.
        binning: As in :func:`reliability`.

    Returns:
        In [0, 1].

    Raises:
        DataError: No pixel.

    Example:
        >>> expected_calibration_error(Tally(np.array([0.75]), np.array([4.0]), np.array([2.0])))
        0.25
    """
    return float(sum(one.share * abs(one.prob - one.lesion) for one in reliability(tally, bins, binning)))


def maximum_calibration_error(
    tally: Tally, bins: int = 15, binning: Binning = "equal_width", least_share: float = 0.0
) -> float:
    r"""Maximum calibration error: $\max_b \lvert \bar p_b - \bar y_b \rvert$ over bins with enough pixels.

    Args:
        tally: The pixels.
        bins: Bins at most.
        binning: As in :func:`reliability`.
        least_share: Bins with a smaller share of the pixels are left out.

    Returns:
        In [0, 1]; NaN where no bin is left.

    Raises:
        DataError: No pixel.

    Example:
        >>> tally = Tally(np.array([0.1, 0.6]), np.array([1.0, 1.0]), np.array([0.0, 1.0]))
        >>> maximum_calibration_error(tally)
        0.4
    """
    kept = [one for one in reliability(tally, bins, binning) if one.share >= least_share]
    return max((abs(one.prob - one.lesion) for one in kept), default=float("nan"))


def brier(tally: Tally, bins: int = 15, binning: Binning = "equal_width") -> Brier:
    r"""Brier score, $\overline{(p - y)^2}$, and its parts (Murphy, Journal of Applied Meteorology 12, 1973).

    With bins $b$ of share $w_b$: reliability $\sum w_b (\bar p_b - \bar y_b)^2$, resolution
    $\sum w_b (\bar y_b - \bar y)^2$, uncertainty $\bar y (1 - \bar y)$; what is left is the spread within
    bins (Stephenson et al., Weather and Forecasting 23, 2008).

    Args:
        tally: The pixels.
        bins: Bins at most.
        binning: As in :func:`reliability`.

    Returns:
        Score and parts.

    Raises:
        DataError: No pixel.

    Example:
        >>> brier(Tally(np.array([0.0, 1.0]), np.ones(2), np.array([0.0, 1.0]))).score
        0.0
    """
    found = reliability(tally, bins, binning)
    total = float(tally.pixels.sum())
    mean = float(tally.lesion.sum()) / total
    errors = tally.lesion * (1 - tally.prob) ** 2 + (tally.pixels - tally.lesion) * tally.prob**2
    score = float(errors.sum()) / total
    miss = sum(one.share * (one.prob - one.lesion) ** 2 for one in found)
    resolution = sum(one.share * (one.lesion - mean) ** 2 for one in found)
    spread = mean * (1 - mean)
    return Brier(score, miss, resolution, spread, score - miss + resolution - spread)


def negative_log_likelihood(tally: Tally) -> float:
    r"""Mean cross-entropy in nats: $-\overline{y \ln p + (1 - y) \ln(1 - p)}$.

    Args:
        tally: The pixels; probabilities are clipped to [1e-7, 1 - 1e-7].

    Returns:
        At least 0.

    Raises:
        DataError: No pixel.

    Example:
        >>> round(negative_log_likelihood(Tally(np.array([0.5]), np.ones(1), np.ones(1))), 4)
        0.6931
    """
    total = float(tally.pixels.sum())
    if total == 0:
        raise DataError("expected at least one pixel, found none")
    prob = np.clip(tally.prob, 1e-7, 1 - 1e-7)
    gain = tally.lesion * np.log(prob) + (tally.pixels - tally.lesion) * np.log1p(-prob)
    return float(-gain.sum() / total)


def fit_temperature(counts: NDArray[np.int64] | NDArray[np.float64]) -> float:
    """Find the temperature of least cross-entropy.

    The cross-entropy is convex in 1/T, which is searched in [0.05, 20] (Guo et al., ICML 2017).

    Args:
        counts: From :func:`count_levels`, summed over cases, (2049, 2).

    Returns:
        The temperature; 1 where only one class occurs, which fixes no temperature.

    Raises:
        DataError: No pixel.

    Example:
        >>> counts = np.zeros((2049, 2), np.int64)
        >>> counts[1024 + 64] = 1000, 881  # log odds 1, but the share of lesion is that of log odds 2
        >>> round(fit_temperature(counts), 2)
        0.5
    """
    table = counts.astype(np.float64)
    if table[:, 0].sum() == 0:
        raise DataError("expected at least one pixel, found none")
    if table[:, 1].sum() in (0.0, table[:, 0].sum()):
        return 1.0
    pixels, lesion = table[:, 0] / table[:, 0].sum(), table[:, 1] / table[:, 0].sum()

    def cross_entropy(inverse: float) -> float:
        odds = LOGITS * inverse
        return float((pixels * np.logaddexp(0, odds) - lesion * odds).sum())

    found = minimize_scalar(cross_entropy, bounds=(_LEAST_INVERSE, _MOST_INVERSE), method="bounded")
    return float(1 / found.x)
