"""One method over several seeds: the mean of a score, and its intervals over patients and seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from gaze_insight.errors import DataError
from gaze_insight.evaluation.patient_bootstrap import crossed_patient_bootstrap
from gaze_insight.evaluation.run_comparison import mean_run
from gaze_insight.evaluation.run_scores import RunScores, align, ask

__all__ = ["RunEstimate", "estimate"]


@dataclass(frozen=True)
class RunEstimate:
    """A score of one method.

    Args:
        metric: The score.
        mean: Mean over seeds.
        seed_values: The score of each run, by seed.
        sd_seeds: Sample deviation between seeds; None with one seed.
        ci95_cases: 95 % interval over patients, the trained networks being taken as they are; None
            where no draw defines the score.
        ci95: Over patients and seeds; None with one seed.
        cases: Cases that count.

    Example:
        >>> RunEstimate("auc_macro", 0.8, (0.8,), None, (0.7, 0.9), None, 90).cases
        90
    """

    metric: str
    mean: float
    seed_values: tuple[float, ...]
    sd_seeds: float | None
    ci95_cases: tuple[float, float] | None
    ci95: tuple[float, float] | None
    cases: int


def estimate(
    runs: Sequence[RunScores], metric: str = "auc_macro", *, replicates: int = 1000, seed: int = 0
) -> RunEstimate:
    """Estimate a score of one method on its test cases.

    Args:
        runs: The runs, one a seed, with the same cases, labels and findings.
        metric: As for `gaze_insight.evaluation.run_comparison.compare`.
        replicates: Bootstrap draws of whole patients.
        seed: Seed of the drawing.

    Returns:
        The estimate.

    Raises:
        DataError: No run, other cases, labels or findings in one of them, or nothing known of any case.
        SettingsError: An unknown metric.

    Example:
        >>> labels = np.array([[1.0], [1.0], [0.0], [0.0]])
        >>> answers = np.array([[0.9], [0.6], [0.7], [0.1]])
        >>> run = RunScores("abcd", "abcd", ["Edema"], answers, labels, np.array([0.5]))
        >>> found = estimate([run], replicates=100)
        >>> found.mean, found.sd_seeds, found.ci95
        (0.75, None, None)
    """
    (group,) = align([runs])
    question = ask(group, metric)
    if question.known_cases() == 0:
        raise DataError(f"nothing is known of {metric}: no case has it in every run")
    scores = [partial(question.score, question.values(run)) for run in group]
    patients = list(group[0].patients)
    whole = np.ones((1, len(patients)))
    values = tuple(float(score(whole)[0]) for score in scores)
    fixed = crossed_patient_bootstrap([mean_run(scores)], None, patients, replicates=replicates, seed=seed)
    crossed = crossed_patient_bootstrap(scores, None, patients, replicates=replicates, seed=seed)
    several = len(values) > 1
    return RunEstimate(
        metric=metric,
        mean=float(np.mean(values)),
        seed_values=values,
        sd_seeds=float(np.std(values, ddof=1)) if several else None,
        ci95_cases=fixed.interval(),
        ci95=crossed.interval() if several else None,
        cases=question.known_cases(),
    )
