"""`study assisted`: what gaze at the reading adds to a network, and what poor gaze costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from pydantic import Field, field_validator

from gaze_insight.cohort.case import Case
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.config.run_folder import RunFolder
from gaze_insight.gaze.noise import NoiseSettings
from gaze_insight.pseudomask.fusion import FusionCalibration
from gaze_insight.pseudomask.fusion_fit import FusionFitSettings, FusionRow, fit_fusion
from gaze_insight.types import BoolArray, FloatArray, Progress, Split, silent
from gaze_insight.workflow.assisting import fusion_of
from gaze_insight.workflow.labelling import label, load_pseudo_mask
from gaze_insight.workflow.studies.assisted_network import UnseenCases, predict_unseen, unseen_cases
from gaze_insight.workflow.studies.assisted_scoring import (
    Reading,
    fit_rows,
    made_worse,
    score_readings,
    truth_of,
)
from gaze_insight.workflow.studies.scoring import Estimate, StudiedCases, StudySettings, estimate

__all__ = [
    "ASSISTED_DIALS",
    "AssistedLevel",
    "AssistedStudy",
    "AssistedStudySettings",
    "readings_of",
    "study_assisted",
]

ASSISTED_DIALS: Mapping[str, tuple[float, ...]] = MappingProxyType(
    {
        "offset_frac": (0.02, 0.05, 0.1, 0.2),
        "jitter_sd_frac": (0.02, 0.05, 0.1),
        "dropout": (0.5, 0.8, 1.0),
        "extra": (0.25, 1.0),
        "annotator_swap": (0.1, 1.0),
    }
)
"""Dials of `NoiseSettings` and the levels tried by default; a dropout of 1 leaves no gaze at all."""


class AssistedStudySettings(StudySettings):
    """Which dials are turned, and how far.

    Example:
        >>> AssistedStudySettings(levels={"dropout": (0.5,)}).seed
        0
    """

    levels: dict[str, tuple[float, ...]] = Field(
        default_factory=lambda: dict(ASSISTED_DIALS), description="dial to the levels tried, above 0"
    )
    tolerance_dice: float = Field(
        0.005, ge=0, description="loss against the image alone up to which poor gaze is called harmless"
    )
    fit: FusionFitSettings = FusionFitSettings()

    @field_validator("levels")
    @classmethod
    def _usable(cls, levels: dict[str, tuple[float, ...]]) -> dict[str, tuple[float, ...]]:
        for dial, values in levels.items():
            if dial not in ASSISTED_DIALS:
                raise ValueError(f"unknown dial {dial!r}; known: {', '.join(ASSISTED_DIALS)}")
            if not values or list(values) != sorted(set(values)) or values[0] <= 0:
                raise ValueError(f"the levels of {dial} must be above 0 and rise, found {values}")
            for value in values:
                NoiseSettings.model_validate({dial: value})
        return levels


@dataclass(frozen=True)
class AssistedLevel:
    """Mean Dice with one kind of gaze; each of the cases counts once.

    Args:
        dial: The dial; empty for gaze as it was recorded.
        level: Its level.
        image: The image alone.
        gaze: The gaze vote alone.
        single: Image and gaze, each image for itself.
        assisted: Image and gaze, with what the recording's other images tell.
        gain: ``assisted - image``, paired by case.
        gain_single: ``single - image``, paired by case.
        share: Mean share of gaze in `assisted`.
    """

    dial: str
    level: float
    image: Estimate
    gaze: Estimate
    single: Estimate
    assisted: Estimate
    gain: Estimate
    gain_single: Estimate
    share: float


@dataclass(frozen=True)
class AssistedStudy:
    """What was found.

    Args:
        run: The run's folder.
        cohort: The cohort's name.
        split: The split, or "all".
        levels: As recorded first, then each dial and level.
        worst: The level whose gain is smallest.
        cases: Cases studied.
        out_of_fold: How many of them were predicted by a fold's network.
        left_out: Reason to count.
        simulated: Studied cases with simulated gaze.
        per_case: One row a case and kind of gaze.
        fusion: What was used.
        fitted: The fusion that was fitted on these cases; None where that was not asked for.
        settings: How it was done.
    """

    run: str
    cohort: str
    split: str
    levels: tuple[AssistedLevel, ...]
    worst: AssistedLevel
    cases: int
    out_of_fold: int
    left_out: dict[str, int]
    simulated: int
    per_case: tuple[dict[str, Any], ...]
    fusion: FusionCalibration
    fitted: FusionCalibration | None
    settings: AssistedStudySettings

    def rows(self) -> list[dict[str, Any]]:
        """Return the numbers of the figures: one row a dial and level."""
        names = ("image", "gaze", "single", "assisted", "gain", "gain_single")
        return [
            {"dial": one.dial or "recorded", "level": one.level, "share": one.share}
            | {
                f"{name}{ending}": getattr(getattr(one, name), part)
                for name in names
                for ending, part in (("", "mean"), ("_low", "low"), ("_high", "high"))
            }
            for one in self.levels
        ]


def study_assisted(
    run: Path,
    cohort: Cohort,
    chosen: StudiedCases,
    settings: AssistedStudySettings | None = None,
    *,
    split: Split | None = "test",
    fusion: FusionCalibration | None = None,
    fit: bool = False,
    device: str = "auto",
    workers: int | None = None,
    cluster: str | None = None,
    progress: Progress = silent,
) -> AssistedStudy:
    """Predict cases from the image alone, from gaze alone and from both, with gaze as recorded and worse.

    All readings of the study are made worse alike, so that a recording is as bad as its readings. A reading
    of another image comes from another case of the study. Labels of worse readings are kept in the cohort's
    cache, so an interrupted study goes on from there.

    Args:
        run: The finished run.
        cohort: The cohort of the cases.
        chosen: The cases, with gaze and true masks.
        settings: Dials and levels; None for the defaults.
        split: The split they are of, for the record; None for all.
        fusion: When to believe which; None for the run's own or the shipped one.
        fit: Fit a fusion on these cases too; the study's numbers are of the one that was used.
        device: Where to compute.
        workers: Processes that label; None for one a core.
        cluster: Address of a dask scheduler instead.
        progress: Receives progress in cases.

    Returns:
        The study.

    Raises:
        DataError: The network learned from all cases, or there are too few to swap readings or to fit.
    """
    settings, used = settings or AssistedStudySettings(), fusion or fusion_of(run)
    config, unseen = RunFolder(run).config(), unseen_cases(run, cohort, chosen.cases)
    network: dict[str, FloatArray] = {}
    truth: dict[str, BoolArray] = {}
    for case, prob in predict_unseen(unseen, cohort, device=device, progress=progress):
        network[case.id], truth[case.id] = prob, truth_of(case)
    cases = [case for case in chosen.cases if case.id in network]
    table: list[dict[str, Any]] = []
    rows: list[FusionRow] = []
    levels = []
    for reading in readings_of(settings):
        worse = made_worse(cases, reading, settings.seed)
        label(cohort, config.labels, cases=worse, workers=workers, cluster=cluster, progress=progress)
        votes = {case.id: load_pseudo_mask(cohort, case, config.labels) for case in worse}
        found = list(score_readings(worse, reading, network, truth, votes, used, config))
        levels.append(_level(found, cases, reading, settings))
        table += found
        if fit:
            rows += fit_rows(worse, reading, network, truth, votes)
    fitted = None
    if fit:
        source = f"{cohort.name}, {split or 'all splits'}: {len(cases)} images, run {run.name}"
        fitted = fit_fusion(rows, settings.fit, source=source)
    return AssistedStudy(
        run=str(run),
        cohort=cohort.name,
        split=split or "all",
        levels=tuple(levels),
        worst=min(levels, key=lambda one: one.gain.mean),
        cases=len(cases),
        out_of_fold=unseen.out_of_fold,
        left_out=_left_out(chosen, unseen),
        simulated=sum(case.meta.get("gaze") == "simulated" for case in cases),
        per_case=tuple(table),
        fusion=used,
        fitted=fitted,
        settings=settings,
    )


def readings_of(settings: AssistedStudySettings) -> list[Reading]:
    """List the kinds of gaze that are tried, gaze as recorded first.

    Args:
        settings: The study's.

    Example:
        >>> [one.name for one in readings_of(AssistedStudySettings(levels={"dropout": (0.5, 1.0)}))]
        ['recorded', 'dropout 0.5', 'dropout 1']
    """
    return [Reading(), *(Reading(dial, level) for dial, some in settings.levels.items() for level in some)]


def _left_out(chosen: StudiedCases, unseen: UnseenCases) -> dict[str, int]:
    learned = {"learned from by the network": len(unseen.left_out)} if unseen.left_out else {}
    return {**chosen.left_out, **learned}


def _level(
    found: Sequence[Mapping[str, Any]],
    cases: Sequence[Case],
    reading: Reading,
    settings: AssistedStudySettings,
) -> AssistedLevel:
    columns: dict[Literal["image", "gaze", "single", "assisted"], Any] = {
        name: np.array([row[name] for row in found]) for name in ("image", "gaze", "single", "assisted")
    }
    means = {name: estimate(values, cases, settings) for name, values in columns.items()}
    return AssistedLevel(
        dial=reading.dial,
        level=reading.level,
        **means,
        gain=estimate(columns["assisted"] - columns["image"], cases, settings),
        gain_single=estimate(columns["single"] - columns["image"], cases, settings),
        share=float(np.mean([row["share"] for row in found])),
    )
