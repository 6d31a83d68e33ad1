"""`study noise`: how much of each kind of noise the pseudo-mask bears."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from gaze_insight.cohort.case import Case
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.errors import DataError
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.gaze.noise import NoiseSettings, with_noise
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

__all__ = ["DIALS", "DialLevel", "NoiseStudy", "NoiseStudySettings", "study_noise"]

_KIND, _VERSION = "study-noise", 1

DIALS: Mapping[str, tuple[float, ...]] = MappingProxyType(
    {
        "offset_frac": (0.01, 0.02, 0.04, 0.06, 0.08, 0.12),
        "jitter_sd_frac": (0.01, 0.02, 0.04, 0.08, 0.12),
        "dropout": (0.1, 0.2, 0.4, 0.6, 0.8),
        "extra": (0.1, 0.25, 0.5, 1.0),
        "annotator_swap": (0.05, 0.1, 0.2, 0.4),
    }
)
"""The dials of `NoiseSettings` and the levels at which they are tried by default."""


class NoiseStudySettings(StudySettings):
    """Which dials are turned, how far, and how often.

    Example:
        >>> NoiseStudySettings(levels={"dropout": (0.5,)}).repeats
        3
    """

    levels: dict[str, tuple[float, ...]] = Field(
        default_factory=lambda: dict(DIALS), description="dial to the levels tried, above 0"
    )
    repeats: int = Field(3, ge=1, description="noise drawn so many times for each image")
    tolerance_dice: float = Field(0.05, gt=0, description="loss of Dice up to which noise is called borne")

    @field_validator("levels")
    @classmethod
    def _usable(cls, levels: dict[str, tuple[float, ...]]) -> dict[str, tuple[float, ...]]:
        for dial, values in levels.items():
            if dial not in DIALS:
                raise ValueError(f"unknown dial {dial!r}; known: {', '.join(DIALS)}")
            if not values or list(values) != sorted(set(values)) or values[0] <= 0:
                raise ValueError(f"the levels of {dial} must be above 0 and rise, found {values}")
            for value in values:
                NoiseSettings.model_validate({dial: value})
        if not levels:
            raise ValueError("levels names no dial")
        return levels


@dataclass(frozen=True)
class DialLevel:
    """One dial at one level.

    Args:
        dial: Field of `NoiseSettings`.
        level: Its value; 0 for the readings as they are.
        dice: Size stratum to mean Dice; a case's Dice is its mean over the repeats.
        loss: Dice without noise minus Dice here, paired by image.
        repeat_sd: Standard deviation of the cohort's mean Dice between repeats; 0 for one repeat.
    """

    dial: str
    level: float
    dice: dict[str, Estimate]
    loss: Estimate
    repeat_sd: float


@dataclass(frozen=True)
class NoiseStudy:
    """Dice over each dial.

    Args:
        cohort: The cohort's name.
        dials: Dial to its levels, 0 first.
        borne: Dial to the level up to which the mean loss stays within the tolerance, linear between levels;
            None where the last level tried is still within it.
        cases: Cases studied.
        left_out: Reason to count.
        failed: Id to message of the cases that were skipped.
        simulated: Studied cases with simulated gaze.
        per_case: One row a case: id, area_frac and its Dice by dial and level.
        settings: How it was done.
        labels: The recipe of the pseudo-masks.
    """

    cohort: str
    dials: dict[str, tuple[DialLevel, ...]]
    borne: dict[str, float | None]
    cases: int
    left_out: dict[str, int]
    failed: dict[str, str]
    simulated: int
    per_case: tuple[dict[str, Any], ...]
    settings: NoiseStudySettings
    labels: PseudoMaskSettings

    def rows(self) -> list[dict[str, Any]]:
        """Return the numbers of the figures: one row a dial, level and size stratum.

        Returns:
            Plain values.
        """
        return [
            {
                "dial": dial,
                "level": level.level,
                "stratum": stratum,
                "dice": found.mean,
                "dice_low": found.low,
                "dice_high": found.high,
                "n": found.n,
                "loss": level.loss.mean,
                "repeat_sd": level.repeat_sd,
            }
            for dial, levels in self.dials.items()
            for level in levels
            for stratum, found in level.dice.items()
        ]


def study_noise(
    cohort: Cohort,
    chosen: StudiedCases,
    labels: PseudoMaskSettings | None = None,
    settings: NoiseStudySettings | None = None,
    *,
    workers: int | None = None,
    cluster: str | None = None,
    on_bad: Literal["raise", "skip"] = "raise",
    progress: Progress = silent,
) -> NoiseStudy:
    """Turn one dial of noise at a time on the real readings, label, and compare with the true masks.

    A case draws equal random numbers at all levels of a dial, so curves are smooth for few cases. A swapped
    reading comes from another case of the study, drawn for each case and repeat.

    Args:
        cohort: The cohort; its cache keeps each case's result.
        chosen: The cases, from `choose_cases`.
        labels: The recipe of the pseudo-masks; None for the defaults.
        settings: Dials, levels, repeats; None for the defaults.
        workers: Processes; None for one a core.
        cluster: Address of a dask scheduler instead.
        on_bad: What a case that cannot be used does: stop, or be skipped and listed.
        progress: Receives progress in cases.

    Returns:
        The study.

    Raises:
        DataError: A case cannot be used and `on_bad` is "raise", none could be, or there is no other reading
            to swap with.
    """
    labels, settings = labels or PseudoMaskSettings(), settings or NoiseStudySettings()
    swaps = "annotator_swap" in settings.levels
    if swaps and len(chosen.cases) < 2:
        raise DataError(
            "annotator_swap needs at least two cases, found one",
            path=cohort.folder,
            remedy="leave that dial out, or study more cases",
        )
    what = repr(sorted(settings.levels.items()))
    found, failed = score_items(
        partial(_scored, labels=labels, settings=settings),
        _items(chosen.cases, settings, swaps),
        cohort,
        labels,
        kind=_KIND,
        version=_VERSION,
        parts=lambda item: (
            what,
            settings.repeats,
            settings.seed,
            item.case.id,
            *(np.array(one.to_rows()) for one in item.others),
        ),
        workers=workers,
        cluster=cluster,
        on_bad=on_bad,
        progress=progress,
    )
    if not found:
        raise DataError(f"none of {len(chosen.cases)} cases could be used", path=cohort.folder)
    dials = _dials([cohort.cases[id] for id in found], list(found.values()), settings)
    return NoiseStudy(
        cohort=cohort.name,
        dials=dials,
        borne={dial: _borne(levels, settings.tolerance_dice) for dial, levels in dials.items()},
        cases=len(found),
        left_out=chosen.left_out,
        failed=failed,
        simulated=chosen.simulated,
        per_case=tuple(_case_row(id, values, settings) for id, values in found.items()),
        settings=settings,
        labels=labels,
    )


def _stream(seed: int, id: str, repeat: int) -> np.random.Generator:
    return np.random.default_rng([seed, repeat, *id.encode()])


def _items(cases: tuple[Case, ...], settings: NoiseStudySettings, swaps: bool) -> list[StudyItem]:
    """Give each case the reading of another one for each repeat, where a dial needs it."""
    items = []
    for place, case in enumerate(cases):
        others: list[Fixations] = []
        for repeat in range(settings.repeats if swaps else 0):
            step = int(_stream(settings.seed, case.id, repeat).integers(1, len(cases)))
            others.append(cases[(place + step) % len(cases)].fixations or Fixations.empty())
        items.append(StudyItem(case, tuple(others)))
    return items


def _scored(item: StudyItem, *, labels: PseudoMaskSettings, settings: NoiseStudySettings) -> dict[str, Any]:
    """Score one case: ``dice[dial]`` is a list over levels of lists over repeats."""
    image, truth = image_and_truth(item.case)
    own = (item.case.fixations or Fixations.empty()).to_frame("image_unit")
    known = {repr(own.to_rows()): pseudo_mask_dice(image, truth, own, labels)}
    clean = known[repr(own.to_rows())]
    dices: dict[str, list[list[float]]] = {}
    for dial, levels in settings.levels.items():
        dices[dial] = [[] for _ in levels]
        for repeat in range(settings.repeats):
            other = item.others[repeat : repeat + 1]
            for place, level in enumerate(levels):
                noise = NoiseSettings.model_validate({dial: level})
                noisy = with_noise(own, noise, _stream(settings.seed, item.case.id, repeat), other)
                rows = repr(noisy.to_rows())
                if rows not in known:
                    known[rows] = pseudo_mask_dice(image, truth, noisy, labels)
                dices[dial][place].append(known[rows])
    return {"area_frac": float(truth.mean()), "clean": clean, "dice": dices}


def _dials(
    cases: list[Case], found: list[dict[str, Any]], settings: NoiseStudySettings
) -> dict[str, tuple[DialLevel, ...]]:
    strata = strata_of([row["area_frac"] for row in found], settings)
    clean = np.array([row["clean"] for row in found])

    def level_of(dial: str, level: float, table: NDArray[np.float64]) -> DialLevel:
        per_case = table.mean(axis=1)
        return DialLevel(
            dial=dial,
            level=level,
            dice={name: estimate(per_case, cases, settings, which) for name, which in strata.items()},
            loss=estimate(clean - per_case, cases, settings),
            repeat_sd=float(table.mean(axis=0).std(ddof=1)) if table.shape[1] > 1 else 0.0,
        )

    dials = {}
    for dial, levels in settings.levels.items():
        tables = [np.array([row["dice"][dial][place] for row in found]) for place in range(len(levels))]
        noisy = (level_of(dial, level, table) for level, table in zip(levels, tables, strict=True))
        dials[dial] = (level_of(dial, 0.0, clean[:, None]), *noisy)
    return dials


def _borne(levels: tuple[DialLevel, ...], tolerance: float) -> float | None:
    """Where the mean loss first crosses the tolerance, by linear interpolation."""
    before = levels[0]
    for level in levels[1:]:
        if level.loss.mean > tolerance:
            share = (tolerance - before.loss.mean) / (level.loss.mean - before.loss.mean)
            return before.level + share * (level.level - before.level)
        before = level
    return None


def _case_row(id: str, values: dict[str, Any], settings: NoiseStudySettings) -> dict[str, Any]:
    row: dict[str, Any] = {"id": id, "area_frac": values["area_frac"], "dice_clean": values["clean"]}
    for dial, levels in settings.levels.items():
        for level, repeats in zip(levels, values["dice"][dial], strict=True):
            row[f"dice_{dial}_{level:g}"] = float(np.mean(repeats))
    return row
