"""`study words`: what changed words move in a trained teacher, and where it asks for each field."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from pydantic import Field, field_validator

from gaze_insight.cohort.case import Case
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.config.run_config import RunConfig
from gaze_insight.config.run_folder import RunFolder
from gaze_insight.errors import DataError
from gaze_insight.evaluation.word_effects import WordEffect, word_effect
from gaze_insight.inference.word_effects import AREA
from gaze_insight.language.schema import VOCABULARY, Description
from gaze_insight.language.shuffling import words_of_others
from gaze_insight.types import BoolArray, Progress, Size, Split, silent
from gaze_insight.workflow.describing import describe
from gaze_insight.workflow.loading import load_predictor
from gaze_insight.workflow.noisy_gaze import with_noisy_gaze
from gaze_insight.workflow.studies.scoring import Estimate, StudySettings, estimate
from gaze_insight.workflow.word_effects import AskedCase, ask_cases

__all__ = [
    "MEASURES",
    "AttentionReading",
    "FieldEffect",
    "WordStudy",
    "WordStudySettings",
    "study_words",
]

MEASURES: tuple[str, ...] = tuple(one.name for one in fields(WordEffect))
"""What is measured of each change: the names of `WordEffect`."""

_ORDER = (*VOCABULARY, AREA)
_Rows = Sequence[Mapping[str, Any]]


class WordStudySettings(StudySettings):
    """How the words are changed.

    Example:
        >>> WordStudySettings().area_factors
        (0.5, 2.0)
    """

    area_factors: tuple[float, ...] = Field(
        (0.5, 2.0), description="what the described area is multiplied by, each above 0 and not 1"
    )
    flips: bool = Field(True, description="ask as the run is evaluated; false: no mirror images, faster")

    @field_validator("area_factors")
    @classmethod
    def _usable(cls, factors: tuple[float, ...]) -> tuple[float, ...]:
        if any(factor <= 0 or factor == 1 for factor in factors) or len(set(factors)) < len(factors):
            raise ValueError(f"area_factors must be above 0, not 1, and differ, found {factors}")
        return factors


@dataclass(frozen=True)
class FieldEffect:
    """Means over cases of what changing a field does; each case counts once, its changes averaged.

    Args:
        field: The field, or a control.
        value: The new word, where only that is meant; empty for all of the field's.
        measures: Name of a measure (see `WordEffect`) to its estimate; `n` is 0 where it was not measured.
    """

    field: str
    value: str
    measures: Mapping[str, Estimate]


@dataclass(frozen=True)
class AttentionReading:
    """How much a field is asked, as a multiple of indifference.

    Args:
        field: The field.
        stage: 1 for the finest fused map; 0 for the mean over all.
        lesion: Mean over the places that the teacher calls lesion.
        elsewhere: Mean over the others.
    """

    field: str
    stage: int
    lesion: Estimate
    elsewhere: Estimate


@dataclass(frozen=True)
class WordStudy:
    """What was found.

    Args:
        run: The run's folder.
        cohort: The cohort's name.
        split: The split, or "all".
        head: The head that reads the words.
        describer: Who described.
        fields: An effect a field, then the controls.
        words: An effect a field and new word.
        attention: Readings by field and stage; the mean over stages first.
        cases: Cases studied.
        scored: How many of them have a true mask.
        left_out: Reason to count.
        simulated: Studied cases with simulated gaze.
        area: Mean probability with the words as they are, in [0, 1].
        per_case: One row a case and change.
        settings: How it was done.
    """

    run: str
    cohort: str
    split: str
    head: str
    describer: str
    fields: tuple[FieldEffect, ...]
    words: tuple[FieldEffect, ...]
    attention: tuple[AttentionReading, ...]
    cases: int
    scored: int
    left_out: dict[str, int]
    simulated: int
    area: Estimate
    per_case: tuple[dict[str, Any], ...]
    settings: WordStudySettings

    def effect(self, field: str, value: str = "") -> FieldEffect | None:
        """Find the effect of a field or of one of its words.

        Args:
            field: The field or control.
            value: The new word; empty for all of the field's.

        Returns:
            The effect; None where nothing of the kind was tried.
        """
        among = self.words if value else self.fields
        return next((one for one in among if (one.field, one.value) == (field, value)), None)

    def rows(self) -> list[dict[str, Any]]:
        """Return the numbers of the tables: one row a field, control, and field with its new word."""
        return [
            {"field": one.field, "value": one.value}
            | {
                f"{name}{ending}": getattr(one.measures[name], part)
                for name in MEASURES
                for ending, part in (("", "mean"), ("_low", "low"), ("_high", "high"), ("_n", "n"))
            }
            for one in (*self.fields, *self.words)
        ]


def study_words(
    run: str | Path,
    cohort: Cohort | None = None,
    settings: WordStudySettings | None = None,
    *,
    split: Split | None = "test",
    count: int | None = None,
    device: str = "auto",
    workers: int | None = None,
    progress: Progress = silent,
) -> WordStudy:
    """Change one field of each case's words at a time, and measure what moves in the teacher.

    Args:
        run: The finished run; its method must read words.
        cohort: Another cohort; None for the run's own.
        settings: How the words are changed; None for the defaults.
        split: Which cases; None for all.
        count: Cases drawn at random; None for all.
        device: Where to compute.
        workers: Processes that make missing pseudo-masks; None for one a core.
        progress: Receives progress in cases.

    Returns:
        The study.

    Raises:
        DataError: The run is not finished, or no case has words in which something is visible.
        SettingsError: The run's method reads no words.
    """
    settings, config = settings or WordStudySettings(), RunFolder(Path(run)).config()
    predictor = load_predictor(run, device=device, flips=None if settings.flips else False)
    opened = Cohort.open(RunFolder(Path(run)).plan()["cohort_folder"]) if cohort is None else cohort
    opened = with_noisy_gaze(opened, config.gaze_noise, config.seed).cohort
    cases, described, left_out = _described(opened, config, split, count, settings, workers, progress)
    partner = words_of_others([case.id for case in cases], settings.seed)
    others = {id: described[other] for id, other in partner.items()}
    table: list[dict[str, Any]] = []
    readings: list[dict[tuple[str, int], tuple[float, float]]] = []
    areas: list[float] = []
    head = ""
    for done, asked in enumerate(
        ask_cases(predictor, opened, config, described, others=others, area_factors=settings.area_factors),
        start=1,
    ):
        table += _measured(asked, config.prediction.threshold)
        readings.append(_attended(asked, config.prediction.threshold))
        areas.append(float(asked.before.mean()))
        head = asked.head
        progress("changing words", done, len(cases))
    return WordStudy(
        run=str(run),
        cohort=opened.name,
        split=split or "all",
        head=head,
        describer=config.language.describer_name,
        fields=_effects(table, cases, settings, by_word=False),
        words=_effects(table, cases, settings, by_word=True),
        attention=_attention(readings, cases, settings),
        cases=len(cases),
        scored=sum(case.mask_path is not None for case in cases),
        left_out=left_out,
        simulated=sum(case.meta.get("gaze") == "simulated" for case in cases),
        area=estimate(areas, cases, settings),
        per_case=tuple(table),
        settings=settings,
    )


def _described(
    cohort: Cohort,
    config: RunConfig,
    split: Split | None,
    count: int | None,
    settings: WordStudySettings,
    workers: int | None,
    progress: Progress,
) -> tuple[list[Case], dict[str, Description], dict[str, int]]:
    wanted = list(cohort.cases.values()) if split is None else cohort.subset(split)
    found = describe(cohort, config.language, config.labels, cases=wanted, workers=workers, progress=progress)
    usable = [case for case in wanted if case.id in found and found[case.id].visible]
    if not usable:
        raise DataError(
            f"expected cases whose words name a visible lesion, found none among {len(wanted)} cases of "
            f"{'all splits' if split is None else f'split {split!r}'} of cohort {cohort.name!r}",
            path=cohort.folder,
            remedy="describe the cases, or choose another split",
        )
    chosen = usable
    if count is not None and count < len(usable):
        drawn = np.random.default_rng(settings.seed).choice(len(usable), size=count, replace=False)
        chosen = [usable[index] for index in np.sort(drawn)]
    absent = sum(case.id not in found for case in wanted)
    left_out = {
        "without words": absent,
        "nothing visible in the words": len(wanted) - absent - len(usable),
        "not drawn": len(usable) - len(chosen),
    }
    described = {case.id: found[case.id] for case in chosen}
    return chosen, described, {why: n for why, n in left_out.items() if n}


def _measured(asked: AskedCase, threshold: float) -> list[dict[str, Any]]:
    truth = _truth(asked.case, Size(*asked.before.shape))
    table = []
    for change, after in zip(asked.changes, asked.after, strict=True):
        place = change.value if change.field == "location" else None
        found = word_effect(asked.before, after, threshold=threshold, place=place, truth=truth)
        own = getattr(asked.description, change.field, "")
        table.append(
            {"id": asked.case.id, "field": change.field, "from": own, "to": change.value} | asdict(found)
        )
    return table


def _truth(case: Case, size: Size) -> BoolArray | None:
    truth = case.read_mask()
    if truth is None:
        return None
    shares = cv2.resize(truth.astype(np.float32), (size.width, size.height), interpolation=cv2.INTER_AREA)
    return np.asarray(shares > 0.5)


def _attended(asked: AskedCase, threshold: float) -> dict[tuple[str, int], tuple[float, float]]:
    """Mean attention on what is called lesion and elsewhere; stage 0 is the mean over stages."""
    lesion = asked.before > threshold
    found = {}
    for name, maps in asked.attention.items():
        for stage, one in enumerate([maps.mean(axis=0), *maps]):
            sides = [float(one[side].mean()) if side.any() else math.nan for side in (lesion, ~lesion)]
            found[name, stage] = (sides[0], sides[1])
    return found


def _effects(
    table: _Rows, cases: Sequence[Case], settings: WordStudySettings, *, by_word: bool
) -> tuple[FieldEffect, ...]:
    grouped: dict[tuple[str, str], dict[str, list[Mapping[str, Any]]]] = {}
    for row in table:
        if not by_word or row["to"]:
            group = grouped.setdefault((row["field"], row["to"] if by_word else ""), {})
            group.setdefault(row["id"], []).append(row)
    return tuple(
        FieldEffect(
            field,
            value,
            {name: _estimate_of(group, name, cases, settings) for name in MEASURES},
        )
        for (field, value), group in sorted(grouped.items(), key=lambda one: _place(*one[0]))
    )


def _place(field: str, value: str) -> tuple[int, int]:
    """Fields in the order of a description, their words in that of the vocabulary, then the controls."""
    words = VOCABULARY.get(field, ())
    place = _ORDER.index(field) if field in _ORDER else len(_ORDER)
    return place, words.index(value) if value in words else 0


def _estimate_of(
    group: Mapping[str, _Rows], name: str, cases: Sequence[Case], settings: WordStudySettings
) -> Estimate:
    """Average a case's changes first, so that each case counts once; what was not measured is left out."""
    values = np.full(len(cases), np.nan)
    for place, case in enumerate(cases):
        known = [row[name] for row in group.get(case.id, ()) if not math.isnan(row[name])]
        if known:
            values[place] = np.mean(known)
    return estimate(values, cases, settings, np.isfinite(values))


def _attention(
    readings: Sequence[Mapping[tuple[str, int], tuple[float, float]]],
    cases: Sequence[Case],
    settings: WordStudySettings,
) -> tuple[AttentionReading, ...]:
    names = dict.fromkeys(name for reading in readings for name in reading)
    found = []
    for field, stage in sorted(names, key=lambda one: (one[1] > 0, list(names).index(one))):
        sides = np.array([reading.get((field, stage), (math.nan, math.nan)) for reading in readings])
        lesion, elsewhere = (
            estimate(side, cases, settings, np.isfinite(side)) for side in (sides[:, 0], sides[:, 1])
        )
        found.append(AttentionReading(field, stage, lesion, elsewhere))
    return tuple(found)
