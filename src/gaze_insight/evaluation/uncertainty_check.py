"""Whether promises hold on cases that nothing was fitted on: calibration, intervals, masks, abstention."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from gaze_insight.errors import DataError
from gaze_insight.evaluation.calibration import (
    brier,
    expected_calibration_error,
    maximum_calibration_error,
    negative_log_likelihood,
    reliability,
)
from gaze_insight.evaluation.conformal import not_contained, outside_frac
from gaze_insight.evaluation.pixel_counts import tally_at
from gaze_insight.evaluation.quality_scores import interval_of, spearman
from gaze_insight.evaluation.selective import kept_mean, risk_coverage, selective_score
from gaze_insight.evaluation.uncertainty import MeasuredCase, groups_of, measured_features
from gaze_insight.inference.certainty import HeadUncertainty, SafeRule
from gaze_insight.pseudomask.expected_dice import ExpectedDice, expected_dice

__all__ = ["check_head", "measured_share", "pixel_calibration"]

_LEAST_SHARE = 1e-4

Value = dict[str, Any]


def check_head(
    cases: Sequence[MeasuredCase],
    fitted: HeadUncertainty,
    *,
    bins: int = 15,
    resamples: int = 1000,
    seed: int = 0,
) -> dict[str, Any]:
    """Measure every promise on other cases, with 95 % intervals over cases or patients.

    Args:
        cases: Cases with masks that neither training nor fit has seen.
        fitted: What was fitted.
        bins: Bins of the calibration errors.
        resamples: Bootstrap resamples.
        seed: Seed of the bootstrap.

    Returns:
        Plain values: ``pixels`` (whole image and outline, before and after the temperature),
        ``expected_dice`` (None where none was fitted), ``missed`` and ``contains`` (asked, measured, price),
        ``selective``, ``asked_human``, and ``cases`` (a row a case) and ``curves`` for charts.

    Raises:
        DataError: No case.
    """
    if not cases:
        raise DataError("expected cases to check on, found none")
    groups = groups_of(cases)

    def interval(statistic: Callable[[NDArray[np.intp]], float]) -> list[float | None]:
        found = interval_of(statistic, len(cases), groups=groups, resamples=resamples, seed=seed)
        return [None if math.isnan(end) else end for end in found]

    features = [measured_features(case, fitted.temperature, fitted.threshold) for case in cases]
    true = np.array([case.dice for case in cases])
    expected = None if fitted.dice is None else [expected_dice(one, fitted.dice) for one in features]
    known = None if expected is None else [one for one in expected if one is not None]
    inside = np.array([one["inside"] for one in features])
    confidence = inside if known is None else np.array([one.mean for one in known])
    outside = outside_frac(np.stack([case.lesion_levels for case in cases]))
    area = np.cumsum(np.stack([case.all_levels for case in cases]), axis=1)
    return {
        "n": len(cases),
        "groups": None if groups is None else len(set(groups)),
        "dice": {"mean": float(true.mean()), "ci95": interval(lambda drawn: float(true[drawn].mean()))},
        "pixels": _pixels(cases, fitted.temperature, bins, interval),
        "expected_dice": None if known is None else _expected_facts(known, true, groups, fitted, interval),
        "missed": _rule_facts(fitted.missed, outside, area, groups, interval),
        "contains": _rule_facts(
            fitted.contains, not_contained(outside, fitted.contains.beta), area, groups, interval
        ),
        "selective": _selective(confidence, inside, true, fitted.keep_frac, interval),
        "asked_human": _asked(confidence, cases, fitted, true),
        "cases": _rows(cases, known, confidence, outside, area, fitted),
        "curves": _curves(confidence, true),
    }


def pixel_calibration(
    counts: NDArray[np.int64] | NDArray[np.float64], temperature: float, bins: int = 15
) -> Value:
    """Score the probabilities of pixels, pooled.

    Args:
        counts: Pixels by log odds, (2049, 2).
        temperature: Divides the log odds.
        bins: Bins.

    Returns:
        ``ece``, ``ece_equal_mass``, ``mce`` (bins with 0.01 % of the pixels or more), ``nll``, ``brier`` with
        its parts, and ``bins``: probability, share of lesion and share of pixels of each.
    """
    tally = tally_at(counts, temperature)
    return {
        "ece": expected_calibration_error(tally, bins),
        "ece_equal_mass": expected_calibration_error(tally, bins, "equal_mass"),
        "mce": maximum_calibration_error(tally, bins, least_share=_LEAST_SHARE),
        "nll": negative_log_likelihood(tally),
        "brier": brier(tally, bins)._asdict(),
        "bins": [list(one) for one in reliability(tally, bins)],
    }


def _pixels(
    cases: Sequence[MeasuredCase],
    temperature: float,
    bins: int,
    interval: Callable[[Callable[[NDArray[np.intp]], float]], list[float | None]],
) -> Value:
    found: Value = {"temperature": temperature}
    for region in ("image", "outline"):
        stack = np.stack([case.counts if region == "image" else case.outline for case in cases])
        held = stack[:, :, 0].sum(axis=1) > 0
        place: Value = {"cases": int(held.sum())}
        if held.any():
            for name, divisor in (("before", 1.0), ("after", temperature)):
                place[name] = pixel_calibration(stack.sum(axis=0), divisor, bins)
                own = [expected_calibration_error(tally_at(one, divisor), bins) for one in stack[held]]
                place[name]["ece_per_case"] = float(np.mean(own))
                place[name]["ece_ci95"] = interval(_pooled_ece(stack, divisor, bins))
            before, after = _pooled_ece(stack, 1.0, bins), _pooled_ece(stack, temperature, bins)
            place["ece_change_ci95"] = interval(_difference(after, before))
        found[region] = place
    return found


def _pooled_ece(
    stack: NDArray[np.int64], temperature: float, bins: int
) -> Callable[[NDArray[np.intp]], float]:
    """Sum each case into bins once, so that a redrawn set of cases costs a few additions."""
    prob = tally_at(stack[0], temperature).prob
    place = np.minimum((prob * bins).astype(np.intp), bins - 1)
    belongs = (place[:, None] == np.arange(bins)).astype(np.float64)
    pixels = stack[:, :, 0] @ belongs
    excess = stack[:, :, 0] @ (belongs * prob[:, None]) - stack[:, :, 1] @ belongs

    def error(drawn: NDArray[np.intp]) -> float:
        total = pixels[drawn].sum()
        return float(np.abs(excess[drawn].sum(axis=0)).sum() / total) if total else float("nan")

    return error


def _difference(
    first: Callable[[NDArray[np.intp]], float], second: Callable[[NDArray[np.intp]], float]
) -> Callable[[NDArray[np.intp]], float]:
    return lambda drawn: first(drawn) - second(drawn)


def measured_share(held: NDArray[np.bool_], groups: Sequence[Hashable] | None, seed: int = 0) -> Value:
    """Say in which share of cases something held, with a 95 % interval.

    Args:
        held: Whether it held in each case, (N,).
        groups: The group (patient) of each, or None.
        seed: Seed of the bootstrap.

    Returns:
        ``share`` and ``ci95``: Clopper and Pearson's for cases, which does not shrink to a point where
        it held in all; bootstrap over groups where there are any.

    Example:
        >>> measured_share(np.ones(20, bool), None)["ci95"][0].__round__(2)
        0.83
    """
    if groups is None:
        found = binomtest(int(held.sum()), len(held)).proportion_ci(0.95, "exact")
        ends = [float(found.low), float(found.high)]
    else:
        ends = list(interval_of(lambda drawn: float(held[drawn].mean()), len(held), groups=groups, seed=seed))
    return {"share": float(held.mean()), "ci95": [None if math.isnan(end) else end for end in ends]}


def _expected_facts(
    expected: Sequence[ExpectedDice],
    true: NDArray[np.float64],
    groups: Sequence[Hashable] | None,
    fitted: HeadUncertainty,
    interval: Callable[[Callable[[NDArray[np.intp]], float]], list[float | None]],
) -> Value:
    mean, low, high = np.array(expected).T
    rank = spearman(mean, true)
    held = measured_share((low - 1e-9 <= true) & (true <= high + 1e-9), groups)
    asked = 0.0 if fitted.dice is None else fitted.dice.coverage
    sizes = (len(true) if groups is None else len(set(groups)), fitted.missed.cases)
    return {
        "mean": float(mean.mean()),
        "bias": float((mean - true).mean()),
        "bias_ci95": interval(lambda drawn: float((mean - true)[drawn].mean())),
        "mae": float(np.abs(mean - true).mean()),
        "spearman": None if math.isnan(rank) else rank,
        "spearman_ci95": interval(lambda drawn: spearman(mean[drawn], true[drawn])),
        "coverage_asked": asked,
        "coverage": held,
        "kept": _is_kept(asked, held["share"], math.sqrt(asked * (1 - asked)), sizes),
        "width": float((high - low).mean()),
    }


def _is_kept(larger: float, smaller: float, deviation: float, sizes: tuple[int, int]) -> bool:
    """Tell whether one value exceeds another by no more than chance of both draws of cases explains.

    The promise is about the mean over draws of the fit's cases, and this fit is one draw: its deviation
    counts beside that of the cases of the check.
    """
    chance = deviation * math.sqrt(sum(1 / size for size in sizes))
    return larger - smaller <= 1.96 * chance + 1e-9


def _rule_facts(
    rule: SafeRule,
    losses: NDArray[np.float64],
    area: NDArray[np.int64],
    groups: Sequence[Hashable] | None,
    interval: Callable[[Callable[[NDArray[np.intp]], float]], list[float | None]],
) -> Value:
    """What a rule lost, what the prediction alone would have lost, and the price in area."""
    loss, plain = losses[:, rule.level], losses[:, 0]
    safe, predicted, whole = area[:, rule.level], area[:, 0], area[:, -1]
    some = predicted > 0
    ratio = float(np.median(safe[some] / predicted[some])) if some.any() else None
    ends = interval(lambda drawn: float(loss[drawn].mean()))
    if rule.promise == "contains":
        ends = measured_share(loss > 0, groups)["ci95"]
    sizes = (len(loss) if groups is None else len(set(groups)), rule.cases)
    return {
        "risk_asked": rule.alpha,
        "risk": float(loss.mean()),
        "ci95": ends,
        "kept": _is_kept(float(loss.mean()), rule.alpha, float(loss.std()), sizes),
        "risk_of_prediction": float(plain.mean()),
        "area_ratio_median": ratio,
        "area_ratio_pooled": float(safe.sum() / predicted.sum()) if some.any() else None,
        "area_frac": float((safe / whole).mean()),
        "whole_image": float((safe == whole).mean()),
    }


def _selective(
    confidence: NDArray[np.float64],
    inside: NDArray[np.float64],
    true: NDArray[np.float64],
    keep_frac: float,
    interval: Callable[[Callable[[NDArray[np.intp]], float]], list[float | None]],
) -> Value:
    score = selective_score(confidence, 1 - true)
    return {
        **{name: None if math.isnan(value) else value for name, value in score._asdict().items()},
        "aurc_ci95": interval(lambda drawn: selective_score(confidence[drawn], 1 - true[drawn]).aurc),
        "excess_ci95": interval(lambda drawn: selective_score(confidence[drawn], 1 - true[drawn]).excess),
        "aurc_of_inside": selective_score(inside, 1 - true).aurc,
        "keep_frac": keep_frac,
        "dice_all": float(true.mean()),
        "dice_kept": kept_mean(confidence, true, keep_frac),
        "dice_kept_ci95": interval(lambda drawn: kept_mean(confidence[drawn], true[drawn], keep_frac)),
        "dice_kept_oracle": kept_mean(true, true, keep_frac),
    }


def _asked(
    confidence: NDArray[np.float64],
    cases: Sequence[MeasuredCase],
    fitted: HeadUncertainty,
    true: NDArray[np.float64],
) -> Value:
    empty = np.array([case.predicted == 0 for case in cases])
    asked = empty | (confidence < fitted.least)
    return {
        "below": fitted.least,
        "cases": int(asked.sum()),
        "share": float(asked.mean()),
        "dice_used": float(true[~asked].mean()) if not asked.all() else None,
        "dice_asked": float(true[asked].mean()) if asked.any() else None,
    }


def _rows(
    cases: Sequence[MeasuredCase],
    expected: Sequence[ExpectedDice] | None,
    confidence: NDArray[np.float64],
    outside: NDArray[np.float64],
    area: NDArray[np.int64],
    fitted: HeadUncertainty,
) -> list[Value]:
    rows = []
    for place, case in enumerate(cases):
        row: Value = {"id": case.id, "dice": case.dice, "confidence": float(confidence[place])}
        if expected is not None:
            row |= {"low": expected[place].low, "high": expected[place].high}
        row["asked"] = bool(case.predicted == 0 or confidence[place] < fitted.least)
        for name, rule in (("missed", fitted.missed), ("contains", fitted.contains)):
            row[f"outside_{name}"] = float(outside[place, rule.level])
            row[f"area_{name}"] = float(area[place, rule.level] / area[place, -1])
        row["area"] = float(area[place, 0] / area[place, -1])
        rows.append(row)
    return rows


def _curves(confidence: NDArray[np.float64], true: NDArray[np.float64]) -> Value:
    risk = 1 - true
    ours, best = risk_coverage(confidence, risk), risk_coverage(-risk, risk)
    return {
        "coverage": ours.coverage.tolist(),
        "risk": ours.risk.tolist(),
        "oracle": best.risk.tolist(),
        "random": float(risk.mean()),
    }
