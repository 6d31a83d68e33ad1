"""What a check of words tells: a table, a page of disagreements, and plain values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from gaze_insight import __version__
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.errors import DataError
from gaze_insight.insight.panels import Tile
from gaze_insight.insight.rendering import as_yaml
from gaze_insight.insight.word_check_pictures import CheckedPicture, check_tiles
from gaze_insight.insight.words_page import FieldCount, ShownWords, WordsContent, write_words
from gaze_insight.language.checking import word_weight
from gaze_insight.language.word_evidence import CheckedField
from gaze_insight.pseudomask.recipe import PseudoMaskSettings
from gaze_insight.workflow.checking_words import CheckedWords, WordsCheck
from gaze_insight.workflow.labelling import load_pseudo_mask
from gaze_insight.workflow.studies.output import write_rows

__all__ = ["check_notes", "check_record", "check_rows", "write_check_page", "write_check_table"]

_AT_LEAST = 3
_CONTROLS = ("blank", "random")


def check_rows(checked: WordsCheck) -> list[dict[str, Any]]:
    """Turn checks into rows, one a case with words.

    Args:
        checked: The checks.

    Returns:
        Plain values: id, score, the weight in training, agreement of each field, share of the looking time on
        the named cell, what the words say and what was found, the wrong fields and the reasons; None where
        not known.

    Example:
        >>> check_rows(WordsCheck())
        []
    """
    return [_row(row, checked) for row in checked.rows]


def write_check_table(checked: WordsCheck, path: Path) -> None:
    """Write the checks as CSV, one row a case with words.

    Args:
        checked: The checks.
        path: The file; replaced in one step.

    Raises:
        DataError: The file cannot be written.
    """
    write_rows(path, check_rows(checked))


def check_notes(checked: WordsCheck) -> dict[str, list[str]]:
    """Say what a reader must know before believing the scores.

    Args:
        checked: The checks.

    Returns:
        Sentence to the cases that it is about, perhaps none.

    Example:
        >>> from gaze_insight.workflow.checking_words import WordsCheck
        >>> list(check_notes(WordsCheck(without_words=["a"])))
        ['Without words: 1.']
    """
    notes: dict[str, list[str]] = {}
    if any(row.description.source == "measured" for row in checked.rows):
        notes[
            "These words were measured from the very labels that they are checked against: low scores show "
            "that the check works, not that the words are right."
        ] = []
    if any(row.description.source in _CONTROLS for row in checked.rows):
        notes[
            "These words are a control and tell nothing of the images: high scores show that the check works."
        ] = []
    if checked.without_words:
        notes[f"Without words: {len(checked.without_words):,}."] = list(checked.without_words)
    if checked.unchecked:
        words = f"Without gaze on the image, and so unchecked: {len(checked.unchecked):,}."
        notes[words] = checked.unchecked
    if checked.failed:
        reasons = [f"{name}: {message}" for name, message in checked.failed.items()]
        notes[f"Could not be read: {len(reasons):,}."] = reasons
    return notes


def check_record(checked: WordsCheck) -> dict[str, Any]:
    """Turn all that the check found into plain values.

    Args:
        checked: The checks.

    Returns:
        Counts, the mean score, the control's AUC, the fields, notes and settings.

    Example:
        >>> check_record(WordsCheck())["mean_hallucination"] is None
        True
    """
    rows = checked.worst_first
    scores = [row.check.hallucination for row in rows]
    return {
        "checked": len(rows),
        "contradicted": len(checked.contradicted),
        "absences": _absences(rows),
        "mean_hallucination": float(np.mean(scores)) if scores else None,
        "shuffled_auc": checked.shuffled_auc,
        "fields": {
            count.field: {"checked": count.checked, "wrong": count.wrong, "agreement": count.agreement}
            for count in _fields(checked)
        },
        "without_words": len(checked.without_words),
        "unchecked": len(checked.unchecked),
        "failed": dict(checked.failed),
        "notes": list(check_notes(checked)),
        "settings": checked.settings.model_dump(mode="json"),
    }


def write_check_page(
    cohort: Cohort,
    checked: WordsCheck,
    path: Path,
    labels: PseudoMaskSettings | None = None,
    *,
    pictures: int = 16,
    listed: int = 40,
    command: str = "",
) -> None:
    """Write the page of disagreements.

    Args:
        cohort: The cohort.
        checked: The checks.
        path: The HTML file; replaced in one step.
        labels: The recipe of the labels that words were held against; None for the defaults.
        pictures: Cases shown with pictures, the worst first.
        listed: Further cases in the table below, as far as they have a wrong field.
        command: The command that repeats it.

    Raises:
        DataError: The file cannot be written.
    """
    labels = labels or PseudoMaskSettings()
    rows = checked.worst_first
    notes: dict[str, Sequence[str]] = dict(check_notes(checked))
    unread: list[str] = []
    shown = []
    for place, row in enumerate(rows[:pictures]):
        if not row.check.wrong and place >= _AT_LEAST:
            break
        tiles: list[Tile] = []
        try:
            tiles = check_tiles(_picture(cohort, row, labels, checked.settings.measured.foreground))
        except DataError as error:
            unread.append(f"{row.id}: {error}")
        shown.append(ShownWords(row.id, row.description, row.check, tiles))
    if unread:
        notes["Some pictures cannot be shown."] = unread
    content = WordsContent(
        name=cohort.name,
        scores=[row.check.hallucination for row in rows],
        of_another=[row.of_another for row in rows if row.of_another is not None],
        auc=checked.shuffled_auc,
        contradicted=len(checked.contradicted),
        contradicted_from=checked.settings.contradicted_from,
        absences=_absences(rows),
        fields=_fields(checked) if rows else [],
        cases=shown,
        listed=[
            ShownWords(row.id, row.description, row.check)
            for row in rows[pictures : pictures + listed]
            if row.check.wrong
        ],
        source=_sources(rows),
        settings=as_yaml(checked.settings.model_dump(mode="json")),
        notes=notes,
        command=command,
        created=datetime.now(UTC).strftime("%Y-%m-%d"),
        version=__version__,
    )
    write_words(content, path)


def _row(row: CheckedWords, checked: WordsCheck) -> dict[str, Any]:
    said, check, evidence = row.description, row.check, row.evidence
    return {
        "id": row.id,
        "hallucination": check.hallucination if check.checked else None,
        "weight": word_weight(check, checked.settings),
        "location_agreement": check.location_agreement,
        "area_agreement": check.area_agreement,
        "boundary_agreement": check.boundary_agreement,
        "gaze_share": check.gaze_share,
        "said_location": said.location,
        "label_location": evidence.place,
        "said_area_percentage": said.area_percentage if said.visible else None,
        "label_area_percentage": 100 * evidence.area_frac,
        "said_boundary": said.boundary if said.visible else None,
        "measured_boundary": evidence.boundary,
        "hallucination_of_another": row.of_another,
        "wrong": " ".join(check.wrong),
        "reasons": "; ".join(check.reasons),
        "source": said.source,
    }


def _absences(rows: Sequence[CheckedWords]) -> int:
    return sum(bool(row.check.wrong) and not row.description.visible for row in rows)


def _sources(rows: Sequence[CheckedWords]) -> str:
    return ", ".join(name for name, _ in Counter(row.description.source for row in rows).most_common(3))


def _fields(checked: WordsCheck) -> list[FieldCount]:
    weights: Mapping[CheckedField, float] = checked.settings.weights
    found = []
    for name, weight in weights.items():
        agreements = [value for row in checked.rows if (value := row.check.agreement(name)) is not None]
        wrong = sum(name in row.check.wrong for row in checked.rows)
        mean = float(np.mean(agreements)) if agreements else None
        found.append(FieldCount(name, len(agreements), wrong, mean, weight))
    return found


def _picture(cohort: Cohort, row: CheckedWords, labels: PseudoMaskSettings, level: float) -> CheckedPicture:
    case = cohort.cases[row.id]
    mask = load_pseudo_mask(cohort, case, labels)
    if mask is None:
        raise DataError(f"case {row.id!r} has no gaze")
    return CheckedPicture(
        id=row.id,
        image=case.read_image(),
        description=row.description,
        soft=mask.soft,
        fixations=case.fixations,
        truth=case.read_mask(),
        level=level,
    )
