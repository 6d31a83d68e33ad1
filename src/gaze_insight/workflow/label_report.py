"""What `label` tells of its labels: a table, a page, and plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np

from gaze_insight import __version__
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.errors import DataError
from gaze_insight.insight.label_pictures import LabelledPicture, part_tiles, thumbnail_tiles
from gaze_insight.insight.labels_page import LabelsContent, LookAgainRow, ShownLabel, write_labels
from gaze_insight.insight.panels import Tile
from gaze_insight.insight.rendering import as_yaml
from gaze_insight.pseudomask.expected_dice import Calibration, shipped_calibration
from gaze_insight.pseudomask.features import FEATURES
from gaze_insight.pseudomask.recipe import PseudoMaskSettings, provenance
from gaze_insight.workflow.label_quality import LabelQuality, ScoredLabel, has_one_opinion
from gaze_insight.workflow.labelling import LabelReport, load_pseudo_mask
from gaze_insight.workflow.studies.output import write_rows

__all__ = ["label_notes", "label_record", "label_rows", "write_label_page", "write_label_table"]

_Rank = Literal["worst", "median", "best", "drawn"]


def label_rows(quality: LabelQuality) -> list[dict[str, Any]]:
    """Turn scores into rows, one a labelled case.

    Args:
        quality: The scores.

    Returns:
        Plain values: id, expected Dice with its interval, area, trusted share, seconds of the reading, place
        on the look-again list with action, gain and seconds, and each feature; None where not known.

    Example:
        >>> label_rows(LabelQuality())
        []
    """
    listed = {row.id: (place, row) for place, row in enumerate(quality.look_again, start=1)}
    rows = []
    for label in quality.labels:
        mean, low, high = label.expected or (None, None, None)
        row: dict[str, Any] = {
            "id": label.id,
            "expected_dice": mean,
            "expected_low": low,
            "expected_high": high,
            "area_frac": label.area_frac,
            "trusted_share": label.trusted_share,
            "seconds": label.seconds,
        }
        place, again = listed.get(label.id, (None, None))
        row |= {
            "look_again_rank": place,
            "look_again_action": None if again is None else again.action,
            "look_again_gain": None if again is None else again.gain,
            "look_again_seconds": None if again is None else again.seconds,
        }
        rows.append(row | {name: label.features.get(name) for name in FEATURES})
    return rows


def write_label_table(quality: LabelQuality, path: Path) -> None:
    """Write the scores as CSV, one row a labelled case.

    Args:
        quality: The scores.
        path: The file; replaced in one step.

    Raises:
        DataError: The file cannot be written.
    """
    write_rows(path, label_rows(quality))


def label_notes(
    cohort: Cohort,
    done: LabelReport,
    quality: LabelQuality,
    settings: PseudoMaskSettings,
    calibration: Calibration | None = None,
) -> dict[str, list[str]]:
    """Say what a reader must know before believing the scores.

    Args:
        cohort: The cohort.
        done: What labelling did.
        quality: The scores.
        settings: The recipe.
        calibration: How features became an expected Dice; None for the shipped one.

    Returns:
        Sentence to the cases that it is about, perhaps none.
    """
    notes: dict[str, list[str]] = {}
    if done.without_gaze:
        notes[f"Without gaze, and so without label: {len(done.without_gaze):,}."] = done.without_gaze
    unscored = [row.id for row in quality.labels if row.expected is None]
    if quality.labels and has_one_opinion(settings):
        notes[
            "The recipe has one part only: nothing agrees or disagrees with it, so there are no scores."
        ] = []
    elif unscored:
        words = f"Without an expected Dice, as no gaze lies on the image: {len(unscored):,}."
        notes[words] = unscored
    elsewhere = _calibrated_elsewhere(cohort, settings)
    if calibration is None and elsewhere and len(unscored) < len(quality.labels):
        notes[elsewhere] = []
    simulated = [id for id, case in cohort.cases.items() if case.meta.get("gaze") == "simulated"]
    if simulated:
        notes[f"With gaze that is simulated from the masks: {len(simulated):,}."] = simulated
    return notes


def _calibrated_elsewhere(cohort: Cohort, settings: PseudoMaskSettings) -> str | None:
    """Say so where the shipped calibration was fitted on other parts or on other images."""
    advice = (
        "read it as an order, not as a level, or fit a calibration on cases with masks (study parts "
        "--fit-calibration)."
    )
    default = PseudoMaskSettings()
    if (settings.parts, settings.prior) != (default.parts, default.prior):
        return f"The expected Dice was calibrated for the default parts, and the recipe has others: {advice}"
    source = shipped_calibration().source
    if cohort.name.lower() not in source.lower():
        return f"The expected Dice was calibrated on {source.partition(';')[0]}, not on this cohort: {advice}"
    return None


def label_record(
    cohort: Cohort,
    done: LabelReport,
    quality: LabelQuality,
    settings: PseudoMaskSettings,
    calibration: Calibration | None = None,
) -> dict[str, Any]:
    """Turn all that `label` found into plain values.

    Args:
        cohort: The cohort.
        done: What labelling did.
        quality: The scores.
        settings: The recipe.
        calibration: How features became an expected Dice; None for the shipped one.

    Returns:
        Counts, means, notes, the look-again list and what the parts were made by.
    """
    used = calibration or shipped_calibration()
    return {
        "cohort": cohort.name,
        "made": done.made,
        "cached": done.cached,
        "seconds": done.seconds,
        "without_gaze": done.without_gaze,
        "failed": done.failed,
        "labelled": len(quality.labels),
        "expected_dice": quality.expected_mean,
        "expected_cases": len(_expected(quality)),
        "calibration": {"source": used.source, "cases": used.cases, "coverage": used.coverage},
        "trusted_share": _mean([row.trusted_share for row in quality.labels]),
        "notes": list(label_notes(cohort, done, quality, settings, calibration)),
        "look_again": [
            {"id": row.id, "action": row.action, "gain": row.gain, "seconds": row.seconds}
            for row in quality.look_again
        ],
        "parts": provenance(settings),
    }


def write_label_page(
    cohort: Cohort,
    done: LabelReport,
    quality: LabelQuality,
    settings: PseudoMaskSettings,
    path: Path,
    *,
    calibration: Calibration | None = None,
    listed: int = 15,
    pictures: int = 3,
    command: str = "",
) -> None:
    """Write the page about the labels of a cohort.

    Args:
        cohort: The cohort.
        done: What labelling did.
        quality: The scores.
        settings: The recipe.
        path: The HTML file; replaced in one step.
        calibration: How features became an expected Dice; None for the shipped one.
        listed: Rows of the look-again list that are shown, with thumbnails.
        pictures: Cases shown with each part's picture, from the lowest to the highest expected Dice.
        command: The command that repeats it.

    Raises:
        DataError: The file cannot be written.
    """
    notes: dict[str, Sequence[str]] = dict(label_notes(cohort, done, quality, settings, calibration))
    if done.failed:
        reasons = [f"{id}: {message}" for id, message in done.failed.items()]
        notes[f"Could not be labelled: {len(reasons):,}."] = reasons
    unread: list[str] = []

    def tiles(id: str, small: bool) -> list[Tile]:
        try:
            return (thumbnail_tiles if small else part_tiles)(_picture(cohort, id, settings, not small))
        except DataError as error:
            unread.append(f"{id}: {error}")
            return []

    rows = [LookAgainRow(row, tiles(row.id, small=True)) for row in quality.look_again[:listed]]
    cases = [
        ShownLabel(row.id, rank, row.expected, tiles(row.id, small=False))
        for rank, row in _shown(quality, pictures)
    ]
    if unread:
        notes["Some pictures cannot be shown."] = unread
    expected = _expected(quality)
    write_labels(
        LabelsContent(
            name=cohort.name,
            labels=len(quality.labels),
            expected=expected,
            trusted_share=_mean([row.trusted_share for row in quality.labels]),
            area_frac=_mean([row.area_frac for row in quality.labels]),
            seconds=sum(row.seconds for row in quality.labels),
            look_again=rows,
            listed=len(quality.look_again),
            cases=cases,
            parts=provenance(settings),
            recipe=as_yaml(settings.model_dump(mode="json")),
            calibration=(calibration or shipped_calibration()) if expected else None,
            notes=notes,
            command=command,
            created=datetime.now(UTC).strftime("%Y-%m-%d"),
            version=__version__,
        ),
        path,
    )


def _expected(quality: LabelQuality) -> list[float]:
    return [row.expected.mean for row in quality.labels if row.expected is not None]


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None


def _shown(quality: LabelQuality, count: int) -> list[tuple[_Rank, ScoredLabel]]:
    """Choose cases evenly by expected Dice, the worst first; by their order where none has one."""
    scored = [(row.expected.mean, row) for row in quality.labels if row.expected is not None]
    ordered = [row for _, row in sorted(scored, key=lambda pair: (pair[0], pair[1].id))]
    chosen = ordered or quality.labels
    places = sorted(
        set(np.linspace(0, len(chosen) - 1, min(count, len(chosen))).round().astype(int).tolist())
    )
    ranks: Mapping[int, _Rank] = {0: "worst", len(chosen) // 2: "median", len(chosen) - 1: "best"}
    middle = len(places) // 2
    found: list[tuple[_Rank, ScoredLabel]] = []
    for number, place in enumerate(places):
        rank: _Rank = ranks.get(place, "median" if number == middle else "drawn") if ordered else "drawn"
        found.append((rank, chosen[place]))
    return found


def _picture(cohort: Cohort, id: str, settings: PseudoMaskSettings, with_truth: bool) -> LabelledPicture:
    case = cohort.cases[id]
    mask = load_pseudo_mask(cohort, case, settings)
    if mask is None:
        raise DataError(f"case {id!r} has no gaze")
    return LabelledPicture(
        id=id,
        image=case.read_image(),
        fixations=case.fixations,
        soft=mask.soft,
        sparse=mask.sparse,
        trust=mask.trust,
        parts=mask.parts,
        truth=case.read_mask() if with_truth else None,
        level=settings.levels.comprehensive,
    )
