"""Two methods on the same cases, each with several seeds: difference, intervals, paired test by patient."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from gaze_insight.errors import DataError
from gaze_insight.evaluation.patient_bootstrap import (
    DrawStatistic,
    Floats,
    crossed_patient_bootstrap,
)
from gaze_insight.evaluation.run_scores import RunScores, ScoreQuestion, align, ask
from gaze_insight.evaluation.swap_test import swap_p

__all__ = ["RunComparison", "compare", "mean_run"]


@dataclass(frozen=True)
class RunComparison:
    """The difference of two methods in one score.

    Args:
        metric: The score.
        first: Mean over the seeds of the one method.
        second: Mean over the seeds of the other.
        difference: first - second.
        ci95: Its interval over patients and seeds; None where a method has one seed alone.
        ci95_cases: Its interval over patients, the trained networks being taken as they are.
        p: Of swapping the two methods' outputs by patient; None where the numbers of seeds differ.
        dropped: Draws in which the score was not defined.
        draws: Draws in all.
        cases: Cases compared, those of which something is known.
        patients: Patients of all test cases.
        seeds: Seeds of the one and of the other.

    Example:
        >>> RunComparison("auc_macro", 0.8, 0.7, 0.1, None, (0.0, 0.2), 0.03, 0, 1000, 90, 60, (1, 1)).p
        0.03
    """

    metric: str
    first: float
    second: float
    difference: float
    ci95: tuple[float, float] | None
    ci95_cases: tuple[float, float] | None
    p: float | None
    dropped: int
    draws: int
    cases: int
    patients: int
    seeds: tuple[int, int]


def compare(
    first: Sequence[RunScores],
    second: Sequence[RunScores],
    metric: str = "auc_macro",
    *,
    replicates: int = 1000,
    permutations: int = 1000,
    seed: int = 0,
) -> RunComparison:
    """Compare two methods in one score on the same cases.

    The score of a method is the mean over its seeds of the score of a run. Its interval comes from drawing
    patients and seeds (:func:`~gaze_insight.evaluation.patient_bootstrap.crossed_patient_bootstrap`), the
    p-value from swapping the runs' outputs by patient, seed by seed in the order of seeds
    (:func:`~gaze_insight.evaluation.swap_test.swap_p`); for AUC and average precision ranks within the run
    are swapped, so that a difference of scale alone is no difference. The p-value holds the trained networks
    fixed: it says nothing of other seeds.

    Args:
        first: The runs of the one method, one a seed.
        second: The runs of the other, with the same cases, labels and findings; any order of cases.
        metric: One of :data:`COMPARED`, ``KIND:FINDING`` as in ``auc:Edema``, or the name of a measure.
        replicates: Bootstrap draws.
        permutations: Patterns of swaps, where there are more than 12 patients.
        seed: Seed of both.

    Returns:
        The comparison.

    Raises:
        DataError: No run, other cases, labels or findings in one of them, or nothing known of any case.
        SettingsError: An unknown metric.

    Example:
        >>> labels = np.array([[1.0], [1.0], [0.0], [0.0]])
        >>> def run(*p):
        ...     return RunScores("abcd", "abcd", ["Edema"], np.array(p)[:, None], labels, np.array([0.5]))
        >>> found = compare([run(0.9, 0.8, 0.2, 0.1)], [run(0.9, 0.1, 0.2, 0.3)], replicates=100)
        >>> found.first, found.second, found.ci95 is None, found.p
        (1.0, 0.5, True, 0.5)
    """
    groups = align([first, second])
    question = ask([run for group in groups for run in group], metric)
    tables = [[question.values(run) for run in group] for group in groups]
    if question.known_cases() == 0:
        raise DataError(f"nothing can be compared in {metric}: no case has it in every run")
    runs = [[partial(question.score, table) for table in group] for group in tables]
    patients = list(groups[0][0].patients)
    crossed = crossed_patient_bootstrap(runs[0], runs[1], patients, replicates=replicates, seed=seed)
    means = [mean_run(group) for group in runs]
    fixed = crossed_patient_bootstrap(means[:1], means[1:], patients, replicates=replicates, seed=seed)
    values = [float(one(np.ones((1, len(patients))))[0]) for one in means]
    p = None
    if len(groups[0]) == len(groups[1]):
        swapped = partial(_swapped, question, list(zip(*tables, strict=True)))
        p = swap_p(swapped, patients, permutations=permutations, seed=seed)
    return RunComparison(
        metric=metric,
        first=values[0],
        second=values[1],
        difference=values[0] - values[1],
        ci95=crossed.interval() if min(map(len, groups)) > 1 else None,
        ci95_cases=fixed.interval(),
        p=None if p is None or math.isnan(p) else p,
        dropped=int(fixed.dropped[0]),
        draws=replicates,
        cases=question.known_cases(),
        patients=len({*patients}),
        seeds=(len(groups[0]), len(groups[1])),
    )


def mean_run(runs: Sequence[DrawStatistic]) -> DrawStatistic:
    """Make the mean over runs a score of its own.

    Args:
        runs: From weights to scores, one a run.

    Returns:
        From weights to the mean of the scores.
    """
    return lambda weights: np.mean([one(weights) for one in runs], axis=0)


def _swapped(question: ScoreQuestion, pairs: Sequence[tuple[Floats, Floats]], swaps: Floats) -> Floats:
    """Difference of the mean scores with some cases swapped: a choice among the entries of both runs."""
    ours, theirs = np.concatenate([1 - swaps, swaps], axis=1), np.concatenate([swaps, 1 - swaps], axis=1)
    total = np.zeros(len(swaps))
    for pair in pairs:
        both = np.concatenate(pair)
        total += question.score(both, ours, copies=2) - question.score(both, theirs, copies=2)
    return total / len(pairs)
