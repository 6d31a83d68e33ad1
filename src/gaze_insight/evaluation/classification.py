"""How well findings are told: AUC, average precision, F1, precision, recall, Brier score and ECE by class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gaze_insight.errors import DataError
from gaze_insight.evaluation.weighted_scores import (
    Floats,
    auc_of_draws,
    average_precision_of_draws,
    calibration_error_of_draws,
    decisions_of_draws,
    mean_of_draws,
    require_scored,
)

__all__ = [
    "CLASS_METRICS",
    "ClassScore",
    "ClassificationScores",
    "by_entry",
    "class_metrics_of_draws",
    "classification_scores",
    "roc_auc",
    "roc_curve",
    "why_skipped",
]

CLASS_METRICS = ("auc", "average_precision", "f1", "precision", "recall", "brier", "ece")
"""What is measured of a class, in the order of the arrays below."""

ECE_BINS = 10


@dataclass(frozen=True)
class ClassScore:
    """What is measured of one class, or of all (macro, micro).

    Args:
        auc: Area under the ROC curve, [0, 1].
        average_precision: Area under the precision-recall steps, (0, 1].
        f1: 2 TP / (2 TP + FP + FN) at the threshold.
        precision: TP / (TP + FP); 0 where nothing is called positive.
        recall: TP / (TP + FN).
        brier: Mean squared difference of probability and label.
        ece: Expected calibration error in 10 bins of one width.
        positives: Entries labelled 1.
        negatives: Entries labelled 0.
        threshold: A probability at or above it is called positive; None for averages over classes.

    Example:
        >>> ClassScore(0.8, 0.7, 0.6, 0.5, 0.75, 0.2, 0.1, 10, 30, 0.4).auc
        0.8
    """

    auc: float
    average_precision: float
    f1: float
    precision: float
    recall: float
    brier: float
    ece: float
    positives: int
    negatives: int
    threshold: float | None = None


@dataclass(frozen=True)
class ClassificationScores:
    """The scores of a classifier with several findings.

    Args:
        classes: Finding to its scores, in the order given; those that cannot be scored are not in it.
        macro: Mean over `classes`; NaN where there is none.
        micro: All known entries of all findings as one list, the skipped findings too.
        skipped: Finding to the reason why it has no row.
        unknown: Entries without a label, which count nowhere.

    Example:
        >>> scores = classification_scores([[0.9], [0.2]], [[1], [0]], [0.5], ["Edema"])
        >>> scores.classes["Edema"].auc, dict(scores.skipped)
        (1.0, {})
    """

    classes: Mapping[str, ClassScore]
    macro: ClassScore
    micro: ClassScore
    skipped: Mapping[str, str]
    unknown: int


def roc_auc(scores: ArrayLike, labels: ArrayLike) -> float:
    """Area under the ROC curve of one list of scores; equal scores count one half.

    Args:
        scores: (N,).
        labels: 1, 0 or NaN (unknown), (N,).

    Returns:
        In [0, 1]; NaN where there is no positive or no negative.

    Raises:
        DataError: The lists do not belong together.

    Example:
        >>> roc_auc([0.1, 0.4, 0.4, 0.8], [0, 0, 1, 1])
        0.875
    """
    values, truth = (np.asarray(one, dtype=np.float64).reshape(-1, 1) for one in (scores, labels))
    return float(auc_of_draws(values, truth, np.ones((1, len(values))))[0, 0])


def roc_curve(scores: ArrayLike, labels: ArrayLike) -> tuple[Floats, Floats]:
    """Points of the ROC curve, from (0, 0) to (1, 1), one a distinct score.

    Args:
        scores: (N,).
        labels: 1, 0 or NaN (unknown), (N,).

    Returns:
        False-positive rates and true-positive rates, (G + 1,) each; empty where a value of the label is
        missing.

    Raises:
        DataError: The lists do not belong together.

    Example:
        >>> [one.tolist() for one in roc_curve([0.1, 0.4, 0.8], [0, 1, 1])]
        [[0.0, 0.0, 0.0, 1.0], [0.0, 0.5, 1.0, 1.0]]
    """
    values, truth = (np.asarray(one, dtype=np.float64) for one in (scores, labels))
    require_scored(values[:, None], truth[:, None])
    known = ~np.isnan(truth)
    order = np.argsort(-values[known], kind="stable")
    ranked, hit = values[known][order], truth[known][order]
    if len(np.unique(hit)) < 2:
        return np.empty(0), np.empty(0)
    last = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)
    true, false = np.cumsum(hit)[last], np.cumsum(1 - hit)[last]
    return np.append(0.0, false / false[-1]), np.append(0.0, true / true[-1])


def why_skipped(labels: Floats, findings: Sequence[str]) -> dict[str, str]:
    """Name the findings that cannot be scored, with the reason.

    Args:
        labels: 1, 0 or NaN (unknown), (N, C).
        findings: C names.

    Returns:
        Finding to reason, in order; empty where all can be scored.

    Example:
        >>> why_skipped(np.array([[1.0, np.nan], [0.0, 1.0]]), ["Edema", "Fracture"])
        {'Fracture': 'no negative among 1 known case'}
    """
    reasons = {}
    for name, column in zip(findings, labels.T, strict=True):
        known = int((~np.isnan(column)).sum())
        missing = [word for word, value in (("positive", 1), ("negative", 0)) if not (column == value).any()]
        if missing:
            cases = "1 known case" if known == 1 else f"{known} known cases"
            reasons[name] = f"no {missing[0]} among {cases}" if known else "no case has a label"
    return reasons


def by_entry(values: Floats, labels: Floats) -> tuple[Floats, Floats, NDArray[np.intp]]:
    """Lay all known entries of all classes into one column, for averages over entries (micro).

    Args:
        values: (N, C).
        labels: 1, 0 or NaN (unknown), (N, C).

    Returns:
        Values (M, 1), labels (M, 1), and the case of each entry (M,).

    Example:
        >>> by_entry(np.array([[0.1, 0.2]]), np.array([[np.nan, 1.0]]))[0].tolist()
        [[0.2]]
    """
    cases, classes = np.nonzero(~np.isnan(labels))
    return values[cases, classes][:, None], labels[cases, classes][:, None], cases


def class_metrics_of_draws(
    probabilities: Floats, labels: Floats, decisions: Floats, weights: Floats, bins: int = ECE_BINS
) -> Floats:
    """All of :data:`CLASS_METRICS` of each class in each draw.

    Args:
        probabilities: In [0, 1], (N, C).
        labels: 1, 0 or NaN (unknown), (N, C).
        decisions: 1 where called positive, else 0, (N, C).
        weights: How often each case counts, (R, N).
        bins: Bins of the calibration error.

    Returns:
        (R, 7, C), NaN throughout where a draw holds one value of a class alone.

    Raises:
        DataError: Shapes or values do not fit.

    Example:
        >>> p, y = np.array([[0.9], [0.2]]), np.array([[1.0], [0.0]])
        >>> class_metrics_of_draws(p, y, p, np.ones((1, 2))).shape
        (1, 7, 1)
    """
    auc = auc_of_draws(probabilities, labels, weights)
    squared = (probabilities - labels) ** 2
    rest = [
        average_precision_of_draws(probabilities, labels, weights),
        *decisions_of_draws(decisions, labels, weights),
        mean_of_draws(squared, weights),
        calibration_error_of_draws(probabilities, labels, weights, bins),
    ]
    return np.stack([auc, *(np.where(np.isnan(auc), np.nan, one) for one in rest)], axis=1)


def classification_scores(
    probabilities: ArrayLike, labels: ArrayLike, thresholds: ArrayLike, findings: Sequence[str]
) -> ClassificationScores:
    """Score the probabilities of several findings, by finding, as their mean (macro) and all as one (micro).

    An entry without a label counts nowhere. A finding of which only one value is known has no ROC curve; it
    is left out of the rows and of the macro mean, and named with the reason.

    Args:
        probabilities: In [0, 1], (N, C).
        labels: 1, 0 or NaN (unknown), (N, C).
        thresholds: A probability at or above its finding's threshold is called positive, (C,).
        findings: C names, all different.

    Returns:
        The scores.

    Raises:
        DataError: Shapes do not fit, no case, a label that is none of 1, 0 and NaN, or a probability of a
            known entry that is not in [0, 1].

    Example:
        >>> p, y = [[0.9, 0.3], [0.4, 0.6], [0.2, 0.7]], [[1, 1], [0, 1], [0, float("nan")]]
        >>> scores = classification_scores(p, y, [0.5, 0.5], ["Edema", "Fracture"])
        >>> scores.macro.auc, round(scores.micro.auc, 3), dict(scores.skipped)
        (1.0, 0.833, {'Fracture': 'no negative among 2 known cases'})
    """
    prob, truth = (np.asarray(one, dtype=np.float64) for one in (probabilities, labels))
    cuts = np.asarray(thresholds, dtype=np.float64)
    require_scored(prob, truth)
    if cuts.shape != (prob.shape[1],) or len(findings) != prob.shape[1] or len({*findings}) < len(findings):
        raise DataError(
            f"expected a threshold and a name of its own for each of {prob.shape[1]} findings, found "
            f"{cuts.shape} thresholds and the names {', '.join(findings)}"
        )
    called = (prob >= cuts).astype(np.float64)
    table = class_metrics_of_draws(prob, truth, called, np.ones((1, len(prob))))[0]
    skipped = why_skipped(truth, findings)
    kept = [number for number, name in enumerate(findings) if name not in skipped]
    counts = np.stack([(truth == 1).sum(axis=0), (truth == 0).sum(axis=0)])
    classes = {
        findings[c]: _score(table[:, c], int(counts[0, c]), int(counts[1, c]), float(cuts[c])) for c in kept
    }
    empty = np.full(len(CLASS_METRICS), np.nan)
    scored = counts[:, kept].sum(axis=1)
    macro = table[:, kept].mean(axis=1) if kept else empty
    return ClassificationScores(
        classes=classes,
        macro=_score(macro, int(scored[0]), int(scored[1])),
        micro=_micro(prob, truth, called),
        skipped=skipped,
        unknown=int(np.isnan(truth).sum()),
    )


def _micro(prob: Floats, truth: Floats, called: Floats) -> ClassScore:
    entries, answers, _ = by_entry(prob, truth)
    if len(entries) == 0:
        return _score(np.full(len(CLASS_METRICS), np.nan), 0, 0)
    decisions, _, _ = by_entry(called, truth)
    values = class_metrics_of_draws(entries, answers, decisions, np.ones((1, len(entries))))[0, :, 0]
    return _score(values, int(answers.sum()), int(len(answers) - answers.sum()))


def _score(values: Floats, positives: int, negatives: int, threshold: float | None = None) -> ClassScore:
    auc, average_precision, f1, precision, recall, brier, ece = (float(value) for value in values)
    return ClassScore(
        auc, average_precision, f1, precision, recall, brier, ece, positives, negatives, threshold
    )
