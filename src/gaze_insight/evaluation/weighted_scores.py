"""Scores of probabilities when cases count more than once or not at all: the heart of every resampling."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gaze_insight.errors import DataError, SettingsError

__all__ = [
    "Decisions",
    "auc_of_draws",
    "average_precision_of_draws",
    "calibration_error_of_draws",
    "decisions_of_draws",
    "mean_of_draws",
    "require_scored",
]

Floats = NDArray[np.float64]


class Decisions(NamedTuple):
    """What decisions are worth, by draw and class; NaN where the draw holds one value of the class alone.

    Args:
        f1: 2 TP / (2 TP + FP + FN), (R, C).
        precision: TP / (TP + FP), 0 where nothing is called positive, (R, C).
        recall: TP / (TP + FN), (R, C).
    """

    f1: Floats
    precision: Floats
    recall: Floats


def require_scored(values: Floats, labels: Floats, weights: Floats | None = None) -> None:
    """Refuse scores, labels and weights that do not belong together.

    Args:
        values: One finite number a case and class, (N, C); only known entries are looked at.
        labels: 1, 0 or NaN (unknown), (N, C).
        weights: How often each case counts, at least 0, (R, N), or None.

    Raises:
        DataError: Shapes differ, there is no case or class, a label is none of 1, 0 and NaN, a known entry
            has no finite score, or a weight is negative or not finite.

    Example:
        >>> require_scored(np.array([[0.5]]), np.array([[2.0]]))
        Traceback (most recent call last):
        ...
        gaze_insight.errors.DataError: labels must be 1, 0 or NaN (unknown), found 2.0
    """
    if values.ndim != 2 or values.size == 0 or values.shape != labels.shape:
        raise DataError(
            f"expected scores and labels by case and class, (N, C), found {values.shape} and {labels.shape}"
        )
    known = ~np.isnan(labels)
    odd = labels[known & (labels != 0) & (labels != 1)]
    if odd.size:
        raise DataError(f"labels must be 1, 0 or NaN (unknown), found {odd[0]}")
    if not np.isfinite(values[known]).all():
        row, column = np.argwhere(known & ~np.isfinite(values))[0]
        raise DataError(f"case {row}, class {column} has a label but no finite score: {values[row, column]}")
    if weights is not None and (
        weights.ndim != 2 or weights.shape[1] != len(values) or not (weights >= 0).all()
    ):
        raise DataError(
            f"weights must be at least 0, one row a draw and one column a case: found {weights.shape} for "
            f"{len(values)} cases"
        )


def _ranked(
    scores: Floats, labels: Floats, weights: Floats, *, falling: bool = False
) -> tuple[Floats, Floats]:
    """Weights of positives and of negatives by group of equal scores, in order: (R, G) each."""
    known = ~np.isnan(labels)
    sign = -1.0 if falling else 1.0
    order = np.argsort(sign * scores[known], kind="stable")
    ranked = scores[known][order]
    if len(ranked) == 0:
        return np.zeros((len(weights), 1)), np.zeros((len(weights), 1))
    starts = np.flatnonzero(np.concatenate([[True], ranked[1:] != ranked[:-1]]))
    drawn = weights[:, known][:, order]
    positive = drawn * labels[known][order]
    return np.add.reduceat(positive, starts, axis=1), np.add.reduceat(drawn - positive, starts, axis=1)


def auc_of_draws(scores: Floats, labels: Floats, weights: Floats) -> Floats:
    r"""Area under the ROC curve of each class in each draw: the share of pairs in the right order.

    $AUC = \frac{\sum_{i: y=1} \sum_{j: y=0} w_i w_j ([s_i > s_j] + \frac12 [s_i = s_j])}
    {\sum_{i: y=1} w_i \sum_{j: y=0} w_j}$ (Mann and Whitney, 1947). A case with weight 2 counts as two, so
    the counts of a bootstrap draw are its weights; scores are sorted once for all draws.

    Args:
        scores: Any numbers whose order counts, (N, C).
        labels: 1, 0 or NaN (unknown), (N, C).
        weights: How often each case counts, (R, N).

    Returns:
        In [0, 1], (R, C); NaN where a draw holds no positive or no negative.

    Raises:
        DataError: As :func:`require_scored`.

    Example:
        >>> scores, labels = np.array([[0.1], [0.4], [0.8]]), np.array([[0.0], [1.0], [1.0]])
        >>> auc_of_draws(scores, labels, np.array([[1.0, 1, 1], [1, 0, 0]])).tolist()
        [[1.0], [nan]]
    """
    require_scored(scores, labels, weights)
    out = np.full((len(weights), scores.shape[1]), np.nan)
    for column in range(scores.shape[1]):
        positive, negative = _ranked(scores[:, column], labels[:, column], weights)
        below = np.cumsum(negative, axis=1) - negative
        pairs = positive.sum(axis=1) * negative.sum(axis=1)
        right = (positive * (below + 0.5 * negative)).sum(axis=1)
        np.divide(right, pairs, out=out[:, column], where=pairs > 0)
    return out


def average_precision_of_draws(scores: Floats, labels: Floats, weights: Floats) -> Floats:
    r"""Average precision of each class in each draw: $\sum_n (R_n - R_{n-1}) P_n$ over falling thresholds.

    Args:
        scores: Any numbers whose order counts, (N, C); equal scores are one threshold.
        labels: 1, 0 or NaN (unknown), (N, C).
        weights: How often each case counts, (R, N).

    Returns:
        In (0, 1], (R, C); NaN where a draw holds no positive or no negative.

    Raises:
        DataError: As :func:`require_scored`.

    Example:
        >>> scores, labels = np.array([[0.1], [0.4], [0.8]]), np.array([[1.0], [0.0], [1.0]])
        >>> average_precision_of_draws(scores, labels, np.ones((1, 3))).round(4).tolist()
        [[0.8333]]
    """
    require_scored(scores, labels, weights)
    out = np.full((len(weights), scores.shape[1]), np.nan)
    for column in range(scores.shape[1]):
        positive, negative = _ranked(scores[:, column], labels[:, column], weights, falling=True)
        true, called = np.cumsum(positive, axis=1), np.cumsum(positive + negative, axis=1)
        precision = np.divide(true, called, out=np.zeros_like(true), where=called > 0)
        total = positive.sum(axis=1)
        defined = (total > 0) & (negative.sum(axis=1) > 0)
        np.divide((positive * precision).sum(axis=1), total, out=out[:, column], where=defined)
    return out


def decisions_of_draws(decisions: Floats, labels: Floats, weights: Floats) -> Decisions:
    """F1, precision and recall of each class in each draw.

    Args:
        decisions: 1 where the class is called positive, else 0, (N, C).
        labels: 1, 0 or NaN (unknown), (N, C).
        weights: How often each case counts, (R, N).

    Returns:
        The three, (R, C) each.

    Raises:
        DataError: As :func:`require_scored`.

    Example:
        >>> decisions, labels = np.array([[1.0], [1.0], [0.0]]), np.array([[1.0], [0.0], [1.0]])
        >>> [float(one[0, 0]) for one in decisions_of_draws(decisions, labels, np.ones((1, 3)))]
        [0.5, 0.5, 0.5]
    """
    require_scored(decisions, labels, weights)
    known = ~np.isnan(labels)
    truth, called = np.where(known, labels, 0.0), np.where(known, decisions, 0.0)
    true, positives = weights @ (truth * called), weights @ truth
    claims, negatives = weights @ called, weights @ (known - truth)
    defined = (positives > 0) & (negatives > 0)
    parts = []
    for above, below in ((2 * true, claims + positives), (true, claims), (true, positives)):
        ratio = np.divide(above, below, out=np.zeros_like(above), where=below > 0)
        parts.append(np.where(defined, ratio, np.nan))
    return Decisions(*parts)


def mean_of_draws(values: Floats, weights: Floats) -> Floats:
    """Mean of each column in each draw over the cases that have a value.

    Args:
        values: Numbers, NaN where not defined, (N, K).
        weights: How often each case counts, (R, N).

    Returns:
        Means, (R, K); NaN where no drawn case has a value.

    Raises:
        DataError: The weights do not fit the cases.

    Example:
        >>> mean_of_draws(np.array([[1.0], [np.nan], [4.0]]), np.array([[2.0, 1, 1], [0, 3, 0]])).tolist()
        [[2.0], [nan]]
    """
    if values.ndim != 2 or weights.ndim != 2 or weights.shape[1] != len(values):
        raise DataError(
            f"expected values (N, K) and weights (R, N), found {values.shape} and {weights.shape}"
        )
    known = ~np.isnan(values)
    totals, counts = weights @ np.where(known, values, 0.0), weights @ known
    out = np.full_like(totals, np.nan)
    return np.divide(totals, counts, out=out, where=counts > 0)


def calibration_error_of_draws(
    probabilities: Floats, labels: Floats, weights: Floats, bins: int = 10
) -> Floats:
    r"""Expected calibration error of each class in each draw, in bins of one width.

    $\sum_b \frac{1}{W} \lvert \sum_{i \in b} w_i (p_i - y_i) \rvert$ with $W$ the sum of all weights (Naeini
    et al., AAAI 2015), of the probability of the finding.

    Args:
        probabilities: In [0, 1], (N, C).
        labels: 1, 0 or NaN (unknown), (N, C).
        weights: How often each case counts, (R, N).
        bins: Bins in [0, 1].

    Returns:
        In [0, 1], (R, C); NaN where a draw knows nothing of a class.

    Raises:
        DataError: As :func:`require_scored`, or a probability outside [0, 1].
        SettingsError: Fewer than 1 bin.

    Example:
        >>> calibration_error_of_draws(np.array([[0.75], [0.75]]), np.array([[1.0], [0.0]]), np.ones((1, 2)))
        array([[0.25]])
    """
    require_scored(probabilities, labels, weights)
    if bins < 1:
        raise SettingsError(f"expected 1 bin or more, found {bins}")
    known = ~np.isnan(labels)
    if ((probabilities[known] < 0) | (probabilities[known] > 1)).any():
        raise DataError("probabilities must be in [0, 1]")
    out = np.full((len(weights), probabilities.shape[1]), np.nan)
    for column in range(probabilities.shape[1]):
        rows = np.flatnonzero(known[:, column])
        prob = probabilities[rows, column]
        place = np.minimum((prob * bins).astype(np.intp), bins - 1)
        gaps = np.zeros((len(rows), bins))
        gaps[np.arange(len(rows)), place] = prob - labels[rows, column]
        drawn = weights[:, rows]
        total = drawn.sum(axis=1)
        np.divide(np.abs(drawn @ gaps).sum(axis=1), total, out=out[:, column], where=total > 0)
    return out
