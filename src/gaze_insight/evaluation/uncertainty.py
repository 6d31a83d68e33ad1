"""Fit what can be promised of a run's predictions on cases with masks that it has not learned from."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from gaze_insight.errors import DataError
from gaze_insight.evaluation.calibration import fit_temperature
from gaze_insight.evaluation.conformal import (
    LEAST_FOR_INTERVAL,
    conformal_calibration,
    controlled_level,
    not_contained,
    outside_frac,
)
from gaze_insight.evaluation.overlap import dice
from gaze_insight.evaluation.pixel_counts import count_levels
from gaze_insight.inference.certainty import (
    HeadUncertainty,
    SafeRule,
    certainty_features,
    outline_band,
    small_logits,
)
from gaze_insight.inference.safe_mask import GrowingMask, entry_levels
from gaze_insight.pseudomask.expected_dice import Calibration
from gaze_insight.types import BoolArray, FloatArray, Settings

__all__ = [
    "MeasuredCase",
    "UncertaintySettings",
    "fit_head",
    "groups_of",
    "measure_case",
    "measured_features",
    "sum_of",
]


class UncertaintySettings(Settings):
    """What is to be promised."""

    alpha: float = Field(
        0.1, gt=0, lt=1, description="risk: mean share of a lesion missed, and share of cases not contained"
    )
    beta: float = Field(0.1, ge=0, lt=1, description="share of a lesion that may lie outside")
    coverage: float = Field(0.8, gt=0, lt=1, description="share of cases inside the interval of the Dice")
    keep_frac: float = Field(0.8, gt=0, le=1, description="share of cases that is not sent to a human")
    least_dice: float | None = Field(
        None, ge=0, le=1, description="expected Dice below which a human is asked; instead of keep_frac"
    )
    bins: int = Field(15, ge=2, description="bins of the reliability diagram and of the calibration errors")
    growing: GrowingMask = GrowingMask()
    seed: int = Field(0, ge=0)


@dataclass(frozen=True, eq=False)
class MeasuredCase:
    """What fitting and checking need of one prediction; small, whatever the size of the image.

    Attributes:
        id: The case.
        patient: Its patient, or None.
        dice: True Dice of the mask.
        predicted: Pixels predicted.
        counts: Pixels and lesion pixels by log odds, (2049, 2).
        outline: The same near the predicted outline, (2049, 2); all 0 where there is none.
        logits: Log odds on a small grid, (h, w).
        lesion_levels: Lesion pixels that enter at each level of the growing mask, (L,).
        all_levels: All pixels that enter, (L,).
        extra: Further features of the case.
    """

    id: str
    patient: str | None
    dice: float
    predicted: int
    counts: NDArray[np.int64]
    outline: NDArray[np.int64]
    logits: NDArray[np.float32]
    lesion_levels: NDArray[np.int64]
    all_levels: NDArray[np.int64]
    extra: Mapping[str, float] = field(default_factory=dict)


def measure_case(
    prob: FloatArray,
    truth: BoolArray,
    *,
    id: str,
    threshold: float = 0.5,
    growing: GrowingMask | None = None,
    patient: str | None = None,
    extra: Mapping[str, float] | None = None,
) -> MeasuredCase:
    """Measure one prediction against its true mask.

    Args:
        prob: Foreground probability, (H, W) in [0, 1].
        truth: True mask, (H, W) bool.
        id: The case.
        threshold: A pixel is predicted where the probability is above it.
        growing: How the mask grows.
        patient: Its patient, where known.
        extra: Further features that may tell the Dice, as those of the gaze.

    Returns:
        What fitting and checking need.

    Raises:
        DataError: Shapes differ, or a probability is outside [0, 1].

    Example:
        >>> true = np.zeros((32, 32), bool)
        >>> true[8:20, 8:20] = True
        >>> measure_case(np.where(true, 0.9, 0.1), true, id="a").dice
        1.0
    """
    growing = growing or GrowingMask()
    counts = count_levels(prob, truth)
    predicted = np.asarray(prob > threshold)
    levels = entry_levels(prob, threshold, growing)
    number = growing.levels(threshold)
    return MeasuredCase(
        id=id,
        patient=patient,
        dice=dice(predicted, truth),
        predicted=int(predicted.sum()),
        counts=counts,
        outline=count_levels(prob, truth, outline_band(predicted)),
        logits=small_logits(prob),
        lesion_levels=np.bincount(levels[truth], minlength=number).astype(np.int64),
        all_levels=np.bincount(levels.ravel(), minlength=number).astype(np.int64),
        extra=dict(extra or {}),
    )


def groups_of(cases: Sequence[MeasuredCase]) -> list[Hashable] | None:
    """Return the patient of each case, a case without one standing for itself; None where none is known.

    Args:
        cases: The cases.

    Returns:
        One key a case, or None.

    Example:
        >>> groups_of([]) is None
        True
    """
    if all(case.patient is None for case in cases):
        return None
    return [case.patient if case.patient is not None else ("case", case.id) for case in cases]


def measured_features(case: MeasuredCase, temperature: float, threshold: float) -> dict[str, float]:
    """Return the features of a measured case, those of the prediction and further ones.

    Args:
        case: The case.
        temperature: Divides its log odds.
        threshold: The prediction's threshold.

    Returns:
        Name to value.
    """
    return {**certainty_features(case.logits, temperature, threshold), **case.extra}


def fit_head(
    cases: Sequence[MeasuredCase],
    settings: UncertaintySettings | None = None,
    *,
    threshold: float = 0.5,
    source: str = "",
    notes: Sequence[str] = (),
) -> HeadUncertainty:
    """Fit temperature, expected Dice, safe masks and abstention for one output.

    Args:
        cases: Cases with masks that the network has not learned from.
        settings: What is to be promised.
        threshold: The prediction's threshold.
        source: What the cases are.
        notes: What a reader must know; what the fit finds is added.

    Returns:
        What was fitted. With fewer than 51 cases there is no expected Dice, and the mean probability inside
        the mask orders the cases; where n is below 1 / alpha - 1 the safe masks are the whole image. Both are
        said in `notes`.

    Raises:
        DataError: No case, or cases measured with another growing mask.
    """
    settings = settings or UncertaintySettings()
    number = settings.growing.levels(threshold)
    if not cases or any(len(case.lesion_levels) != number for case in cases):
        raise DataError(f"expected cases measured at {number} levels, found {len(cases)} cases or others")
    told, groups = list(notes), groups_of(cases)
    temperature = round(fit_temperature(sum_of([case.counts for case in cases])), 4)
    features = [measured_features(case, temperature, threshold) for case in cases]
    calibration, confidence = _expected(cases, features, settings, source, told)
    outside = outside_frac(np.stack([case.lesion_levels for case in cases]))
    missed = _rule("missed", outside, settings.alpha, 0.0, groups, told)
    contains = _rule(
        "contains", not_contained(outside, settings.beta), settings.alpha, settings.beta, groups, told
    )
    least = settings.least_dice
    if least is not None and calibration is None:
        told.append(f"without an expected Dice the limit of {least:g} is not used, but the share to keep")
    if least is None or calibration is None:
        ordered = np.sort(confidence)[::-1]
        least = float(ordered[int(np.ceil(settings.keep_frac * len(ordered) - 1e-9)) - 1])
    return HeadUncertainty(
        temperature=temperature,
        threshold=threshold,
        dice=calibration,
        growing=settings.growing,
        missed=missed,
        contains=contains,
        keep_frac=settings.keep_frac,
        least=round(least, 6),
        cases=len(cases),
        notes=tuple(told),
    )


def _expected(
    cases: Sequence[MeasuredCase],
    features: Sequence[Mapping[str, float]],
    settings: UncertaintySettings,
    source: str,
    told: list[str],
) -> tuple[Calibration | None, NDArray[np.float64]]:
    """Fit the expected Dice and give each case's own, by a fit that has not seen it."""
    inside = np.array([one["inside"] for one in features])
    if len(cases) < LEAST_FOR_INTERVAL:
        told.append(
            f"an expected Dice needs {LEAST_FOR_INTERVAL} cases, found {len(cases)}: none is given, and the "
            "mean probability inside the mask decides when to ask a human"
        )
        return None, inside
    fitted, unseen = conformal_calibration(
        features,
        [case.dice for case in cases],
        coverage=settings.coverage,
        groups=groups_of(cases),
        seed=settings.seed,
        source=source,
    )
    known = unseen[np.isfinite(unseen)]
    if len(known) < len(unseen):
        told.append(
            f"{len(unseen) - len(known)} cases are of patients with so many that no fit could leave them "
            "out; the interval was not measured on them"
        )
    return fitted, known


def sum_of(counts: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Sum counts over cases.

    Args:
        counts: Arrays of one shape, at least one.

    Returns:
        Their sum.

    Example:
        >>> sum_of([np.array([1, 2]), np.array([3, 4])]).tolist()
        [4, 6]
    """
    return np.asarray(np.sum(np.stack(counts), axis=0), dtype=np.int64)


def _rule(
    promise: str,
    losses: NDArray[np.float64],
    alpha: float,
    beta: float,
    groups: Sequence[Hashable] | None,
    told: list[str],
) -> SafeRule:
    found = controlled_level(losses, alpha, groups)
    whole = found.level == losses.shape[1] - 1
    if whole and not found.enough:
        needed = int(np.ceil(1 / alpha - 1 - 1e-9))
        told.append(
            f"rule {promise!r}: a risk of {alpha:g} needs {needed} cases, found {found.cases}; the whole "
            "image is the only safe mask"
        )
    elif whole:
        told.append(f"rule {promise!r}: no mask but the whole image keeps a risk of {alpha:g} on these cases")
    return SafeRule(
        promise=promise,
        alpha=alpha,
        beta=beta,
        level=found.level,
        whole_image=whole,
        enough=found.enough,
        bound=found.bound,
        cases=found.cases,
    )
