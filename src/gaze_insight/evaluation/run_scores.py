"""What runs say of the same test cases, and how a score is asked of them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from gaze_insight.errors import DataError, SettingsError
from gaze_insight.evaluation.classification import by_entry, why_skipped
from gaze_insight.evaluation.patient_bootstrap import Floats
from gaze_insight.evaluation.weighted_scores import (
    auc_of_draws,
    average_precision_of_draws,
    decisions_of_draws,
    mean_of_draws,
)

__all__ = ["COMPARED", "RunScores", "ScoreQuestion", "align", "ask"]

_KINDS = ("auc", "average_precision", "f1", "precision", "recall", "brier")
COMPARED = tuple(f"{kind}_{over}" for kind in _KINDS for over in ("macro", "micro"))
"""Scores of the classifier to compare in; beside them ``KIND:FINDING`` and the names of `measures`."""


@dataclass(frozen=True, eq=False)
class RunScores:
    """What one run says of the test cases.

    Args:
        cases: Ids of the cases, (N,), all different.
        patients: The patient of each, (N,).
        findings: C names.
        probabilities: In [0, 1], (N, C).
        labels: 1, 0 or NaN (unknown), (N, C).
        thresholds: The run's own thresholds, (C,).
        measures: Further numbers of cases by name, such as saliency measures: (N,) each, NaN: not defined.
        seed: The run's seed.

    Raises:
        DataError: Parts of different lengths, or a case twice.

    Example:
        >>> RunScores(["a"], ["p"], ["Edema"], np.array([[0.5]]), np.array([[1.0]]), np.array([0.5])).seed
        0
    """

    cases: Sequence[str]
    patients: Sequence[Hashable]
    findings: Sequence[str]
    probabilities: Floats
    labels: Floats
    thresholds: Floats
    measures: Mapping[str, Floats] = field(default_factory=dict)
    seed: int = 0

    def __post_init__(self) -> None:
        shape = (len(self.cases), len(self.findings))
        found = {
            "patients": (len(self.patients), len(self.findings)),
            "probabilities": self.probabilities.shape,
            "labels": self.labels.shape,
            "thresholds": (len(self.cases), len(self.thresholds)),
        }
        wrong = [f"{name} {size}" for name, size in found.items() if size != shape]
        wrong += [f"{name} {one.shape}" for name, one in self.measures.items() if one.shape != shape[:1]]
        if wrong:
            raise DataError(f"expected {shape[0]} cases and {shape[1]} findings, found {', '.join(wrong)}")
        if len({*self.cases}) < len(self.cases):
            raise DataError("a case stands twice in a run; each case counts once")


def align(groups: Sequence[Sequence[RunScores]]) -> list[list[RunScores]]:
    """Bring runs into the order of seeds, and their cases into the order of the first run's.

    Args:
        groups: The runs of each method, at least one each.

    Returns:
        The same runs, ordered.

    Raises:
        DataError: A method without a run; or other cases, labels or findings in a run.
    """
    if not all(groups):
        raise DataError(f"expected runs of each method, found {', '.join(str(len(one)) for one in groups)}")
    ordered = [sorted(group, key=lambda run: run.seed) for group in groups]
    model = ordered[0][0]
    return [[_ordered(run, model) for run in group] for group in ordered]


def _ordered(run: RunScores, model: RunScores) -> RunScores:
    if {*run.cases} != {*model.cases} or tuple(run.findings) != tuple(model.findings):
        differing = {*run.cases} ^ {*model.cases}
        raise DataError(
            f"runs are compared on the same cases and findings; {len(differing)} cases are in one of them "
            f"alone, and the findings are {', '.join(model.findings)} and {', '.join(run.findings)}",
            remedy="evaluate both on the same split of the same cohort, with the same label policy",
        )
    places = {case: number for number, case in enumerate(run.cases)}
    order = np.array([places[case] for case in model.cases], dtype=np.intp)
    sorted_run = RunScores(
        [run.cases[i] for i in order],
        [run.patients[i] for i in order],
        run.findings,
        run.probabilities[order],
        run.labels[order],
        run.thresholds,
        {name: values[order] for name, values in run.measures.items()},
        run.seed,
    )
    if not np.array_equal(sorted_run.labels, model.labels, equal_nan=True):
        raise DataError("the labels of the runs differ", remedy="evaluate both with the same label policy")
    return sorted_run


@dataclass(frozen=True, eq=False)
class ScoreQuestion:
    """A score of entries: which cases they belong to, what is known of them, and how they are scored.

    Attributes:
        values: From a run to its entries.
        labels: What is known of each entry; NaN for nothing.
        cases: The case of each entry.
        kernel: From entries, labels and weights (R, entries) to scores of R draws, by column.
    """

    values: Callable[[RunScores], Floats]
    labels: Floats
    cases: NDArray[np.intp]
    kernel: Callable[[Floats, Floats, Floats], Floats]

    def known_cases(self) -> int:
        """Count the cases of which anything is known."""
        return len(np.unique(self.cases[~np.isnan(self.labels).all(axis=1)]))

    def score(self, values: Floats, weights: Floats, copies: int = 1) -> Floats:
        """Score of each draw, (R,), as a mean over the columns that are defined in it.

        With copies, the weights are those of the cases laid side by side as often, and so are the entries.
        """
        count = weights.shape[1] // copies
        cases = np.concatenate([self.cases + number * count for number in range(copies)])
        table = self.kernel(values, np.concatenate([self.labels] * copies), weights[:, cases])
        known = ~np.isnan(table)
        held = known.sum(axis=1)
        out = np.full(len(weights), np.nan)
        np.divide(np.where(known, table, 0.0).sum(axis=1), held, out=out, where=held > 0)
        return out


def _mean_kernel(values: Floats, labels: Floats, weights: Floats) -> Floats:
    return mean_of_draws(np.where(np.isnan(labels), np.nan, values), weights)


def _decided(part: int) -> Callable[[Floats, Floats, Floats], Floats]:
    return lambda values, labels, weights: decisions_of_draws(values, labels, weights)[part]


_KERNELS: Mapping[str, Callable[[Floats, Floats, Floats], Floats]] = {
    "auc": auc_of_draws,
    "average_precision": average_precision_of_draws,
    "f1": _decided(0),
    "precision": _decided(1),
    "recall": _decided(2),
    "brier": _mean_kernel,
}


def ask(runs: Sequence[RunScores], metric: str) -> ScoreQuestion:
    """Find out what is asked.

    Args:
        runs: Runs of the same cases, in the same order; a measure counts on the cases that have it in all.
        metric: One of `COMPARED`, ``KIND:FINDING`` as in ``auc:Edema``, or the name of a measure.

    Returns:
        The question.

    Raises:
        SettingsError: An unknown metric.
    """
    model, every = runs[0], np.arange(len(runs[0].cases))
    if metric in model.measures:
        shared = np.sum([run.measures[metric][:, None] for run in runs], axis=0)
        labels = np.where(np.isnan(shared), np.nan, 0.0)
        return ScoreQuestion(lambda run: run.measures[metric][:, None], labels, every, _mean_kernel)
    kind, over, finding = _parsed(model, metric)
    kernel = _KERNELS[kind]
    if over == "micro":
        _, labels, cases = by_entry(model.labels, model.labels)
        return ScoreQuestion(
            lambda run: _ready(by_entry(_raw(run, kind), run.labels)[0], labels, kind), labels, cases, kernel
        )
    skipped = why_skipped(model.labels, model.findings)
    names = [finding] if finding else [name for name in model.findings if name not in skipped]
    kept = [number for number, name in enumerate(model.findings) if name in names]
    labels = model.labels[:, kept]
    return ScoreQuestion(lambda run: _ready(_raw(run, kind)[:, kept], labels, kind), labels, every, kernel)


def _parsed(model: RunScores, metric: str) -> tuple[str, str, str]:
    kind, sign, finding = metric.partition(":")
    over = ""
    if not sign:
        kind, _, over = metric.rpartition("_")
    if kind not in _KERNELS or (finding not in model.findings if sign else over not in ("macro", "micro")):
        raise SettingsError(
            f"unknown score {metric!r}",
            remedy=f"one of {', '.join(COMPARED)}, KIND:FINDING as in auc:{model.findings[0]}, or a "
            f"measure of the runs: {', '.join(model.measures) or 'none here'}",
        )
    return kind, over, finding


def _raw(run: RunScores, kind: str) -> Floats:
    if kind in ("auc", "average_precision"):
        return run.probabilities
    if kind == "brier":
        return np.asarray((run.probabilities - run.labels) ** 2)
    return (run.probabilities >= run.thresholds).astype(np.float64)


def _ready(values: Floats, labels: Floats, kind: str) -> Floats:
    """Ranks among the known entries of each column where order is all that counts, else the values."""
    if kind not in ("auc", "average_precision"):
        return values
    return np.asarray(rankdata(np.where(np.isnan(labels), np.inf, values), axis=0), dtype=np.float64)
