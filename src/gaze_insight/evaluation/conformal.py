"""Promises that hold for few cases and any network: conformal risk control, and intervals of the Dice."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit

from gaze_insight.errors import DataError, SettingsError
from gaze_insight.pseudomask.expected_dice import LEAST_CASES, Calibration, fit_calibration

__all__ = [
    "LEAST_FOR_INTERVAL",
    "ControlledLevel",
    "case_weights",
    "conformal_calibration",
    "conformal_ends",
    "controlled_level",
    "not_contained",
    "outside_frac",
]

LEAST_FOR_INTERVAL = LEAST_CASES + 1
"""Cases from which an expected Dice with an interval can be fitted."""

_CLIP = 0.005
_KNOTS = 41
_FOLDS = 10


class ControlledLevel(NamedTuple):
    """The first level that keeps a promise.

    Args:
        level: The level; the last (the whole image) where no smaller one keeps it.
        bound: What is guaranteed: (sum of losses + 1) / (n + 1); 0 for the whole image, which loses nothing.
        enough: Whether n is large enough for any level but the last.
        cases: n: cases, or groups where they are given.
    """

    level: int
    bound: float
    enough: bool
    cases: int


def outside_frac(lesion_levels: ArrayLike) -> NDArray[np.float64]:
    """Share of each lesion that lies outside the mask of each level.

    Args:
        lesion_levels: Lesion pixels that enter at each level, (N, L).

    Returns:
        (N, L) in [0, 1], falling along a row to 0; all 0 for a case without lesion, which nothing misses.

    Example:
        >>> outside_frac([[6, 3, 1], [0, 0, 0]]).round(2).tolist()
        [[0.4, 0.1, 0.0], [0.0, 0.0, 0.0]]
    """
    counts = np.asarray(lesion_levels, dtype=np.float64)
    total = counts.sum(axis=1, keepdims=True)
    inside = np.cumsum(counts, axis=1)
    return np.where(total > 0, (total - inside) / np.maximum(total, 1), 0.0)


def not_contained(outside: ArrayLike, beta: float) -> NDArray[np.float64]:
    """Mark where more than a share of the lesion lies outside.

    Args:
        outside: From :func:`outside_frac`, (N, L).
        beta: Share that may lie outside, in [0, 1).

    Returns:
        (N, L), 0 or 1, falling along a row.

    Example:
        >>> not_contained([[0.4, 0.1, 0.0]], 0.1).tolist()
        [[1.0, 0.0, 0.0]]
    """
    return (np.asarray(outside, dtype=np.float64) > beta + 1e-12).astype(np.float64)


def case_weights(count: int, groups: Sequence[Hashable] | None = None) -> tuple[NDArray[np.float64], int]:
    """Weigh cases so that each group counts once.

    Args:
        count: Cases, N.
        groups: The group (patient) of each; None: every case is one.

    Returns:
        Weights that sum to the number of groups, (N,), and that number.

    Raises:
        DataError: `groups` has another length.

    Example:
        >>> weights, number = case_weights(3, ["a", "a", "b"])
        >>> weights.tolist(), number
        ([0.5, 0.5, 1.0], 2)
    """
    if groups is None:
        return np.ones(count), count
    if len(groups) != count:
        raise DataError(f"each case needs a group: found {count} cases and {len(groups)} groups")
    sizes = Counter(groups)
    return np.array([1 / sizes[group] for group in groups]), len(sizes)


def controlled_level(
    losses: ArrayLike, alpha: float, groups: Sequence[Hashable] | None = None
) -> ControlledLevel:
    r"""Find the first level whose expected loss on a new case is at most alpha.

    Conformal risk control (Angelopoulos, Bates, Fisch, Lei, Schuster, ICLR 2024): the first level $k$ with
    $\frac{1}{n+1}\bigl(\sum_i L_i(k) + 1\bigr) \le \alpha$, for losses in [0, 1] that fall as the level
    grows. If the $n$ cases and the new one are exchangeable, its expected loss is at most alpha, the mean
    being over new cases and over the draw of the $n$. With losses 0 and 1 this is split conformal prediction.
    With groups, a group's loss is the mean of its cases, and the promise is for a new group.

    Args:
        losses: Loss of each case at each level, (N, L); that of the last level must be 0.
        alpha: The risk, in (0, 1).
        groups: The group (patient) of each case, or None.

    Returns:
        The level; the last one where $n < 1/\alpha - 1$, which no other can satisfy.

    Raises:
        DataError: No case, losses that rise with the level or lie outside [0, 1], or a last loss above 0.
        SettingsError: alpha outside (0, 1).

    Example:
        >>> losses = [[0.5, 0.1, 0.0]] * 19
        >>> controlled_level(losses, 0.2).level, controlled_level(losses[:3], 0.2).level
        (1, 2)
    """
    table = np.asarray(losses, dtype=np.float64)
    if not 0 < alpha < 1:
        raise SettingsError(f"a risk lies between 0 and 1, found {alpha}")
    if table.ndim != 2 or not table.size or table.min() < 0 or table.max() > 1:
        raise DataError(f"expected losses in [0, 1] of each case at each level, found shape {table.shape}")
    if bool((np.diff(table, axis=1) > 1e-12).any()) or bool(table[:, -1].any()):
        raise DataError("losses must fall with the level, and the last level must lose nothing")
    weights, number = case_weights(len(table), groups)
    bound = (weights @ table + 1) / (number + 1)
    keeps = np.flatnonzero(bound <= alpha + 1e-12)
    last = table.shape[1] - 1
    level = int(keeps[0]) if len(keeps) else last
    return ControlledLevel(
        level=level,
        bound=0.0 if level == last else float(bound[level]),
        enough=1 / (number + 1) <= alpha + 1e-12,
        cases=number,
    )


def conformal_ends(
    residuals: ArrayLike, coverage: float, groups: Sequence[Hashable] | None = None
) -> tuple[float, float]:
    """Find the ends between which a new residual lies with a probability.

    The k-th smallest and the k-th largest with ``k = floor((n + 1)(1 - coverage) / 2)``: half of what may
    lie outside on each side. With groups each group weighs 1 / (n + 1), shared by its cases.

    Args:
        residuals: Residuals of cases that the model has not seen, (N,).
        coverage: Share of new residuals meant to lie inside, in (0, 1).
        groups: The group (patient) of each, or None.

    Returns:
        Lower and upper end; infinite where there are too few residuals, n + 1 < 2 / (1 - coverage).

    Raises:
        DataError: No residual, or groups of another length.

    Example:
        >>> conformal_ends(range(1, 20), 0.8), conformal_ends([1, 2], 0.8)
        ((2.0, 18.0), (-inf, inf))
    """
    values = np.asarray(residuals, dtype=np.float64)
    if not len(values):
        raise DataError("expected at least one residual, found none")
    weights, number = case_weights(len(values), groups)
    tail = (1 - coverage) / 2
    order = np.argsort(values, kind="stable")
    ends = []
    for places in (order, order[::-1]):
        gone = np.cumsum(weights[places]) / (number + 1)
        place = int(np.searchsorted(gone, tail + 1e-12, side="right")) - 1
        ends.append(float(values[places[place]]) if place >= 0 else math.inf)
    return (-math.inf if math.isinf(ends[0]) else ends[0]), ends[1]


def conformal_calibration(
    features: Sequence[Mapping[str, float]],
    dice: ArrayLike,
    *,
    coverage: float = 0.8,
    groups: Sequence[Hashable] | None = None,
    seed: int = 0,
    source: str = "",
) -> tuple[Calibration, NDArray[np.float64]]:
    """Fit the expected Dice with a conformal interval, for as few cases as a validation split has.

    Scores come from `fit_calibration`, those of each fold (groups kept whole) from the others. The interval
    is that of the cross-fitted residuals of log odds, by :func:`conformal_ends`; the expected Dice is the
    mean of the Dice over all residuals. For a split into cases that fit and cases that calibrate the coverage
    would be exact; crossing uses each case for both, for which the theory promises 1 - 2 (1 - coverage)
    (Barber et al., Annals of Statistics 49, 2021, of CV+) and the measured coverage is that asked for. It
    holds on average over cases of the same kind, not for each kind of case.

    Args:
        features: Features of each case, all with the same names.
        dice: True Dice of each, in [0, 1].
        coverage: Share of new cases meant to lie inside.
        groups: The group (patient) of each case, or None.
        seed: Seed of the folds.
        source: What the cases are.

    Returns:
        The calibration, and the expected Dice of each case by a fit that has not seen it, (N,).

    Raises:
        DataError: Fewer than 51 cases, or as `fit_calibration`.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> inside = rng.uniform(0.5, 1, 80)
        >>> dice = np.clip(inside + rng.normal(0, 0.05, 80), 0, 1)
        >>> fitted, unseen = conformal_calibration([{"inside": x} for x in inside], dice)
        >>> fitted.coverage, float(np.abs(unseen - dice).mean()) < 0.08
        (0.8, True)
    """
    truth = np.asarray(dice, dtype=np.float64)
    if len(truth) < LEAST_FOR_INTERVAL or len(features) != len(truth):
        raise DataError(
            f"an expected Dice needs {LEAST_FOR_INTERVAL} cases with features and Dice, found "
            f"{len(features)} and {len(truth)}"
        )
    whole = fit_calibration(features, truth, coverage=coverage, seed=seed)
    own = list(range(len(truth))) if groups is None else list(groups)
    scores = np.full(len(truth), np.nan)
    for held in _folds(own, len(truth) - LEAST_CASES, seed):
        rest = np.setdiff1d(np.arange(len(truth)), held)
        fold = fit_calibration([features[i] for i in rest], truth[rest], coverage=coverage, seed=seed)
        scores[held] = [fold.score(features[i]) for i in held]
    known = np.isfinite(scores)
    residuals = logit(np.clip(truth[known], _CLIP, 1 - _CLIP)) - scores[known]
    kept = None if groups is None else [group for group, used in zip(groups, known, strict=True) if used]
    low, high = conformal_ends(residuals, coverage, kept)
    weights, number = case_weights(len(residuals), kept)
    knots = np.linspace(np.min(scores[known]) - 1, np.max(scores[known]) + 1, _KNOTS)
    expected = (expit(knots[:, None] + residuals) * weights).sum(axis=1) / number
    fitted = whole.model_copy(
        update={
            "knots": _rounded(knots),
            "dice": _rounded(expected),
            "low": _rounded(np.minimum(_end(knots + low), expected)),
            "high": _rounded(np.maximum(_end(knots + high), expected)),
            "source": source,
        }
    )
    unseen = np.full(len(truth), np.nan)
    unseen[known] = (expit(scores[known][:, None] + residuals) * weights).sum(axis=1) / number
    return fitted, unseen


def _folds(groups: Sequence[Hashable], most: int, seed: int) -> list[NDArray[np.intp]]:
    """Part cases into folds of whole groups, each of at most `most` cases; larger groups are not held out."""
    members: dict[Hashable, list[int]] = {}
    for place, group in enumerate(groups):
        members.setdefault(group, []).append(place)
    size = max(1, min(most, math.ceil(len(groups) / _FOLDS)))
    ordered = list(members.values())
    folds: list[list[int]] = [[]]
    for number in np.random.default_rng(seed).permutation(len(ordered)):
        together = ordered[number]
        if len(together) > most:
            continue
        if folds[-1] and len(folds[-1]) + len(together) > size:
            folds.append([])
        folds[-1] += together
    return [np.array(fold, dtype=np.intp) for fold in folds if fold]


def _end(odds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log odds to Dice; beyond what residuals were clipped to lies everything."""
    dice = np.asarray(expit(odds))
    return np.where(dice <= _CLIP + 1e-9, 0.0, np.where(dice >= 1 - _CLIP - 1e-9, 1.0, dice))


def _rounded(values: NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(round(float(value), 6) for value in values)
