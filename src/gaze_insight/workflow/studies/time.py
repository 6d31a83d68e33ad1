"""`study time`: how good the pseudo-mask is after so many seconds of looking, and what that costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from gaze_insight.cohort.case import Case
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.errors import DataError
from gaze_insight.gaze.annotation_time import PAPER_SECONDS
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.pseudomask.recipe import PseudoMaskSettings
from gaze_insight.types import Progress, silent
from gaze_insight.workflow.studies.scoring import (
    Estimate,
    StudiedCases,
    StudyItem,
    StudySettings,
    estimate,
    image_and_truth,
    pseudo_mask_dice,
    score_items,
    strata_of,
)

__all__ = ["REPORTED_SECONDS", "TimeLevel", "TimeSettings", "TimeStudy", "study_time"]

_KIND, _VERSION = "study-time", 1
_MS_PER_S, _S_PER_H = 1000.0, 3600.0

REPORTED_SECONDS: Mapping[str, float] = PAPER_SECONDS
"""Seconds to annotate an image, by kind of annotation, as published: hours over 900 training images."""


class TimeSettings(StudySettings):
    """Where a reading is cut, and what loss is called none.

    Example:
        >>> TimeSettings(limits_s=(1, 2)).limits_s
        (1.0, 2.0)
    """

    limits_s: tuple[float, ...] = Field(
        (0.5, 1, 1.5, 2, 3, 4, 6, 8, 12), min_length=1, description="seconds after which a reading is cut"
    )
    tolerance_dice: float = Field(
        0.01, gt=0, description="loss of Dice against whole readings that is called small"
    )

    @field_validator("limits_s")
    @classmethod
    def _rising(cls, limits: tuple[float, ...]) -> tuple[float, ...]:
        if list(limits) != sorted(set(limits)) or limits[0] <= 0:
            raise ValueError(f"limits_s must be above 0 and rise, found {limits}")
        return limits


@dataclass(frozen=True)
class TimeLevel:
    """What is known after a limit.

    Args:
        limit_s: The limit in seconds from the first fixation's start; None for whole readings.
        mean_s: Mean seconds spent an image: a reading that ended earlier costs what it took.
        hours: Seconds spent on all studied images, in hours.
        still_looking: Share of readings that the limit cut.
        fixations: Mean fixations begun by then.
        dice: Size stratum to mean Dice.
        loss: Dice of whole readings minus Dice here, paired by image.
    """

    limit_s: float | None
    mean_s: float
    hours: float
    still_looking: float
    fixations: float
    dice: dict[str, Estimate]
    loss: Estimate


@dataclass(frozen=True)
class TimeStudy:
    """Quality against seconds.

    Args:
        cohort: The cohort's name.
        levels: One a limit, whole readings last.
        enough_s: Shortest limit whose loss is below the tolerance at the upper end of its interval; None
            where only whole readings are.
        cases: Cases studied.
        left_out: Reason to count.
        failed: Id to message of the cases that were skipped.
        simulated: Studied cases with simulated gaze.
        reported_s: Kind of annotation to seconds an image, as published; not measured here.
        per_case: One row a case: id, area_frac, span_s, and its Dice by limit.
        settings: How it was done.
        labels: The recipe of the pseudo-masks.
    """

    cohort: str
    levels: tuple[TimeLevel, ...]
    enough_s: float | None
    cases: int
    left_out: dict[str, int]
    failed: dict[str, str]
    simulated: int
    reported_s: dict[str, float]
    per_case: tuple[dict[str, Any], ...]
    settings: TimeSettings
    labels: PseudoMaskSettings

    def rows(self) -> list[dict[str, Any]]:
        """Return the numbers of the figures: one row a limit and size stratum.

        Returns:
            Plain values; ``limit_s`` is "all" for whole readings.
        """
        return [
            {
                "limit_s": "all" if level.limit_s is None else level.limit_s,
                "mean_s": level.mean_s,
                "hours": level.hours,
                "still_looking": level.still_looking,
                "fixations": level.fixations,
                "stratum": stratum,
                "dice": found.mean,
                "dice_low": found.low,
                "dice_high": found.high,
                "n": found.n,
            }
            for level in self.levels
            for stratum, found in level.dice.items()
        ]


def study_time(
    cohort: Cohort,
    chosen: StudiedCases,
    labels: PseudoMaskSettings | None = None,
    settings: TimeSettings | None = None,
    *,
    workers: int | None = None,
    cluster: str | None = None,
    on_bad: Literal["raise", "skip"] = "raise",
    progress: Progress = silent,
) -> TimeStudy:
    """Cut each real scan path at t seconds, label by what is left, and compare with the true mask.

    ``Fixations.until(t)`` keeps what had begun within t of the first fixation's start and shortens the one
    that was under way. The Dice at t is the mean over images of ``2 |P and T| / (|P| + |T|)`` at the true
    mask's size. Bands are pointwise 95 % bootstrap intervals over images.

    Args:
        cohort: The cohort; its cache keeps each case's result.
        chosen: The cases, from `choose_cases`.
        labels: The recipe of the pseudo-masks; None for the defaults.
        settings: Limits and intervals; None for the defaults.
        workers: Processes; None for one a core.
        cluster: Address of a dask scheduler instead.
        on_bad: What a case that cannot be used does: stop, or be skipped and listed.
        progress: Receives progress in cases.

    Returns:
        The study.

    Raises:
        DataError: A case cannot be used and `on_bad` is "raise", or none could be.
    """
    labels, settings = labels or PseudoMaskSettings(), settings or TimeSettings()
    limits = np.array(settings.limits_s)
    found, failed = score_items(
        partial(_scored, labels=labels, limits_s=settings.limits_s),
        [StudyItem(case) for case in chosen.cases],
        cohort,
        labels,
        kind=_KIND,
        version=_VERSION,
        parts=lambda item: (limits,),
        workers=workers,
        cluster=cluster,
        on_bad=on_bad,
        progress=progress,
    )
    if not found:
        raise DataError(f"none of {len(chosen.cases)} cases could be used", path=cohort.folder)
    levels = _levels([cohort.cases[id] for id in found], list(found.values()), settings)
    return TimeStudy(
        cohort=cohort.name,
        levels=levels,
        enough_s=_enough(levels, settings.tolerance_dice),
        cases=len(found),
        left_out=chosen.left_out,
        failed=failed,
        simulated=chosen.simulated,
        reported_s=dict(REPORTED_SECONDS),
        per_case=tuple(_case_row(id, values, settings) for id, values in found.items()),
        settings=settings,
        labels=labels,
    )


def _scored(item: StudyItem, *, labels: PseudoMaskSettings, limits_s: tuple[float, ...]) -> dict[str, Any]:
    """Score one case at each limit; a limit beyond the reading's end costs no second labelling."""
    image, truth = image_and_truth(item.case)
    whole = item.case.fixations or Fixations.empty()
    whole_dice = pseudo_mask_dice(image, truth, whole, labels)
    dices, counts = [], []
    for limit in limits_s:
        part = whole.until(_MS_PER_S * limit)
        counts.append(len(part))
        cut = whole.span_ms > _MS_PER_S * limit
        dices.append(pseudo_mask_dice(image, truth, part, labels) if cut else whole_dice)
    return {
        "area_frac": float(truth.mean()),
        "span_s": whole.span_ms / _MS_PER_S,
        "dice": [*dices, whole_dice],
        "fixations": [*counts, len(whole)],
    }


