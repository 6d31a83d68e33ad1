"""The page of `label`: how good the labels can be expected to be, and which cases to look at again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from gaze_insight.atomic import write_text_atomic
from gaze_insight.insight.label_pictures import LABEL_COLOURS, part_title
from gaze_insight.insight.panels import Tile
from gaze_insight.insight.parts_figures import expected_histogram
from gaze_insight.insight.rendering import duration_words, render_page, share
from gaze_insight.pseudomask.expected_dice import Calibration, ExpectedDice
from gaze_insight.pseudomask.look_again import LookAgain

__all__ = ["LabelsContent", "LookAgainRow", "ShownLabel", "write_labels"]

_ACTIONS = {"look": "record a new reading", "draw": "draw the mask"}


@dataclass(frozen=True)
class LookAgainRow:
    """A case of the look-again list.

    Args:
        case: The case and what is expected of another look.
        tiles: Its thumbnails; empty for none.
    """

    case: LookAgain
    tiles: Sequence[Tile] = ()


@dataclass(frozen=True)
class ShownLabel:
    """A case to look at.

    Args:
        id: The case.
        rank: Why it is shown.
        expected: Its expected Dice, or None.
        tiles: Its pictures.
    """

    id: str
    rank: Literal["worst", "median", "best", "drawn"]
    expected: ExpectedDice | None
    tiles: Sequence[Tile]


@dataclass(frozen=True)
class LabelsContent:
    """Everything the page of `label` says.

    Args:
        name: The cohort.
        labels: Cases that have a label.
        expected: Expected Dice of those that have one.
        trusted_share: Mean share of pixels that the sparse mask labels; None for no label.
        area_frac: Mean share of an image that its label calls lesion; None for no label.
        seconds: What all readings took.
        look_again: First rows of the look-again list.
        listed: Rows of the whole list.
        cases: Cases to look at.
        parts: What each part was made by: name, version, settings.
        recipe: The whole recipe as text.
        calibration: How features became an expected Dice; None where no case has one.
        notes: What a reader must know first: sentence to the cases that it is about.
        command: The command that repeats it; empty leaves it out.
        created: Date of the page as text; empty leaves it out.
        version: Version of gaze-insight; empty leaves it out.
    """

    name: str
    labels: int
    expected: Sequence[float] = ()
    trusted_share: float | None = None
    area_frac: float | None = None
    seconds: float = 0.0
    look_again: Sequence[LookAgainRow] = ()
    listed: int = 0
    cases: Sequence[ShownLabel] = ()
    parts: Sequence[Mapping[str, Any]] = ()
    recipe: str = ""
    calibration: Calibration | None = None
    notes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    command: str = ""
    created: str = ""
    version: str = ""


def write_labels(content: LabelsContent, path: Path) -> None:
    """Write the page as one HTML file that needs no other file and no network.

    Args:
        content: What the page says; parts for which nothing is given are left out.
        path: The HTML file; replaced in one step.

    Raises:
        DataError: The file cannot be written.

    Example:
        >>> import tempfile
        >>> page = Path(tempfile.mkdtemp()) / "labels.html"
        >>> write_labels(LabelsContent("demo", 0), page)
        >>> "Nothing was labelled" in page.read_text(encoding="utf-8")
        True
    """
    values = {
        "title": f"Labels of {content.name}",
        "created": content.created,
        "version": content.version,
        "command": content.command,
        "recipe": content.recipe,
        "verdict": _verdict(content),
        "notes": [{"title": title, "entries": ids} for title, ids in content.notes.items()],
        "headline": _headline(content),
        "chart": expected_histogram(content.expected),
        "chart_text": "No true mask was used: parts that agree, a sure vote and gaze that lies within it "
        "speak for a label. An expected Dice is the mean of known cases that looked alike.",
        "colours": LABEL_COLOURS,
        "look_again": [_row(row) for row in content.look_again],
        "thumbnails": any(row.tiles for row in content.look_again),
        "more": max(0, content.listed - len(content.look_again)),
        "again_text": "Ordered by the rise of Dice that a second of an expert's time is expected to bring: "
        "by a new reading of the image, as good as the labels of lesions of similar size, or by a drawn "
        "mask, whichever brings more for the time.",
        "cases": [_case(case) for case in content.cases],
        "chosen": "Chosen by their score, not by hand."
        if len(content.expected)
        else "Evenly from the cohort's order.",
        "parts": [_part(record) for record in content.parts],
        "calibration": _calibration(content.calibration),
    }
    write_text_atomic(path, render_page("labels.html.j2", values))


def _verdict(content: LabelsContent) -> dict[str, str]:
    if not content.labels:
        return {"severity": "error", "title": "Nothing was labelled.", "meaning": "No case has gaze."}
    if not len(content.expected):
        return {
            "severity": "warning",
            "title": f"{content.labels:,} cases labelled; how well is not known.",
            "meaning": "An expected Dice rests on how far parts agree, and needs a recipe of two or more.",
        }
    meant = "" if content.calibration is None else f" It is calibrated on {content.calibration.source}."
    return {
        "severity": "ok",
        "title": f"Expected Dice {np.mean(content.expected):.3f} on average, told without a true mask.",
        "meaning": f"{content.labels:,} cases are labelled.{meant}",
    }


def _headline(content: LabelsContent) -> list[dict[str, str]]:
    numbers = [
        {
            "what": "Cases labelled",
            "value": f"{content.labels:,}",
            "range": f"{duration_words(content.seconds)} of looking",
        }
    ]
    if len(content.expected):
        low, high = np.quantile(content.expected, (0.05, 0.95))
        numbers.append(
            {
                "what": "Expected Dice",
                "value": f"{np.mean(content.expected):.3f}",
                "range": f"{low:.2f} to {high:.2f} for 90 % of the cases",
            }
        )
    if content.trusted_share is not None:
        numbers.append(
            {
                "what": "Trusted pixels",
                "value": share(content.trusted_share),
                "range": "of an image; the sparse mask labels them",
            }
        )
    if content.area_frac is not None:
        numbers.append(
            {"what": "Lesion", "value": share(content.area_frac), "range": "of an image, by its label"}
        )
    return numbers


def _row(row: LookAgainRow) -> dict[str, Any]:
    case = row.case
    return {
        "id": case.id,
        "action": _ACTIONS[case.action],
        "expected": f"{case.expected.mean:.2f}",
        "interval": f"{case.expected.low:.2f} to {case.expected.high:.2f}",
        "gain": f"{case.gain:+.2f}",
        "seconds": f"{case.seconds:.0f}",
        "per_minute": f"{60 * case.gain_per_s:+.2f}",
        "tiles": row.tiles,
    }


def _case(case: ShownLabel) -> dict[str, Any]:
    line = ""
    if case.expected is not None:
        line = f"expected Dice {case.expected.mean:.2f} ({case.expected.low:.2f} to {case.expected.high:.2f})"
    return {"id": case.id, "rank": case.rank, "line": line, "tiles": case.tiles}


def _part(record: Mapping[str, Any]) -> dict[str, str]:
    settings = dict(record["settings"])
    settings.pop("kind", None)
    weight = settings.pop("weight", 1.0)
    return {
        "title": part_title(record["name"]),
        "name": record["name"],
        "version": str(record["version"]),
        "weight": f"{weight:g}",
        "settings": _in_words(settings) or "none of its own",
    }


def _in_words(settings: Mapping[str, Any], within: str = "") -> str:
    words = []
    for key, value in settings.items():
        name = f"{within}{key}"
        if isinstance(value, Mapping):
            words.append(_in_words(value, f"{name}."))
        elif value is not None:
            words.append(f"{name}: {value:g}" if isinstance(value, float) else f"{name}: {value}")
    return ", ".join(word for word in words if word)


def _calibration(found: Calibration | None) -> list[tuple[str, str]]:
    if found is None:
        return []
    names = ", ".join(name.replace("_", " ") for name in found.features)
    return [
        ("Calibrated on", found.source or f"{found.cases:,} cases"),
        ("Told from", names),
        ("Interval", f"meant to hold the true Dice of {share(found.coverage, 0)} of the cases"),
        (
            "Not told",
            "whether other images, lesions or recordings keep to this; fit one on cases of your own",
        ),
    ]
