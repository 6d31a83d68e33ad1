"""The numbers of a test set with their intervals by patient, in the form of a run's summary."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from gaze_insight.errors import DataError
from gaze_insight.evaluation.classification import (
    CLASS_METRICS,
    by_entry,
    class_metrics_of_draws,
    classification_scores,
)
from gaze_insight.evaluation.patient_bootstrap import Bootstrapped, Floats, patient_bootstrap
from gaze_insight.evaluation.saliency import SALIENCY_METRICS, SaliencyScores
from gaze_insight.evaluation.weighted_scores import mean_of_draws

__all__ = ["summarise_classification", "summarise_saliency"]


def summarise_classification(
    probabilities: ArrayLike,
    labels: ArrayLike,
    thresholds: ArrayLike,
    findings: Sequence[str],
    patients: Sequence[Hashable],
    *,
    replicates: int = 1000,
    seed: int = 0,
) -> dict[str, Any]:
    """Score the findings and give every number its 95 % interval over patients.

    A macro mean in a draw is over the findings that have both values in that draw; a draw without any is
    dropped. A draw without a positive (or negative) of a finding is dropped for this finding alone.

    Args:
        probabilities: In [0, 1], (N, C).
        labels: 1, 0 or NaN (unknown), (N, C).
        thresholds: (C,), chosen on other cases.
        findings: C names.
        patients: The patient of each case, (N,).
        replicates: Bootstrap draws.
        seed: Seed of the bootstrap.

    Returns:
        ``{"classifier": {"auc_macro": {"mean", "ci95", "dropped"}, "auc_micro": ..., "f1_macro": ..., "ece":
        ..., "ece_micro": ...}, "classes": {finding: {"auc": {...}, ..., "threshold", "positives",
        "negatives"}}, "skipped": {finding: reason}, "unknown_labels": n, "findings_scored": n, "draws": n}``.
        Every metric of :data:`~gaze_insight.evaluation.classification.CLASS_METRICS` has ``_macro`` and
        ``_micro`` but the calibration error, whose macro mean is called ``ece``. ``mean`` and ``ci95`` are
        None where not defined.

    Raises:
        DataError: Shapes or values do not fit.

    Example:
        >>> p, y = [[0.9], [0.8], [0.3], [0.1]], [[1], [1], [0], [0]]
        >>> summary = summarise_classification(p, y, [0.5], ["Edema"], list("abcd"), replicates=50)
        >>> summary["classifier"]["auc_macro"]["mean"], summary["classes"]["Edema"]["positives"]
        (1.0, 2)
    """
    scores = classification_scores(probabilities, labels, thresholds, findings)
    prob, truth = (np.asarray(one, dtype=np.float64) for one in (probabilities, labels))
    if len(patients) != len(prob):
        raise DataError(f"expected the patient of each of {len(prob)} cases, found {len(patients)}")
    called = (prob >= np.asarray(thresholds)).astype(np.float64)
    kept = [number for number, name in enumerate(findings) if name in scores.classes]
    entries, answers, cases = by_entry(prob, truth)
    decisions, _, _ = by_entry(called, truth)
    wide = len(CLASS_METRICS)

    def of_draws(weights: Floats) -> Floats:
        table = class_metrics_of_draws(prob, truth, called, weights)[:, :, kept]
        micro = np.full((len(weights), wide), np.nan)
        if len(entries):
            micro = class_metrics_of_draws(entries, answers, decisions, weights[:, cases])[:, :, 0]
        parts = [_mean_of_known(table), micro, table.reshape(len(weights), -1)]
        return np.concatenate(parts, axis=1)

    found = patient_bootstrap(of_draws, patients, replicates=replicates, seed=seed)
    averages = {f"{name}_macro": _entry(found, at) for at, name in enumerate(CLASS_METRICS)}
    averages |= {f"{name}_micro": _entry(found, wide + at) for at, name in enumerate(CLASS_METRICS)}
    averages["ece"] = averages.pop("ece_macro")
    classes: dict[str, Any] = {}
    for place, (name, score) in enumerate(scores.classes.items()):
        rows = {
            metric: _entry(found, 2 * wide + at * len(kept) + place)
            for at, metric in enumerate(CLASS_METRICS)
        }
        classes[name] = rows | {
            "threshold": score.threshold,
            "positives": score.positives,
            "negatives": score.negatives,
        }
    return {
        "classifier": averages,
        "classes": classes,
        "skipped": dict(scores.skipped),
        "unknown_labels": scores.unknown,
        "findings_scored": len(kept),
        "draws": replicates,
    }


def _mean_of_known(table: Floats) -> Floats:
    """Mean over the last axis of what is defined; NaN where nothing is."""
    known = ~np.isnan(table)
    count = known.sum(axis=2)
    out = np.full(table.shape[:2], np.nan)
    np.divide(np.where(known, table, 0.0).sum(axis=2), count, out=out, where=count > 0)
    return out


def _entry(found: Bootstrapped, number: int) -> dict[str, Any]:
    value, ends = float(found.value[number]), found.interval(number)
    return {
        "mean": None if math.isnan(value) else value,
        "ci95": None if ends is None else list(ends),
        "dropped": int(found.dropped[number]),
    }


def summarise_saliency(
    scores: Sequence[SaliencyScores],
    patients: Sequence[Hashable],
    *,
    replicates: int = 1000,
    seed: int = 0,
) -> dict[str, Any]:
    """Average each measure of agreement over the cases that have it, with a 95 % interval over patients.

    Args:
        scores: One a case.
        patients: The patient of each case, (N,).
        replicates: Bootstrap draws.
        seed: Seed of the bootstrap.

    Returns:
        Measure to ``{"mean", "ci95", "dropped", "n", "left_out": {reason: cases}}``; a measure that no case
        has is left out. Empty for no cases.

    Raises:
        DataError: Another number of patients than of cases.

    Example:
        >>> rows = [SaliencyScores(cc=0.2), SaliencyScores(cc=0.4), SaliencyScores(reasons={"cc": "no gaze"})]
        >>> summary = summarise_saliency(rows, ["a", "b", "c"], replicates=50)
        >>> round(summary["cc"]["mean"], 6), summary["cc"]["n"], summary["cc"]["left_out"]
        (0.3, 2, {'no gaze': 1})
    """
    if len(scores) != len(patients):
        raise DataError(f"expected the patient of each of {len(scores)} cases, found {len(patients)}")
    if not scores:
        return {}
    table = np.array([[getattr(one, name) for name in SALIENCY_METRICS] for one in scores])
    found = patient_bootstrap(
        lambda weights: mean_of_draws(table, weights), patients, replicates=replicates, seed=seed
    )
    summary: dict[str, Any] = {}
    for number, name in enumerate(SALIENCY_METRICS):
        known = int((~np.isnan(table[:, number])).sum())
        if known:
            summary[name] = _entry(found, number) | {"n": known, "left_out": _reasons(scores, name)}
    return summary


def _reasons(scores: Sequence[SaliencyScores], name: str) -> Mapping[str, int]:
    counts: dict[str, int] = {}
    for one in scores:
        if math.isnan(getattr(one, name)):
            reason = one.reasons.get(name, "not computed")
            counts[reason] = counts.get(reason, 0) + 1
    return counts
