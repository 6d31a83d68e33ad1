"""The Dice that a pseudo-mask can be expected to have, from what can be seen without a true mask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib.resources import files
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field
from scipy.optimize import isotonic_regression
from scipy.special import logit

from gaze_insight.errors import DataError, SettingsError
from gaze_insight.types import Settings

__all__ = [
    "LEAST_CASES",
    "Calibration",
    "ExpectedDice",
    "expected_dice",
    "fit_calibration",
    "shipped_calibration",
]

LEAST_CASES = 50
_LEAST_SD = 1e-6


class ExpectedDice(NamedTuple):
    """Expected Dice of a case, and the interval in which most such cases lie."""

    mean: float
    low: float
    high: float


class Calibration(Settings):
    """How features become an expected Dice: a linear score, then a curve from score to Dice.

    The score is ``sum_j weight_j (f_j - mean_j) / sd_j``. Mean, low and high of the Dice are interpolated
    between the knots of the curve; beyond them its first and last pieces go on, within [0, 1].
    """

    features: tuple[str, ...]
    mean: tuple[float, ...]
    sd: tuple[float, ...]
    weight: tuple[float, ...]
    knots: tuple[float, ...] = Field(description="scores at which the curve is known, rising")
    dice: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    coverage: float = Field(gt=0, lt=1, description="share of cases meant to lie between low and high")
    cases: int = Field(ge=1)
    source: str = Field("", description="what it was fitted on, and how")

    def score(self, features: Mapping[str, float]) -> float:
        """Return the linear score of a case's features; higher is better, about 0 is typical.

        Raises:
            DataError: A feature is missing.
        """
        missing = [name for name in self.features if name not in features]
        if missing:
            raise DataError(f"the calibration needs the feature {missing[0]!r}, found {', '.join(features)}")
        values = np.array([features[name] for name in self.features])
        return float(np.array(self.weight) @ ((values - self.mean) / self.sd))


@lru_cache(maxsize=1)
def shipped_calibration() -> Calibration:
    """Return the calibration that comes with the package; its `source` says what it was fitted on.

    Example:
        >>> shipped_calibration().coverage
        0.8
    """
    text = files("gaze_insight.pseudomask").joinpath("calibration.json").read_text(encoding="utf-8")
    return Calibration.model_validate_json(text)


def expected_dice(
    features: Mapping[str, float], calibration: Calibration | None = None
) -> ExpectedDice | None:
    """Say which Dice a pseudo-mask with these features can be expected to have.

    Args:
        features: A pseudo-mask's features (see `FEATURES`).
        calibration: How features become a Dice; None for the shipped one.

    Returns:
        Mean and interval, each in [0, 1]; None without features, as for a mask of a single part or without
        gaze.

    Raises:
        DataError: A feature is missing.

    Example:
        >>> flat = Calibration(features=("agreement",), mean=(0.5,), sd=(0.25,), weight=(1,), knots=(-1, 1),
        ...                    dice=(0.7, 0.9), low=(0.5, 0.85), high=(0.8, 0.95), coverage=0.8, cases=100)
        >>> expected_dice({"agreement": 0.75}, flat)
        ExpectedDice(mean=0.9, low=0.85, high=0.95)
        >>> expected_dice({}, flat) is None
        True
    """
    if not features:
        return None
    chosen = calibration or shipped_calibration()
    score = chosen.score(features)
    mean, low, high = (_along(score, chosen.knots, curve) for curve in (chosen.dice, chosen.low, chosen.high))
    return ExpectedDice(mean, min(low, mean), max(high, mean))


def _along(score: float, knots: Sequence[float], curve: Sequence[float]) -> float:
    """Interpolate between knots and go on in a straight line beyond them."""
    piece = int(np.clip(np.searchsorted(knots, score) - 1, 0, max(len(knots) - 2, 0)))
    if len(knots) < 2 or knots[piece + 1] <= knots[piece]:
        return curve[piece]
    slope = (curve[piece + 1] - curve[piece]) / (knots[piece + 1] - knots[piece])
    return float(np.clip(round(curve[piece] + slope * (score - knots[piece]), 9), 0.0, 1.0))


def fit_calibration(
    features: Sequence[Mapping[str, float]],
    dice: ArrayLike,
    *,
    ridge: float = 10.0,
    folds: int = 5,
    bins: int = 8,
    coverage: float = 0.8,
    seed: int = 0,
    source: str = "",
) -> Calibration:
    """Fit the calibration on cases whose true Dice is known.

    Ridge regression of ``logit(Dice)`` on the standardised features gives the weights. Scores of each fold by
    the weights of the others, in equally filled bins, give the curve: the mean Dice of a bin and the
    quantiles that leave ``(1 - coverage) / 2`` of it on each side, each made to rise by isotonic regression.
    So the curve is that of cases that the weights have not seen.

    Args:
        features: Features of each case, all with the same names.
        dice: True Dice of each, in [0, 1].
        ridge: Penalty, in units of cases.
        folds: Parts of the cross-fit.
        bins: Knots of the curve.
        coverage: Share of cases between low and high.
        seed: Seed of the folds.
        source: What the cases are.

    Returns:
        The calibration.

    Raises:
        DataError: Fewer than 50 cases, features that differ in name, numbers of features and Dice that
            differ, a Dice outside [0, 1] or a feature that is not finite.
        SettingsError: Fewer than 2 folds, or bins that are not in 1..cases.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> agreement = rng.uniform(0.3, 1.0, 400)
        >>> cases = [{"agreement": value} for value in agreement]
        >>> fitted = fit_calibration(cases, np.clip(agreement + rng.normal(0, 0.05, 400), 0, 1))
        >>> round(expected_dice({"agreement": 0.7}, fitted).mean, 1)
        0.7
    """
    truth = np.asarray(dice, dtype=np.float64)
    names, table = _table(features, truth)
    if folds < 2 or not 1 <= bins <= len(truth):
        raise SettingsError(f"expected 2 folds or more and 1 to {len(truth)} bins, found {folds} and {bins}")
    centre, spread = table.mean(axis=0), table.std(axis=0)
    spread = np.where(spread > _LEAST_SD, spread, 1.0)
    table = (table - centre) / spread
    target = logit(np.clip(truth, 0.02, 0.98))
    fold = np.random.default_rng(seed).permutation(len(truth)) % folds
    unseen = np.empty(len(truth))
    for one in range(folds):
        unseen[fold == one] = table[fold == one] @ _ridge(table[fold != one], target[fold != one], ridge)
    order = np.array_split(np.argsort(unseen, kind="stable"), bins)
    tail = (1 - coverage) / 2
    curve = [[float(np.mean(truth[part])) for part in order]]
    curve += [[float(np.quantile(truth[part], q)) for part in order] for q in (tail, 1 - tail)]
    sizes = np.array([len(part) for part in order], dtype=np.float64)
    mean, low, high = (isotonic_regression(np.array(values), weights=sizes).x for values in curve)
    return Calibration(
        features=names,
        mean=_rounded(centre),
        sd=_rounded(spread),
        weight=_rounded(_ridge(table, target, ridge)),
        knots=_rounded(np.array([np.median(unseen[part]) for part in order])),
        dice=_rounded(mean),
        low=_rounded(np.minimum(low, mean)),
        high=_rounded(np.maximum(high, mean)),
        coverage=coverage,
        cases=len(truth),
        source=source,
    )


def _table(
    features: Sequence[Mapping[str, float]], truth: NDArray[np.float64]
) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    """Stack features to (cases, features), in the order of the first case's."""
    if len(features) != len(truth) or len(truth) < LEAST_CASES:
        raise DataError(
            f"a calibration needs {LEAST_CASES} cases with features and Dice, found {len(features)} and "
            f"{len(truth)}"
        )
    names = tuple(features[0])
    if any(set(one) != set(names) for one in features):
        raise DataError("all cases must have the same features")
    table = np.array([[one[name] for name in names] for one in features], dtype=np.float64)
    if not np.isfinite(table).all() or not np.all((truth >= 0) & (truth <= 1)):
        raise DataError("expected finite features and a Dice in [0, 1] of every case, found others")
    return names, table


def _ridge(table: NDArray[np.float64], target: NDArray[np.float64], penalty: float) -> NDArray[np.float64]:
    gram = table.T @ table + penalty * np.eye(table.shape[1])
    solved: NDArray[np.float64] = np.linalg.solve(gram, table.T @ (target - target.mean()))
    return solved


def _rounded(values: NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(round(float(value), 6) for value in values)
