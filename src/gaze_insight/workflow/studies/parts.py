"""`study parts`: what each part is worth alone, and what vote, trust map and quality score are worth."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np

from gaze_insight.cohort.case import Case
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.errors import DataError
from gaze_insight.pseudomask.expected_dice import (
    Calibration,
    expected_dice,
    fit_calibration,
    shipped_calibration,
)
from gaze_insight.pseudomask.features import FEATURES
from gaze_insight.pseudomask.parts import PARTS, part_names
from gaze_insight.pseudomask.recipe import PseudoMaskSettings, provenance
from gaze_insight.types import BoolArray, Progress, silent
from gaze_insight.workflow.studies.parts_quality import (
    GainCurves,
    QualityValue,
    TrustValue,
    gain_curves,
    quality_value,
    trust_value,
)
from gaze_insight.workflow.studies.parts_recipes import (
    PartsSettings,
    Role,
    other_parts,
    reference_recipes,
    roles_of,
)
from gaze_insight.workflow.studies.parts_scoring import score_parts
from gaze_insight.workflow.studies.scoring import (
    Estimate,
    StudiedCases,
    StudyItem,
    estimate,
    score_items,
    strata_of,
)

__all__ = ["PartScores", "PartsStudy", "calibration_of", "study_parts"]

_KIND, _VERSION = "study-parts", 1
_METRICS = ("dice", "precision", "recall")


@dataclass(frozen=True)
class PartScores:
    """One way to label.

    Args:
        name: A part, "vote", or a reference recipe with its level.
        role: "voter" (a part of the vote), "alone" (another part), "vote" or "reference".
        dice: Size stratum to mean Dice, "all" first.
        precision: The same of precision.
        recall: The same of recall.
        difference: The same of the vote's Dice minus this one's, paired by image.
    """

    name: str
    role: Role
    dice: dict[str, Estimate]
    precision: dict[str, Estimate]
    recall: dict[str, Estimate]
    difference: dict[str, Estimate]


@dataclass(frozen=True)
class PartsStudy:
    """Parts, trust and quality of a cohort's labels.

    Args:
        cohort: The cohort's name.
        parts: One row a way to label; the vote after all parts, references last.
        trust: The trust map's worth.
        quality: The quality score's worth; None where the recipe has fewer than two parts.
        gain: What drawing masks by the look-again list brings; None likewise.
        unscored: Cases without an expected Dice, as for gaze beside the image.
        cases: Cases studied.
        seen_in_fit: Cases that the calibration may have been fitted on, by its source: where it names this
            cohort, those of the split that it names, else all but the test split's.
        left_out: Reason to count.
        failed: Id to message of the cases that were skipped.
        simulated: Studied cases with simulated gaze.
        per_case: One row a case: id, area, seconds, Dice of each part, expected Dice, features.
        settings: How it was done.
        labels: The recipe of the vote.
    """

    cohort: str
    parts: tuple[PartScores, ...]
    trust: TrustValue
    quality: QualityValue | None
    gain: GainCurves | None
    unscored: int
    cases: int
    seen_in_fit: int
    left_out: dict[str, int]
    failed: dict[str, str]
    simulated: int
    per_case: tuple[dict[str, Any], ...]
    settings: PartsSettings
    labels: PseudoMaskSettings

    def rows(self) -> list[dict[str, Any]]:
        """Return the numbers of the figures: one row a way to label and size stratum.

        Returns:
            Plain values.
        """
        rows = []
        for part in self.parts:
            for stratum, found in part.dice.items():
                row: dict[str, Any] = {"part": part.name, "role": part.role, "stratum": stratum, "n": found.n}
                for name in (*_METRICS, "difference"):
                    one: Estimate = getattr(part, name)[stratum]
                    row |= {name: one.mean, f"{name}_low": one.low, f"{name}_high": one.high}
                rows.append(row)
        return rows

    @property
    def vote(self) -> PartScores:
        """The row of the vote."""
        return next(part for part in self.parts if part.role == "vote")


def study_parts(
    cohort: Cohort,
    chosen: StudiedCases,
    labels: PseudoMaskSettings | None = None,
    settings: PartsSettings | None = None,
    *,
    calibration: Calibration | None = None,
    workers: int | None = None,
    cluster: str | None = None,
    on_bad: Literal["raise", "skip"] = "raise",
    progress: Progress = silent,
) -> PartsStudy:
    """Compare each registered part alone, the vote and the reference recipe with the true masks.

    All are compared at the true mask's own size, as `evaluate` does. Parts of the vote have the vote's
    settings, the others their defaults; all start from the vote's prior.

    Args:
        cohort: The cohort; its cache keeps each case's result.
        chosen: The cases, from `choose_cases`.
        labels: The recipe of the vote; None for the defaults.
        settings: What is compared; None for the defaults.
        calibration: How features become an expected Dice; None for the shipped one.
        workers: Processes; None for one a core.
        cluster: Address of a dask scheduler instead.
        on_bad: What a case that cannot be used does: stop, or be skipped and listed.
        progress: Receives progress in cases.

    Returns:
        The study.

    Raises:
        DataError: A case cannot be used and `on_bad` is "raise", or none could be.
    """
    labels, settings = labels or PseudoMaskSettings(), settings or PartsSettings()
    calibration = calibration or shipped_calibration()
    alone, references = other_parts(labels), reference_recipes(settings)
    recipe = json.dumps(
        [
            {name: [PARTS[part.kind].version, part.model_dump(mode="json")] for name, part in alone.items()},
            {name: [provenance(one), one.model_dump(mode="json")] for name, one in references.items()},
            settings.grey,
        ]
    )
    found, failed = score_items(
        partial(score_parts, labels=labels, alone=alone, references=references, grey=settings.grey),
        [StudyItem(case) for case in chosen.cases],
        cohort,
        labels,
        kind=_KIND,
        version=_VERSION,
        parts=lambda item: (recipe,),
        workers=workers,
        cluster=cluster,
        on_bad=on_bad,
        progress=progress,
    )
    if not found:
        raise DataError(f"none of {len(chosen.cases)} cases could be used", path=cohort.folder)
    cases, results = [cohort.cases[id] for id in found], list(found.values())
    quality, gain, rows = _quality(cases, results, labels, calibration, settings)
    return PartsStudy(
        cohort=cohort.name,
        parts=_part_scores(cases, results, roles_of(labels, alone, references), settings),
        trust=trust_value([one["trust"] for one in results], cases, settings),
        quality=quality,
        gain=gain,
        unscored=sum(not one["features"] for one in results),
        cases=len(found),
        seen_in_fit=_seen_in_fit(cohort, list(found), calibration.source),
        left_out=chosen.left_out,
        failed=failed,
        simulated=chosen.simulated,
        per_case=tuple(rows),
        settings=settings,
        labels=labels,
    )


def calibration_of(study: PartsStudy, cases: str = "", seed: int = 0) -> Calibration:
    """Fit a calibration of the expected Dice on the cases of a study.

    Args:
        study: A study whose recipe has at least two parts.
        cases: Which cases they are, such as "split train", for its source.
        seed: Seed of the folds.

    Returns:
        The calibration; its source says what it was fitted on.

    Raises:
        DataError: Fewer than 50 cases have features.
    """
    rows = [row for row in study.per_case if row["expected_dice"] is not None]
    gaze = {0: "recorded", study.cases: "simulated"}.get(study.simulated, "recorded and simulated")
    words = f" ({cases})" if cases else ""
    colour = "greyscale images" if study.settings.grey else "images"
    return fit_calibration(
        [{name: float(row[name]) for name in FEATURES} for row in rows],
        [float(row["dice_vote"]) for row in rows],
        seed=seed,
        source=f"{len(rows)} {colour} of {study.cohort}{words} with {gaze} gaze and true masks; parts "
        f"{', '.join(part_names(study.labels.parts))}; gaze-insight study parts --fit-calibration",
    )


def _seen_in_fit(cohort: Cohort, ids: list[str], source: str) -> int:
    if cohort.name not in source:
        return 0
    if "all splits" in source:
        return len(ids)
    for split, members in cohort.splits.items():
        if f"split {split}" in source or (split == "train" and "training images" in source):
            return len(set(ids) & set(members))
    return len(set(ids) - set(cohort.splits.get("test", ())))


def _part_scores(
    cases: list[Case],
    results: list[dict[str, Any]],
    roles: Mapping[str, Role],
    settings: PartsSettings,
) -> tuple[PartScores, ...]:
    strata = strata_of([row["area_frac"] for row in results], settings)

    def by_stratum(values: Any) -> dict[str, Estimate]:
        return {name: estimate(values, cases, settings, which) for name, which in strata.items()}

    table = {
        (name, metric): np.array([row["scores"][name][metric] for row in results])
        for name in roles
        for metric in _METRICS
    }
    return tuple(
        PartScores(
            name=name,
            role=role,
            dice=by_stratum(table[name, "dice"]),
            precision=by_stratum(table[name, "precision"]),
            recall=by_stratum(table[name, "recall"]),
            difference=by_stratum(table["vote", "dice"] - table[name, "dice"]),
        )
        for name, role in roles.items()
    )


def _quality(
    cases: list[Case],
    results: list[dict[str, Any]],
    labels: PseudoMaskSettings,
    calibration: Calibration,
    settings: PartsSettings,
) -> tuple[QualityValue | None, GainCurves | None, list[dict[str, Any]]]:
    """Score what has features; also the rows a case."""
    all_expected = [expected_dice(row["features"], calibration) for row in results]
    scored = [place for place, one in enumerate(all_expected) if one is not None]
    expected = [one for one in all_expected if one is not None]
    quality, gain, rank = None, None, dict[str, int]()
    if expected:
        known, of = [results[place] for place in scored], [cases[place] for place in scored]
        true = np.array([row["scores"]["vote"]["dice"] for row in known])
        features = [row["features"] for row in known]
        strata: dict[str, BoolArray] = strata_of([row["area_frac"] for row in known], settings)
        quality = quality_value(
            expected, true, features, of, strata, settings,
            left_out=settings.left_out, meant=calibration.coverage, source=calibration.source,
        )  # fmt: skip
        ids, hulls = [case.id for case in of], [one["log_hull"] for one in features]
        spans = [row["span_s"] for row in known]
        gain, listed = gain_curves(ids, expected, true, hulls, spans, settings.look_again)
        rank = {row.id: number for number, row in enumerate(listed, start=1)}
    rows = [
        {
            "id": case.id,
            "area_frac": row["area_frac"],
            "span_s": row["span_s"],
            **{f"dice_{name}": score["dice"] for name, score in row["scores"].items()},
            "precision_vote": row["scores"]["vote"]["precision"],
            "recall_vote": row["scores"]["vote"]["recall"],
            "trusted_share": row["trust"]["labelled"],
            "trusted_wrong_share": row["trust"]["labelled_wrong"],
            "expected_dice": None if one is None else one.mean,
            "expected_low": None if one is None else one.low,
            "expected_high": None if one is None else one.high,
            "look_again_rank": rank.get(case.id),
            **{name: row["features"].get(name) for name in FEATURES},
        }
        for case, row, one in zip(cases, results, all_expected, strict=True)
    ]
    return quality, gain, rows
