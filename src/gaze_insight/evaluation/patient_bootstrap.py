"""What any score of a set of cases is worth: its bootstrap by patient, over cases and over seeds."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gaze_insight.errors import DataError

__all__ = [
    "Bootstrapped",
    "DrawStatistic",
    "IndexStatistic",
    "crossed_patient_bootstrap",
    "from_indices",
    "paired_patient_bootstrap",
    "patient_bootstrap",
    "patient_numbers",
    "patient_weights",
]

Floats = NDArray[np.float64]
DrawStatistic = Callable[[Floats], Floats]
"""From how often each case counts, (R, N), to the score of each draw, (R,) or (R, K); NaN: not defined."""
IndexStatistic = Callable[[NDArray[np.intp]], ArrayLike]
"""From the cases of one draw (a case drawn twice stands twice) to a score, or to K scores."""

_BLOCK = 2_000_000
_LEAST_DRAWS = 20


@dataclass(frozen=True, eq=False)
class Bootstrapped:
    """Scores with their intervals; arrays of (K,), K = 1 for a single score.

    Args:
        value: The scores of the cases themselves; NaN where not defined.
        low: Lower ends; NaN where fewer than 20 draws define the score.
        high: Upper ends.
        dropped: Draws in which the score was not defined; they count in no interval.
        draws: Draws in all.

    Example:
        >>> found = patient_bootstrap(lambda weights: weights @ np.array([1.0, 0.0]) / 2, ["a", "b"])
        >>> found.interval()
        (0.0, 1.0)
    """

    value: Floats
    low: Floats
    high: Floats
    dropped: NDArray[np.intp]
    draws: int

    def interval(self, number: int = 0) -> tuple[float, float] | None:
        """Give the interval of one score; None where it has none.

        Args:
            number: Which of the K scores.

        Example:
            >>> none = np.full(1, np.nan)
            >>> Bootstrapped(none, none, none, np.ones(1, dtype=np.intp), 1).interval() is None
            True
        """
        low, high = float(self.low[number]), float(self.high[number])
        return None if math.isnan(low) else (low, high)


def from_indices(statistic: IndexStatistic) -> DrawStatistic:
    """Let a statistic of lists of cases be called with weights of draws; one call a draw.

    Args:
        statistic: From case indices to a score or K scores.

    Returns:
        The same as a function of weights that are whole numbers.

    Example:
        >>> values = np.array([1.0, 5.0])
        >>> from_indices(lambda cases: np.median(values[cases]))(np.array([[1.0, 1.0], [0.0, 2.0]]))
        array([3., 5.])
    """

    def of_draws(weights: Floats) -> Floats:
        counts = np.rint(weights).astype(np.intp)
        cases = np.arange(weights.shape[1])
        return np.array([np.asarray(statistic(np.repeat(cases, row)), dtype=np.float64) for row in counts])

    return of_draws


def patient_numbers(patients: Sequence[Hashable]) -> NDArray[np.intp]:
    """Number patients from 0 in the order of first appearance.

    Args:
        patients: The patient of each case, (N,).

    Returns:
        (N,).

    Raises:
        DataError: There is no case.

    Example:
        >>> patient_numbers(["b", "a", "b"]).tolist()
        [0, 1, 0]
    """
    if len(patients) == 0:
        raise DataError("expected at least one case, found none")
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(one, len(numbers)) for one in patients], dtype=np.intp)


def patient_weights(patients: Sequence[Hashable], replicates: int, seed: int = 0) -> Floats:
    """Draw patients with replacement and say how often each case counts: as often as its patient was drawn.

    Args:
        patients: The patient of each case, (N,).
        replicates: Draws.
        seed: Seed of the drawing.

    Returns:
        Whole numbers >= 0, (replicates, N); the cases of one patient have equal weights.

    Raises:
        DataError: There is no case.

    Example:
        >>> weights = patient_weights(["a", "a", "b"], 100)
        >>> bool((weights[:, 0] == weights[:, 1]).all()), bool((weights[:, 1:].sum(axis=1) == 2).all())
        (True, True)
    """
    blocks = list(_blocks(patient_numbers(patients), replicates, seed))
    return np.concatenate(blocks) if blocks else np.empty((0, len(patients)))


def _blocks(numbers: NDArray[np.intp], replicates: int, seed: int) -> Iterator[Floats]:
    rng = np.random.default_rng(seed)
    count = int(numbers.max()) + 1
    step = max(1, _BLOCK // len(numbers))
    for start in range(0, replicates, step):
        drawn = rng.multinomial(count, np.full(count, 1 / count), size=min(step, replicates - start))
        yield drawn[:, numbers].astype(np.float64)


def _over_draws(
    statistics: Sequence[DrawStatistic], patients: Sequence[Hashable], replicates: int, seed: int
) -> tuple[Floats, Floats]:
    """The statistics of the cases themselves, (S, K), and of the draws, (S, R, K), the draws being shared."""
    numbers = patient_numbers(patients)
    if replicates < 1:
        raise DataError(f"expected 1 replicate or more, found {replicates}")
    whole = np.ones((1, len(numbers)))
    points = np.stack([_columns(one(whole), 1)[0] for one in statistics])
    parts = [
        np.stack([_columns(one(weights), len(weights)) for one in statistics])
        for weights in _blocks(numbers, replicates, seed)
    ]
    return points, np.concatenate(parts, axis=1)


def _columns(values: Floats, rows: int) -> Floats:
    return np.asarray(values, dtype=np.float64).reshape(rows, -1)


def _summarised(value: Floats, drawn: Floats, level: float) -> Bootstrapped:
    if not 0 < level < 1:
        raise DataError(f"level must be in (0, 1), found {level}")
    low, high = np.full(len(value), np.nan), np.full(len(value), np.nan)
    dropped = np.isnan(drawn).sum(axis=0)
    for number, column in enumerate(drawn.T):
        kept = column[~np.isnan(column)]
        if len(kept) >= min(_LEAST_DRAWS, len(column)) and not math.isnan(value[number]):
            low[number], high[number] = np.percentile(kept, [50 * (1 - level), 50 * (1 + level)])
    return Bootstrapped(value, low, high, dropped, len(drawn))


def patient_bootstrap(
    statistic: DrawStatistic,
    patients: Sequence[Hashable],
    *,
    replicates: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Bootstrapped:
    """Percentile bootstrap interval of any score of a set of cases, patients drawn with replacement.

    Cases of one patient are not independent: a patient is drawn with all of its cases. Draws in which the
    score is not defined (an AUC of a draw without a positive) are dropped and counted.

    Args:
        statistic: From weights to scores; wrap a function of case indices with :func:`from_indices`.
        patients: The patient of each case, (N,).
        replicates: Draws.
        level: Share of the draws inside the interval, in (0, 1).
        seed: Seed of the drawing; the same patients and seed give the same draws.

    Returns:
        The scores with their intervals.

    Raises:
        DataError: No case, no replicate, or a level outside (0, 1).

    Example:
        >>> values = np.array([0.0, 0.2, 0.9, 1.0])
        >>> found = patient_bootstrap(from_indices(lambda cases: np.median(values[cases])), list("aabc"))
        >>> float(found.value[0]), int(found.dropped[0])
        (0.55, 0)
    """
    points, drawn = _over_draws([statistic], patients, replicates, seed)
    return _summarised(points[0], drawn[0], level)


def paired_patient_bootstrap(
    first: DrawStatistic,
    second: DrawStatistic,
    patients: Sequence[Hashable],
    *,
    replicates: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Bootstrapped:
    """Interval of the difference of a score between two models on the same cases: first minus second.

    Both get the same draws, so what makes a draw hard for both falls out. It holds the sampling of patients
    alone; for trained networks see :func:`crossed_patient_bootstrap`.

    Args:
        first: From weights to the scores of one model.
        second: The same of the other.
        patients: The patient of each case, (N,).
        replicates: Draws.
        level: Share of the draws inside the interval, in (0, 1).
        seed: Seed of the drawing.

    Returns:
        The differences with their intervals.

    Raises:
        DataError: No case, no replicate, or a level outside (0, 1).

    Example:
        >>> first, second = np.array([0.9, 0.7, 0.8]), np.array([0.8, 0.6, 0.7])
        >>> found = paired_patient_bootstrap(lambda w: w @ first / 3, lambda w: w @ second / 3, list("abc"))
        >>> [round(end, 6) for end in found.interval()]
        [0.1, 0.1]
    """
    points, drawn = _over_draws([first, second], patients, replicates, seed)
    return _summarised(points[0] - points[1], drawn[0] - drawn[1], level)


def crossed_patient_bootstrap(
    first: Sequence[DrawStatistic],
    second: Sequence[DrawStatistic] | None,
    patients: Sequence[Hashable],
    *,
    replicates: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Bootstrapped:
    """Interval of a mean over seeds, or of a difference of two, over patients and over seeds.

    As :func:`~gaze_insight.evaluation.statistics.crossed_bootstrap_interval`, for scores that are no means of
    cases: patients are drawn once for all runs, seeds apart for each model, and deviations between k seeds
    are stretched by sqrt(k / (k - 1)). A model with one seed adds nothing to the width, so that the interval
    then holds the patients alone for that model: say so where it is shown.

    Args:
        first: From weights to the scores of one run, one a seed.
        second: The same of the other model; None for the first alone.
        patients: The patient of each case, (N,).
        replicates: Draws.
        level: Share of the draws inside the interval, in (0, 1).
        seed: Seed of the drawing.

    Returns:
        The means (or their differences) with their intervals.

    Raises:
        DataError: A model without a run, no case, no replicate, or a level outside (0, 1).

    Example:
        >>> runs = [lambda w, v=v: w @ v / 3 for v in (np.array([0.7, 0.9, 0.8]), np.array([0.8, 0.9, 0.9]))]
        >>> found = crossed_patient_bootstrap(runs, None, list("abc"))
        >>> low, high = found.interval()
        >>> low < float(found.value[0]) < high
        True
    """
    groups = [list(first)] if second is None else [list(first), list(second)]
    if not all(groups):
        raise DataError("expected at least one run of each model, found none")
    points, drawn = _over_draws([one for group in groups for one in group], patients, replicates, seed)
    rng = np.random.default_rng([seed, 1])
    value, total, start = np.zeros(points.shape[1]), np.zeros(drawn.shape[1:]), 0
    for sign, group in zip((1.0, -1.0), groups, strict=False):
        k = len(group)
        mine = drawn[start : start + k]
        value += sign * points[start : start + k].mean(axis=0)
        start += k
        centre = mine.mean(axis=0)
        if k > 1:
            picks = rng.integers(0, k, size=(k, drawn.shape[1]))
            picked = np.take_along_axis(mine, picks[:, :, None], axis=0).mean(axis=0)
            centre = centre + (picked - centre) * math.sqrt(k / (k - 1))
        total += sign * centre
    return _summarised(value, total, level)