def _levels(cases: list[Case], found: list[dict[str, Any]], settings: TimeSettings) -> tuple[TimeLevel, ...]:
    dices = np.array([row["dice"] for row in found])
    counts = np.array([row["fixations"] for row in found], dtype=np.float64)
    spans = np.array([row["span_s"] for row in found])
    strata = strata_of([row["area_frac"] for row in found], settings)
    levels = []
    for place, limit in enumerate((*settings.limits_s, None)):
        spent: NDArray[np.float64] = spans if limit is None else np.minimum(spans, limit)
        column = dices[:, place]
        levels.append(
            TimeLevel(
                limit_s=limit,
                mean_s=float(spent.mean()),
                hours=float(spent.sum()) / _S_PER_H,
                still_looking=0.0 if limit is None else float((spans > limit).mean()),
                fixations=float(counts[:, place].mean()),
                dice={name: estimate(column, cases, settings, which) for name, which in strata.items()},
                loss=estimate(dices[:, -1] - column, cases, settings),
            )
        )
    return tuple(levels)


def _enough(levels: tuple[TimeLevel, ...], tolerance: float) -> float | None:
    small = [level.limit_s for level in levels if level.limit_s is not None and level.loss.high <= tolerance]
    return min(small, default=None)


def _case_row(id: str, values: dict[str, Any], settings: TimeSettings) -> dict[str, Any]:
    names = [*(f"dice_{limit:g}_s" for limit in settings.limits_s), "dice_all"]
    return {
        "id": id,
        "area_frac": values["area_frac"],
        "span_s": values["span_s"],
        **dict(zip(names, values["dice"], strict=True)),
    }
