"""Classifier two-sample test: can a model tell simulated from real readings, one reading at a time?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from gaze_insight.errors import DataError
from gaze_insight.gaze.reading_statistics import STATISTICS

__all__ = ["FEATURES", "Separation", "area_under_curve", "fit_logistic", "reading_features", "tell_apart"]

_CLIP_SD = 4.0
_NEWTON_STEPS = 50
_TOLERANCE = 1e-9
_DIGITS = 9


@dataclass(frozen=True)
class Separation:
    """How well held-out readings are told apart.

    Args:
        auc: Chance that a simulated reading gets a higher score than a real one, ties half: 0.5 where they
            cannot be told apart, 1 where they always can.
        low: Lower end of its bootstrap interval, which holds the trained classifiers fixed: with few
            readings the area itself varies more than it says, and may lie below 0.5 by chance.
        high: Upper end.
        folds: Folds of the cross-validation.
        alone: Feature to the same area where the model sees that feature alone: what gives it away.

    Example:
        >>> Separation(0.6, 0.55, 0.65, 5, {"count": 0.58}).auc
        0.6
    """

    auc: float
    low: float
    high: float
    folds: int
    alone: dict[str, float]


FEATURES = tuple(
    name
    for key, statistic in STATISTICS.items()
    for name in ((f"{key}_mean", f"{key}_sd") if statistic.pooled else (key,))
)
"""The features of a reading, in order."""


def reading_features(statistics: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
    """Turn a reading's statistics into one row of features.

    A statistic with one value gives that value. One with many gives their mean and their standard deviation;
    those of durations and gaps are taken of ``ln(1 + max(0, ms))``, since both are skewed.

    Args:
        statistics: From `reading_statistics`.

    Returns:
        float64, (F,), in the order of `FEATURES`; NaN where the reading has no value.

    Example:
        >>> from gaze_insight.gaze.fixations import Fixations
        >>> from gaze_insight.gaze.reading_statistics import reading_statistics
        >>> reading_features(reading_statistics(Fixations.empty()))[:3].tolist()
        [0.0, nan, nan]
    """
    row: list[float] = []
    for name, statistic in STATISTICS.items():
        values = np.asarray(statistics.get(name, np.zeros(0)), dtype=np.float64)
        if statistic.unit == "ms":
            values = np.log1p(np.maximum(values, 0.0))
        row.append(float(values.mean()) if len(values) else float("nan"))
        if statistic.pooled:
            row.append(float(values.std()) if len(values) else float("nan"))
    return np.array(row)


def fit_logistic(
    features: NDArray[np.float64], labels: ArrayLike, penalty: float = 1.0
) -> tuple[NDArray[np.float64], float]:
    """Fit a logistic regression by Newton's method.

    It minimises ``-sum log sigmoid(s (X b + c)) + penalty / 2 |b|^2`` with s = 1 for label 1 and -1 for label
    0; the intercept c is not penalised.

    Args:
        features: X, (N, F), finite, of comparable scale.
        labels: (N,), 0 or 1, both present.
        penalty: Weight of the squared coefficients, > 0.

    Returns:
        The coefficients b (F,) and the intercept c.

    Raises:
        DataError: Shapes disagree, or one of the labels is missing.

    Example:
        >>> coefficients, _ = fit_logistic(np.array([[-1.0], [1.0], [-2.0], [2.0]]), [0, 1, 0, 1])
        >>> bool(coefficients[0] > 0)
        True
    """
    y = np.asarray(labels, dtype=np.float64)
    if features.ndim != 2 or y.shape != (len(features),) or set(np.unique(y)) != {0.0, 1.0}:
        raise DataError(
            f"expected features (N, F) and labels (N,), both 0 and 1 among them, found {features.shape} "
            f"and {y.shape}"
        )
    design = np.hstack([features, np.ones((len(features), 1))])
    ridge = np.full(design.shape[1], penalty)
    ridge[-1] = 0.0
    beta = np.zeros(design.shape[1])
    for _ in range(_NEWTON_STEPS):
        probability = 1 / (1 + np.exp(-np.clip(design @ beta, -500, 500)))
        gradient = design.T @ (probability - y) + ridge * beta
        curvature = (design * (probability * (1 - probability))[:, None]).T @ design + np.diag(ridge + 1e-12)
        step = np.linalg.solve(curvature, gradient)
        beta = beta - step
        if np.abs(step).max() < _TOLERANCE:
            break
    return beta[:-1], float(beta[-1])


def area_under_curve(scores: ArrayLike, labels: ArrayLike) -> float:
    """Area under the ROC curve, by ranks: P(score of a 1 > score of a 0), ties half.

    Args:
        scores: (N,).
        labels: (N,), 0 or 1, both present.

    Returns:
        A fraction in [0, 1].

    Raises:
        DataError: One of the labels is missing.

    Example:
        >>> area_under_curve([0.1, 0.4, 0.35, 0.8], [0, 0, 1, 1])
        0.75
    """
    positive = np.asarray(labels, dtype=np.bool_)
    ones, zeros = int(positive.sum()), int((~positive).sum())
    if not ones or not zeros:
        raise DataError(f"an area under the curve needs both labels, found {ones} ones and {zeros} zeros")
    ranks = stats.rankdata(np.asarray(scores, dtype=np.float64))
    return float((ranks[positive].sum() - ones * (ones + 1) / 2) / (ones * zeros))


def tell_apart(
    real: Sequence[Mapping[str, NDArray[np.float64]]],
    simulated: Sequence[Mapping[str, NDArray[np.float64]]],
    *,
    paired: bool = False,
    folds: int = 5,
    level: float = 0.9,
    resamples: int = 1000,
    seed: int = 0,
) -> Separation:
    """Cross-validate a logistic regression that tells simulated from real readings (Lopez-Paz & Oquab 2017).

    The features of `reading_features` and their squares are standardised on each training fold and clipped at
    4 standard deviations; missing ones take the mean. The area under the ROC curve is the mean over the
    held-out folds, each weighted by its pairs of a real and a simulated reading. It says how far this model
    can tell them apart; another model might do better.

    Args:
        real: Statistics of the real readings.
        simulated: Statistics of the simulated ones.
        paired: Whether ``simulated[i]`` is of the same image as ``real[i]``; then both are held out together
            and resampled together.
        folds: Folds, at least 2.
        level: Share of resampled areas inside the interval.
        resamples: Bootstrap resamples of the held-out scores, over readings (or pairs).
        seed: Seed of folds and bootstrap.

    Returns:
        The separation.

    Raises:
        DataError: Fewer readings on a side than folds, or paired sides of unequal length.

    Example:
        >>> from gaze_insight.gaze.fixations import Fixations
        >>> from gaze_insight.gaze.reading_statistics import reading_statistics
        >>> some = [reading_statistics(Fixations.from_rows([(0.5, 0.5, 200, 0)] * n)) for n in range(1, 7)]
        >>> tell_apart(some, some, paired=True, folds=2, resamples=10).auc
        0.5
    """
    if folds < 2 or min(len(real), len(simulated)) < folds:
        raise DataError(f"{folds} folds need as many readings a side, found {len(real)}, {len(simulated)}")
    if paired and len(real) != len(simulated):
        raise DataError(f"paired readings must be as many, found {len(real)} and {len(simulated)}")
    rng = np.random.default_rng(seed)
    table = np.array([reading_features(one) for one in (*real, *simulated)])
    labels = np.repeat([0, 1], [len(real), len(simulated)])
    first = rng.permutation(len(real)) % folds
    second = first if paired else rng.permutation(len(simulated)) % folds
    fold = np.concatenate([first, second])
    scores = _held_out_scores(table, labels, fold)
    drawn: list[float] = []
    for _ in range(resamples):
        chosen = _resampled(len(real), len(simulated), paired, rng)
        drawn.append(_over_folds(scores[chosen], labels[chosen], fold[chosen]))
    low, high = np.percentile(drawn, [50 * (1 - level), 50 * (1 + level)])
    alone = {
        name: _over_folds(_held_out_scores(table[:, [column]], labels, fold), labels, fold)
        for column, name in enumerate(FEATURES)
        if not np.isnan(table[:, column]).all()
    }
    return Separation(_over_folds(scores, labels, fold), float(low), float(high), folds, alone)


def _held_out_scores(
    table: NDArray[np.float64], labels: NDArray[np.int64], fold: NDArray[np.int64]
) -> NDArray[np.float64]:
    scores = np.empty(len(table))
    for number in np.unique(fold):
        held = fold == number
        train, test = _prepared(table[~held], table[held])
        coefficients, intercept = fit_logistic(train, labels[~held])
        scores[held] = np.round(test @ coefficients + intercept, _DIGITS)
    return scores


def _prepared(
    train: NDArray[np.float64], test: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Standardise by the training rows, add squares, standardise those, and fill what is missing."""
    for with_squares in (True, False):
        known = ~np.isnan(train)
        count = np.maximum(known.sum(axis=0), 1)
        mean = np.where(known, train, 0.0).sum(axis=0) / count
        spread = np.sqrt((np.where(known, train - mean, 0.0) ** 2).sum(axis=0) / count)
        spread[spread == 0] = 1.0
        train, test = (
            np.clip(np.nan_to_num((part - mean) / spread), -_CLIP_SD, _CLIP_SD) for part in (train, test)
        )
        if with_squares:
            train, test = np.hstack([train, train**2]), np.hstack([test, test**2])
    return train, test


def _over_folds(scores: NDArray[np.float64], labels: NDArray[np.int64], fold: NDArray[np.int64]) -> float:
    """Mean area over folds by their numbers of pairs; a fold that lost a label counts nothing."""
    areas, weights = [0.0], [0]
    for number in np.unique(fold):
        held = fold == number
        pairs = int(labels[held].sum()) * int((1 - labels[held]).sum())
        if pairs:
            areas.append(area_under_curve(scores[held], labels[held]))
            weights.append(pairs)
    return float(np.average(areas, weights=weights)) if sum(weights) else 0.5


def _resampled(real: int, simulated: int, paired: bool, rng: np.random.Generator) -> NDArray[np.int64]:
    first = rng.integers(real, size=real)
    second = first if paired else rng.integers(simulated, size=simulated)
    return np.concatenate([first, real + second])
