"""The page of `inspect`: what of the data will be used, and what is wrong with it, before any training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from gaze_insight.atomic import write_text_atomic
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.gaze.readers.left_out import count_words
from gaze_insight.insight.chest_inspection import ChestInspection
from gaze_insight.insight.figures import histogram
from gaze_insight.insight.findings import Finding
from gaze_insight.insight.panels import gaze_tiles
from gaze_insight.insight.rendering import duration_words, render_page, share
from gaze_insight.types import BoolArray, ByteArray, FloatArray

__all__ = ["Finding", "InspectedCase", "InspectionContent", "SplitRow", "write_inspection"]


@dataclass(frozen=True)
class SplitRow:
    """One split in the table of splits.

    Args:
        name: "train", "val", "test" or "no split".
        cases: Cases in it.
        with_gaze: Cases that have fixations.
        with_mask: Cases that have a true mask.
        fixations: Fixations in all.
        gaze_hours: Recorded looking time of its cases in hours.
    """

    name: str
    cases: int
    with_gaze: int
    with_mask: int
    fixations: int = 0
    gaze_hours: float = 0.0


@dataclass(frozen=True, eq=False)
class InspectedCase:
    """One case to show with its gaze.

    Args:
        id: The case.
        image: RGB picture, (H, W, 3) uint8.
        fixations: Where the clinician looked, in any frame that converts to ``image_px``.
        heat: Heat map of the looking, (h, w) in [0, 1].
        truth: True mask, (H, W) bool.
        caption: A sentence, or empty.
    """

    id: str
    image: ByteArray
    fixations: Fixations | None = None
    heat: FloatArray | None = None
    truth: BoolArray | None = None
    caption: str = ""


@dataclass(frozen=True, eq=False)
class InspectionContent:
    """Everything the page of `inspect` says.

    Args:
        name: The cohort.
        cases: Cases in all.
        usable: Cases that have an image and gaze.
        with_gaze: Cases that have fixations.
        with_mask: Cases that have a true mask.
        with_description: Cases that have words.
        findings: What was looked at, worst first or in any order.
        splits: One row a split.
        fixations_per_image: Count for every case that has gaze.
        durations_ms: Duration of every kept fixation.
        off_image_share: Share of the recorded fixations that lie off the image, in [0, 1]; None if unknown.
        centre_first_share: Share of readings whose first fixation is at the centre (the fixation cross),
            in [0, 1]; None if unknown.
        dropped: Reason to count of what was left out of the gaze files.
        annotation_hours: Time the recordings took; None if unknown.
        annotation_source: How that time was computed, in words.
        how_read: How the files were read (columns, frame, folders), label to value, in order.
        pictures: A few cases to look at.
        created: Date of the page as text; empty leaves it out.
        version: Version of gaze-insight; empty leaves it out.
        chest: What is known of chest radiographs; None for other images. The splits are then those of it.
    """

    name: str
    cases: int
    usable: int
    with_gaze: int
    with_mask: int
    with_description: int = 0
    findings: Sequence[Finding] = ()
    splits: Sequence[SplitRow] = ()
    fixations_per_image: Sequence[int] = ()
    durations_ms: FloatArray | Sequence[float] = ()
    off_image_share: float | None = None
    centre_first_share: float | None = None
    dropped: Mapping[str, int] = field(default_factory=dict)
    annotation_hours: float | None = None
    annotation_source: str = ""
    how_read: Mapping[str, Any] = field(default_factory=dict)
    pictures: Sequence[InspectedCase] = ()
    created: str = ""
    version: str = ""
    chest: ChestInspection | None = None


_ORDER = {"error": 0, "warning": 1, "ok": 2}
_MARKS = {"error": "✗", "warning": "!", "ok": "✓"}
_COLOURS = (("truth", "the expert's outline, where known"), ("first", "first look"), ("last", "last look"))


def write_inspection(content: InspectionContent, path: Path) -> None:
    """Write the page of `inspect` as one HTML file that needs no other file and no network.

    Parts for which nothing is given are left out. The verdict at the top follows from the findings: the worst
    severity decides.

    Args:
        content: What the page says.
        path: The HTML file; replaced in one step.

    Raises:
        DataError: A picture has the wrong shape, a gaze frame cannot be drawn, or the file cannot be written.

    Example:
        >>> import tempfile
        >>> page = Path(tempfile.mkdtemp()) / "inspection.html"
        >>> write_inspection(InspectionContent("demo", cases=2, usable=2, with_gaze=2, with_mask=0), page)
        >>> "2 of 2" in page.read_text(encoding="utf-8")
        True
    """
    findings = sorted(content.findings, key=lambda finding: _ORDER[finding.severity])
    values = {
        "title": f"Inspection of {content.name}",
        "created": content.created,
        "version": content.version,
        "verdict": _verdict(content),
        "headline": _headline(content),
        "findings": [
            {
                "severity": finding.severity,
                "mark": _MARKS[finding.severity],
                "title": finding.title,
                "meaning": finding.meaning,
                "entries": list(finding.items),
            }
            for finding in findings
        ],
        "splits": content.splits,
        "chest": content.chest,
        "colours": _COLOURS,
        "pictures": [_picture(case) for case in content.pictures],
        "charts": _charts(content),
        "dropped": [count_words(name, number) for name, number in content.dropped.items() if number],
        "how_read": [(name, str(value)) for name, value in content.how_read.items()],
    }
    write_text_atomic(path, render_page("inspection.html.j2", values))


def _verdict(content: InspectionContent) -> dict[str, str]:
    severities = [finding.severity for finding in content.findings]
    errors, warnings = severities.count("error"), severities.count("warning")
    usable = f"{content.usable:,} of {content.cases:,} cases have an image and gaze."
    if content.chest is not None:
        usable = (
            f"{content.usable:,} of {content.cases:,} cases have an image and labels, "
            f"{content.with_gaze:,} of all cases gaze."
        )
    if errors or content.usable == 0:
        return {
            "severity": "error",
            "title": "Not ready.",
            "meaning": f"{usable} Mend what is marked ✗ first.",
        }
    if warnings:
        points = (
            f"the point marked {_MARKS['warning']}" if warnings == 1 else f"the {warnings} points marked !"
        )
        return {"severity": "warning", "title": "Usable, with care.", "meaning": f"{usable} Read {points}."}
    return {"severity": "ok", "title": "Ready to train.", "meaning": usable}


def _headline(content: InspectionContent) -> list[dict[str, str]]:
    words = f", {content.with_description:,} with words" if content.with_description else ""
    have = f"{content.with_mask:,} with an expert's outline{words}"
    if content.chest is not None:
        have = f"{content.with_gaze:,} with gaze"
    numbers = [
        {
            "what": "Cases that will be used",
            "value": f"{content.usable:,}",
            "range": f"of {content.cases:,}; {have}",
        },
        {
            "what": "Fixations",
            "value": f"{len(content.durations_ms):,}",
            "range": _per_image(content.fixations_per_image, "a reading" if content.chest else "an image"),
        },
    ]
    if content.annotation_hours is not None:
        numbers.append(
            {
                "what": "Clinician time",
                "value": duration_words(3600 * content.annotation_hours),
                "range": f"measured as: {content.annotation_source}" if content.annotation_source else "",
            }
        )
    if content.off_image_share is not None:
        numbers.append(
            {
                "what": "Looks off the image",
                "value": share(content.off_image_share),
                "range": "of all recorded fixations",
            }
        )
    if content.centre_first_share is not None:
        numbers.append(
            {
                "what": "Start at the centre",
                "value": share(content.centre_first_share, 0),
                "range": "of readings: the fixation cross, not the lesion",
            }
        )
    return numbers


def _per_image(counts: Sequence[int], each: str) -> str:
    if not counts:
        return "no image has any"
    return f"{np.mean(counts):.1f} {each} (from {min(counts)} to {max(counts)})"


def _picture(case: InspectedCase) -> dict[str, Any]:
    height, width = case.image.shape[:2]
    return {
        "id": case.id,
        "line": f"{width} × {height} px",
        "caption": case.caption,
        "tiles": gaze_tiles(case.id, case.image, case.fixations, case.heat, case.truth),
    }


def _charts(content: InspectionContent) -> list[dict[str, str]]:
    per_image = histogram(
        content.fixations_per_image,
        name="per-image",
        label="Number of images by count of fixations",
        x_label="fixations on an image",
        y_label="images",
    )
    durations = histogram(
        content.durations_ms,
        name="durations",
        label="Number of fixations by duration",
        x_label="duration of a fixation, ms",
        y_label="fixations",
    )
    charts = (
        (
            "Fixations on each image",
            "Very few means that little is known about where the lesion is.",
            per_image,
        ),
        ("How long a look lasts", "Most fixations of a reader last 150 to 600 ms.", durations),
    )
    return [{"title": title, "text": text, "svg": svg} for title, text, svg in charts if svg]
