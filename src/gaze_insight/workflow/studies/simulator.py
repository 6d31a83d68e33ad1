"""`study simulator`: are simulated readings like the real ones, and do they make equal pseudo-masks?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from gaze_insight.cohort.cohort import Cohort
from gaze_insight.errors import DataError
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.gaze.reading_statistics import STATISTICS, reading_statistics
from gaze_insight.gaze.simulator import SimulatorSettings, simulate_fixations
from gaze_insight.gaze.two_sample import TwoSample, TwoSampleSettings, compare_readings
from gaze_insight.pseudomask.recipe import PseudoMaskSettings
from gaze_insight.types import BoolArray, Progress, silent
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

__all__ = ["DiceOfGaze", "SimulatorStudy", "SimulatorStudySettings", "simulated_reading", "study_simulator"]

_KIND, _VERSION = "study-simulator", 1
_Statistics = dict[str, NDArray[np.float64]]


class SimulatorStudySettings(StudySettings):
    """Which annotator is simulated, and how likeness is judged.

    Example:
        >>> SimulatorStudySettings().simulator == SimulatorSettings.kvasir()
        True
    """

    simulator: SimulatorSettings = Field(SimulatorSettings(), description="the simulated annotator")
    comparison: TwoSampleSettings = Field(TwoSampleSettings(), description="margins of likeness")
    repeats: int = Field(
        1, ge=1, description="simulated readings of each image whose Dice is averaged; the first is compared"
    )
    margin_dice: float = Field(
        0.02, gt=0, description="largest difference of mean Dice between real and simulated that is alike"
    )


@dataclass(frozen=True)
class DiceOfGaze:
    """Dice of pseudo-masks from real and from simulated gaze, for one size stratum.

    Args:
        real: From the real readings.
        simulated: From the simulated readings.
        difference: Simulated minus real, paired by image.
    """

    real: Estimate
    simulated: Estimate
    difference: Estimate


@dataclass(frozen=True, eq=False)
class SimulatorStudy:
    """Simulated against real readings of the same images.

    Args:
        cohort: The cohort's name.
        comparison: Statistic by statistic, and by a classifier.
        dice: Size stratum to the Dice of both kinds of gaze.
        real: Statistics of each real reading.
        simulated: Statistics of each simulated reading.
        cases: Cases studied.
        left_out: Reason to count.
        failed: Id to message of the cases that were skipped.
        marked_simulated: Studied cases whose "real" gaze is itself simulated.
        per_case: One row a case: id, area_frac, dice_real, dice_simulated.
        settings: How it was done.
        labels: The recipe of the pseudo-masks.
    """

    cohort: str
    comparison: TwoSample
    dice: dict[str, DiceOfGaze]
    real: tuple[_Statistics, ...]
    simulated: tuple[_Statistics, ...]
    cases: int
    left_out: dict[str, int]
    failed: dict[str, str]
    marked_simulated: int
    per_case: tuple[dict[str, Any], ...]
    settings: SimulatorStudySettings
    labels: PseudoMaskSettings

    def rows(self) -> list[dict[str, Any]]:
        """Return the comparison as a table: one row a statistic.

        Returns:
            Plain values.
        """
        return [{"unit": STATISTICS[one.name].unit, **asdict(one)} for one in self.comparison.comparisons]


def study_simulator(
    cohort: Cohort,
    chosen: StudiedCases,
    labels: PseudoMaskSettings | None = None,
    settings: SimulatorStudySettings | None = None,
    *,
    workers: int | None = None,
    cluster: str | None = None,
    on_bad: Literal["raise", "skip"] = "raise",
    progress: Progress = silent,
) -> SimulatorStudy:
    """Simulate a reading on the true mask of each image and compare it with the real one.

    Args:
        cohort: The cohort; its cache keeps each case's result.
        chosen: The cases, from `choose_cases`.
        labels: The recipe of the pseudo-masks; None for the defaults.
        settings: The simulator and the margins; None for the defaults.
        workers: Processes; None for one a core.
        cluster: Address of a dask scheduler instead.
        on_bad: What a case that cannot be used does: stop, or be skipped and listed.
        progress: Receives progress in cases.

    Returns:
        The study.

    Raises:
        DataError: A case cannot be used and `on_bad` is "raise", or too few could be.
    """
    labels, settings = labels or PseudoMaskSettings(), settings or SimulatorStudySettings()
    found, failed = score_items(
        partial(_scored, labels=labels, settings=settings),
        [StudyItem(case) for case in chosen.cases],
        cohort,
        labels,
        kind=_KIND,
        version=_VERSION,
        parts=lambda item: (settings.simulator, settings.repeats, settings.seed, item.case.id),
        workers=workers,
        cluster=cluster,
        on_bad=on_bad,
        progress=progress,
    )
    if not found:
        raise DataError(f"none of {len(chosen.cases)} cases could be used", path=cohort.folder)
    real, simulated = (
        tuple({name: np.asarray(values) for name, values in row[side].items()} for row in found.values())
        for side in ("real", "simulated")
    )
    comparison = compare_readings(real, simulated, settings.comparison, paired=True)
    return SimulatorStudy(
        cohort=cohort.name,
        comparison=comparison,
        dice=_dice(cohort, found, settings),
        real=real,
        simulated=simulated,
        cases=len(found),
        left_out=chosen.left_out,
        failed=failed,
        marked_simulated=chosen.simulated,
        per_case=tuple(
            {
                "id": id,
                "area_frac": row["area_frac"],
                "dice_real": row["dice_real"],
                "dice_simulated": float(np.mean(row["dice_simulated"])),
            }
            for id, row in found.items()
        ),
        settings=settings,
        labels=labels,
    )


def simulated_reading(
    id: str, truth: BoolArray, settings: SimulatorStudySettings, repeat: int = 0
) -> Fixations:
    """Simulate the reading of an image that the study compares with the real one.

    Args:
        id: The case.
        truth: Its true mask, (H, W) bool.
        settings: The study's.
        repeat: Which of the simulated readings, from 0.

    Returns:
        The reading; the same for equal arguments.

    Raises:
        DataError: The mask is not a non-empty 2-D array.

    Example:
        >>> len(simulated_reading("a", np.ones((8, 8), bool), SimulatorStudySettings())) >= 5
        True
    """
    rng = np.random.default_rng([settings.seed, repeat, *id.encode()])
    return simulate_fixations(truth, settings.simulator, rng)


def _scored(
    item: StudyItem, *, labels: PseudoMaskSettings, settings: SimulatorStudySettings
) -> dict[str, Any]:
    image, truth = image_and_truth(item.case)
    real = item.case.fixations or Fixations.empty()
    simulated = [
        simulated_reading(item.case.id, truth, settings, repeat) for repeat in range(settings.repeats)
    ]
    return {
        "area_frac": float(truth.mean()),
        "real": _plain(reading_statistics(real, truth)),
        "simulated": _plain(reading_statistics(simulated[0], truth)),
        "dice_real": pseudo_mask_dice(image, truth, real, labels),
        "dice_simulated": [pseudo_mask_dice(image, truth, one, labels) for one in simulated],
    }


def _plain(statistics: _Statistics) -> dict[str, list[float]]:
    return {name: values.tolist() for name, values in statistics.items()}


def _dice(
    cohort: Cohort, found: dict[str, dict[str, Any]], settings: SimulatorStudySettings
) -> dict[str, DiceOfGaze]:
    cases = [cohort.cases[id] for id in found]
    rows: Sequence[dict[str, Any]] = list(found.values())
    real = np.array([row["dice_real"] for row in rows])
    simulated = np.array([np.mean(row["dice_simulated"]) for row in rows])
    return {
        name: DiceOfGaze(
            *(estimate(values, cases, settings, which) for values in (real, simulated, simulated - real))
        )
        for name, which in strata_of([row["area_frac"] for row in rows], settings).items()
    }
