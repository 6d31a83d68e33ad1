"""The page of `describe --check`: where the words contradict the label and the gaze, worst first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from gaze_insight.atomic import write_text_atomic
from gaze_insight.insight.panels import Tile
from gaze_insight.insight.rendering import fixed, render_page, share
from gaze_insight.insight.word_check_pictures import CHECK_COLOURS, score_chart
from gaze_insight.language.checking import WordCheck
from gaze_insight.language.schema import Description
from gaze_insight.language.word_evidence import CheckedField

__all__ = ["FieldCount", "ShownWords", "WordsContent", "write_words"]

_TITLES: dict[CheckedField, str] = {
    "location": "Location",
    "area_percentage": "Area",
    "boundary": "Boundary",
}


@dataclass(frozen=True)
class FieldCount:
    """How one field did over the cohort.

    Args:
        field: The field.
        checked: Cases in which it could be checked.
        wrong: Those in which it is wrong.
        agreement: Mean agreement in [0, 1]; None for no case.
        weight: How much a full contradiction in it counts.
    """

    field: CheckedField
    checked: int
    wrong: int
    agreement: float | None
    weight: float


@dataclass(frozen=True)
class ShownWords:
    """A case of the list.

    Args:
        id: The case.
        description: Its words.
        check: Their check.
        tiles: Its pictures; empty where they cannot be shown.
    """

    id: str
    description: Description
    check: WordCheck
    tiles: Sequence[Tile] = ()


@dataclass(frozen=True)
class WordsContent:
    """Everything the page says.

    Args:
        name: The cohort.
        scores: Score of each checked case.
        of_another: Score that the words of another case would have; empty leaves the control out.
        auc: How well the score tells own words from those of another case; None if unknown.
        contradicted: Cases whose score reaches ``contradicted_from``.
        contradicted_from: That score.
        absences: Cases whose words see nothing although the gaze points at a lesion.
        fields: How each field did.
        cases: The worst cases, with pictures.
        listed: The next ones, without.
        source: Who made the words.
        settings: How they were checked, as text.
        notes: What a reader must know first: sentence to the cases that it is about.
        command: The command that repeats it; empty leaves it out.
        created: Date of the page as text; empty leaves it out.
        version: Version of gaze-insight; empty leaves it out.
    """

    name: str
    scores: Sequence[float] = ()
    of_another: Sequence[float] = ()
    auc: float | None = None
    contradicted: int = 0
    contradicted_from: float = 0.5
    absences: int = 0
    fields: Sequence[FieldCount] = ()
    cases: Sequence[ShownWords] = ()
    listed: Sequence[ShownWords] = ()
    source: str = ""
    settings: str = ""
    notes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    command: str = ""
    created: str = ""
    version: str = ""


def write_words(content: WordsContent, path: Path) -> None:
    """Write the page as one HTML file that needs no other file and no network.

    Args:
        content: What the page says; parts for which nothing is given are left out.
        path: The HTML file; replaced in one step.

    Raises:
        DataError: The file cannot be written.

    Example:
        >>> import tempfile
        >>> page = Path(tempfile.mkdtemp()) / "descriptions.html"
        >>> write_words(WordsContent("demo"), page)
        >>> "Nothing could be checked" in page.read_text(encoding="utf-8")
        True
    """
    values = {
        "title": f"Words of {content.name} against the picture",
        "created": content.created,
        "version": content.version,
        "command": content.command,
        "settings": content.settings,
        "verdict": _verdict(content),
        "notes": [{"title": title, "entries": ids} for title, ids in content.notes.items()],
        "headline": _headline(content),
        "chart": score_chart(content.scores, content.of_another),
        "chart_text": _chart_text(content),
        "colours": CHECK_COLOURS,
        "fields": [_field_row(row) for row in content.fields],
        "cases": [_case(case, content.contradicted_from) for case in content.cases],
        "listed": [_listed(case) for case in content.listed],
    }
    write_text_atomic(path, render_page("words_page.html.j2", values))


def _verdict(content: WordsContent) -> dict[str, str]:
    total = len(content.scores)
    if not total:
        return {
            "severity": "error",
            "title": "Nothing could be checked.",
            "meaning": "A check needs words, and gaze on the image to hold them against.",
        }
    ratio = content.contradicted / total
    said = f" The words are by {content.source}." if content.source else ""
    return {
        "severity": "ok" if ratio < 0.1 else "warning" if ratio < 0.5 else "error",
        "title": f"The words of {content.contradicted:,} of {total:,} cases contradict the picture.",
        "meaning": "A contradiction is no proof against the words: the label may be wrong too. "
        f"No true mask was used.{said}",
    }


def _headline(content: WordsContent) -> list[dict[str, str]]:
    if not len(content.scores):
        return []
    low, high = np.quantile(content.scores, (0.05, 0.95))
    numbers = [
        {
            "what": "Cases checked",
            "value": f"{len(content.scores):,}",
            "range": "words against label and gaze",
        },
        {
            "what": "Hallucination score",
            "value": f"{np.mean(content.scores):.2f}",
            "range": f"on average; {low:.2f} to {high:.2f} for 90 % of the cases",
        },
        {
            "what": "Contradicted",
            "value": share(content.contradicted / len(content.scores)),
            "range": f"{content.contradicted:,} cases with a score of {content.contradicted_from:g} or more",
        },
        {
            "what": "Absence named wrongly",
            "value": f"{content.absences:,}",
            "range": "words see nothing, the gaze points at a lesion",
        },
    ]
    if content.auc is not None:
        numbers.append(
            {
                "what": "Told from shuffled words",
                "value": fixed(content.auc),
                "range": "AUC of own words against another case's; 0.5: not at all",
            }
        )
    return numbers


def _chart_text(content: WordsContent) -> str:
    text = (
        "0: nothing speaks against the words. Towards 1: location, area or boundary contradict the label "
        "made from gaze, or the words see nothing where the gaze points at a lesion."
    )
    if len(content.of_another):
        text += (
            " The line is the control: the score of each case if it had the words of another one. Where both "
            "look alike, these words say little about the image that they are for."
        )
    return text


def _field_row(row: FieldCount) -> dict[str, str]:
    return {
        "title": _TITLES[row.field],
        "checked": f"{row.checked:,}",
        "wrong": f"{row.wrong:,}",
        "ratio": share(row.wrong / row.checked if row.checked else None),
        "agreement": fixed(row.agreement),
        "weight": f"{row.weight:g}",
    }


def _words(said: Description, check: WordCheck) -> list[dict[str, Any]]:
    """Give the words field by field, with what was found of each."""
    agreements: dict[str, float | None] = {name: check.agreement(name) for name in _TITLES}
    values: dict[str, tuple[str, str]] = {"location": ("Location", said.location)}
    if said.visible:
        values |= {
            "area_percentage": ("Area", f"{said.area_percentage:g} %"),
            "boundary": ("Boundary", said.boundary),
            "shape": ("Shape", said.shape),
            "texture": ("Texture", said.texture),
            "brightness": ("Brightness", said.brightness),
        }
    values["confidence"] = ("Confidence", said.confidence)
    found = []
    for name, (title, value) in values.items():
        agreement = agreements.get(name)
        told = "not checked" if agreement is None else f"agreement {agreement:.2f}"
        state = "wrong" if name in check.wrong else "open" if agreement is None else "right"
        found.append({"title": title, "value": value, "state": state, "told": told})
    return found


def _case(case: ShownWords, contradicted_from: float) -> dict[str, Any]:
    gaze = (
        "" if case.check.gaze_share is None else f", {share(case.check.gaze_share, 0)} of the looking there"
    )
    return {
        "id": case.id,
        "score": f"{case.check.hallucination:.2f}",
        "gaze": gaze,
        "rank": "worst" if case.check.hallucination >= contradicted_from else "drawn",
        "words": _words(case.description, case.check),
        "reasons": case.check.reasons,
        "remarks": case.description.remarks,
        "tiles": case.tiles,
    }


def _listed(case: ShownWords) -> dict[str, str]:
    return {
        "id": case.id,
        "score": f"{case.check.hallucination:.2f}",
        "wrong": ", ".join(_TITLES[name].lower() for name in case.check.wrong) or "none",
        "reasons": "; ".join(case.check.reasons),
    }
