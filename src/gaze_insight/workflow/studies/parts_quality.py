"""What the trust map and the quality score of `study parts` are worth: plain numbers over cases."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gaze_insight.cohort.case import Case
from gaze_insight.evaluation.quality_scores import (
    calibration_error,
    equal_bins,
    interval_of,
    kept_means,
    replaced_means,
    spearman,
)
from gaze_insight.pseudomask.expected_dice import ExpectedDice
from gaze_insight.pseudomask.look_again import LabelledCase, LookAgain, LookAgainSettings, look_again_list
from gaze_insight.types import BoolArray
from gaze_insight.workflow.studies.parts_scoring import TRUST_STEPS
from gaze_insight.workflow.studies.scoring import Estimate, StudySettings, estimate

__all__ = [
    "GainCurves",
    "QualityValue",
    "TrustLevel",
    "TrustValue",
    "gain_curves",
    "quality_value",
    "trust_value",
]

Values = NDArray[np.float64]
_KEPT_STEPS = tuple(step / 20 for step in range(17))


@dataclass(frozen=True)
class TrustLevel:
    """Pixels of at least some trust.

    Args:
        least_trust: The trust.
        share: Mean share of an image's pixels with at least that trust.
        error: Share of them whose label is wrong, images weighted alike.
    """

    least_trust: float
    share: float
    error: float


@dataclass(frozen=True)
class TrustValue:
    """How much of the images the sparse mask labels, and how often wrongly.

    Args:
        share: Mean share of an image's pixels that are labelled.
        error: Share of the labelled pixels that are wrong, images weighted alike.
        foreground_share: Mean share of an image's pixels that are labelled foreground.
        foreground_error: Share of them that are not foreground.
        levels: The same of the trust map at rising trust; labels are those of the vote.
    """

    share: Estimate
    error: Estimate
    foreground_share: Estimate
    foreground_error: Estimate
    levels: tuple[TrustLevel, ...]


@dataclass(frozen=True)
class QualityValue:
    """What the expected Dice is worth.

    Args:
        rho: Spearman correlation of expected and true Dice, by size stratum, "all" first.
        expected: Mean expected Dice.
        true: Mean true Dice.
        error: Mean calibration error over ten equally filled bins.
        coverage: Share of cases whose true Dice lies in the interval.
        meant: The share that should.
        kept: Mean true Dice without the share of cases with the lowest expected Dice.
        kept_best: The same without the truly worst.
        left_out: That share.
        kept_curve: Shares left out, mean Dice by expected Dice, by true Dice.
        bins: Mean expected, mean true Dice and number of cases of each bin.
        features: Feature to its Spearman correlation with the true Dice.
        source: What the calibration was fitted on.
    """

    rho: dict[str, Estimate]
    expected: Estimate
    true: Estimate
    error: float
    coverage: Estimate
    meant: float
    kept: Estimate
    kept_best: float
    left_out: float
    kept_curve: tuple[tuple[float, float, float], ...]
    bins: tuple[tuple[float, float, int], ...]
    features: dict[str, float]
    source: str


@dataclass(frozen=True)
class GainCurves:
    """Mean Dice when the first cases of an order get a drawn mask.

    Args:
        counts: Masks drawn.
        seconds: An expert's seconds for them.
        orders: "listed" (the look-again list), "lowest" (lowest expected Dice first), "random" (the mean over
            all orders), "worst" (truly worst first); mean Dice for each of `counts`.
        share_of_best: Order to the share of the gain of "worst" over "random" that it has, after a fifth of
            the cases.
        drawing_s: Seconds a mask.
    """

    counts: tuple[int, ...]
    seconds: tuple[float, ...]
    orders: dict[str, tuple[float, ...]]
    share_of_best: dict[str, float]
    drawing_s: float


def _groups(cases: Sequence[Case]) -> list[Hashable] | None:
    if not any(case.patient is not None for case in cases):
        return None
    return [case.patient or ("case", case.id) for case in cases]


def _ratio(part: Values, whole: Values, cases: Sequence[Case], settings: StudySettings) -> Estimate:
    """Ratio of two sums over cases with its bootstrap interval; NaN where there is nothing to divide by."""

    def ratio(drawn: NDArray[np.intp]) -> float:
        total = whole[drawn].sum()
        return float(part[drawn].sum() / total) if total > 0 else float("nan")

    low, high = interval_of(
        ratio, len(whole), groups=_groups(cases), resamples=settings.resamples, seed=settings.seed
    )
    return Estimate(ratio(np.arange(len(whole))), low, high, len(whole))


def trust_value(
    found: Sequence[Mapping[str, Any]], cases: Sequence[Case], settings: StudySettings
) -> TrustValue:
    """Sum up the trust of all cases.

    Args:
        found: ``trust`` of each case's result.
        cases: The cases, in the same order.
        settings: Resamples and seed.

    Returns:
        The trust map's worth.
    """
    column = {
        name: np.array([one[name] for one in found], dtype=np.float64)
        for name in ("labelled", "labelled_wrong", "foreground", "foreground_wrong", "pixels", "wrong")
    }
    share = column["pixels"].mean(axis=0)[::-1].cumsum()[::-1]
    wrong = column["wrong"].mean(axis=0)[::-1].cumsum()[::-1]
    return TrustValue(
        share=estimate(column["labelled"], cases, settings),
        error=_ratio(column["labelled_wrong"], column["labelled"], cases, settings),
        foreground_share=estimate(column["foreground"], cases, settings),
        foreground_error=_ratio(column["foreground_wrong"], column["foreground"], cases, settings),
        levels=tuple(
            TrustLevel(step / TRUST_STEPS, float(share[step]), float(wrong[step] / share[step]))
            for step in range(TRUST_STEPS)
            if share[step] > 0
        ),
    )


def quality_value(
    expected: Sequence[ExpectedDice],
    true: Values,
    features: Sequence[Mapping[str, float]],
    cases: Sequence[Case],
    strata: Mapping[str, BoolArray],
    settings: StudySettings,
    *,
    left_out: float,
    meant: float,
    source: str,
) -> QualityValue:
    """Compare expected with true Dice.

    Args:
        expected: Expected Dice of each case, (N,).
        true: True Dice, (N,).
        features: Features of each case.
        cases: The cases.
        strata: Size stratum to its cases, (N,) bool.
        settings: Resamples and seed.
        left_out: Share of cases to leave out.
        meant: Share of cases that the interval is meant to cover.
        source: What the calibration was fitted on.

    Returns:
        The score's worth.
    """
    mean, low, high = (np.array(values, dtype=np.float64) for values in zip(*expected, strict=True))
    order, best = np.argsort(mean, kind="stable"), np.argsort(true, kind="stable")
    gone = min(round(left_out * len(true)), len(true) - 1)
    kept = np.isin(np.arange(len(true)), order[gone:])
    inside = ((true >= low) & (true <= high)).astype(np.float64)
    curves = (kept_means(one, true, _KEPT_STEPS).tolist() for one in (order, best))
    return QualityValue(
        rho={
            name: _rho(mean, true, cases, np.flatnonzero(which), settings) for name, which in strata.items()
        },
        expected=estimate(mean, cases, settings),
        true=estimate(true, cases, settings),
        error=calibration_error(mean, true),
        coverage=estimate(inside, cases, settings),
        meant=meant,
        kept=estimate(true, cases, settings, kept),
        kept_best=float(true[best[gone:]].mean()),
        left_out=left_out,
        kept_curve=tuple(zip(_KEPT_STEPS, *curves, strict=True)),
        bins=tuple(equal_bins(mean, true)),
        features={name: spearman([one[name] for one in features], true) for name in features[0]},
        source=source,
    )


def _rho(
    one: Values, other: Values, cases: Sequence[Case], among: NDArray[np.intp], settings: StudySettings
) -> Estimate:
    first, second, counted = one[among], other[among], [cases[int(place)] for place in among]
    low, high = interval_of(
        lambda drawn: spearman(first[drawn], second[drawn]),
        len(among),
        groups=_groups(counted),
        resamples=settings.resamples,
        seed=settings.seed,
    )
    return Estimate(spearman(first, second), low, high, len(among))


def gain_curves(
    ids: Sequence[str],
    expected: Sequence[ExpectedDice],
    true: Values,
    log_hull: Sequence[float],
    seconds: Sequence[float],
    settings: LookAgainSettings,
) -> tuple[GainCurves, list[LookAgain]]:
    """Replace the first masks of several orders by drawn ones, and see what that brings.

    Args:
        ids: Cases, (N,).
        expected: Expected Dice, (N,).
        true: True Dice, (N,).
        log_hull: ln of the radius of the fixations' hull, (N,).
        seconds: What each reading took, (N,).
        settings: Costs.

    Returns:
        The curves, and the look-again list.
    """
    listed = look_again_list(
        [LabelledCase(*row) for row in zip(ids, expected, log_hull, seconds, strict=True)], settings
    )
    place = {id: index for index, id in enumerate(ids)}
    lowest = np.argsort([one.mean for one in expected], kind="stable")
    named = [place[row.id] for row in listed]
    orders = {
        "listed": [*named, *(int(one) for one in lowest if int(one) not in set(named))],
        "lowest": lowest.tolist(),
        "worst": np.argsort(true, kind="stable").tolist(),
    }
    count, to = len(ids), settings.drawn_dice
    counts = sorted({round(step * count / 20) for step in range(21)})
    curves = {name: replaced_means(order, true, counts, to) for name, order in orders.items()}
    curves["random"] = true.mean() + np.array(counts) / count * (to - true.mean())
    fifth = counts.index(round(count / 5))
    most = curves["worst"][fifth] - curves["random"][fifth]
    shares = {
        name: float((curves[name][fifth] - curves["random"][fifth]) / most) if most > 0 else float("nan")
        for name in ("listed", "lowest")
    }
    return (
        GainCurves(
            counts=tuple(counts),
            seconds=tuple(settings.drawing_s * one for one in counts),
            orders={name: tuple(curves[name].tolist()) for name in ("listed", "lowest", "random", "worst")},
            share_of_best=shares,
            drawing_s=settings.drawing_s,
        ),
        listed,
    )
