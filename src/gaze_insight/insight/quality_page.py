"""The page of `quality`: which recordings can be trusted, and what drifted while they were made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gaze_insight.atomic import write_text_atomic
from gaze_insight.gaze.case_quality import FLAGS, CaseQuality
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.gaze.quality_control import QualityReport, SessionQuality
from gaze_insight.gaze.trend import Trend
from gaze_insight.insight.figures import histogram
from gaze_insight.insight.figures_gaze import practice_chart, wander_chart
from gaze_insight.insight.panels import gaze_tiles
from gaze_insight.insight.rendering import fixed, render_page, share
from gaze_insight.types import BoolArray, ByteArray

__all__ = ["FlaggedCase", "QualityContent", "write_quality"]


@dataclass(frozen=True, eq=False)
class FlaggedCase:
    """One reading to show.

    Args:
        row: Its quality.
        image: RGB picture, (H, W, 3) uint8.
        fixations: Where the annotator looked.
        truth: True mask, (H, W) bool, where known.
    """

    row: CaseQuality
    image: ByteArray
    fixations: Fixations | None = None
    truth: BoolArray | None = None


@dataclass(frozen=True, eq=False)
class QualityContent:
    """Everything the page of `quality` says.

    Args:
        name: The cohort.
        report: The readings' quality.
        without_gaze: Cases nobody looked at.
        simulated: Cases whose gaze is simulated.
        pictures: Flagged readings to look at.
        problems: Pictures that could not be read.
        correction: What a correction did, in sentences; empty for none.
        created: Date of the page as text; empty leaves it out.
        version: Version of gaze-insight; empty leaves it out.
    """

    name: str
    report: QualityReport
    without_gaze: int = 0
    simulated: int = 0
    pictures: Sequence[FlaggedCase] = ()
    problems: Sequence[str] = ()
    correction: str = ""
    created: str = ""
    version: str = ""


_COLOURS = (("truth", "the expert's outline, where known"), ("first", "first look"), ("last", "last look"))
_LISTED = 200
_MS_PER_S = 1000.0


def write_quality(content: QualityContent, path: Path) -> None:
    """Write the page as one HTML file that needs no other file and no network.

    Args:
        content: What the page says.
        path: The HTML file; replaced in one step.

    Raises:
        DataError: A picture has the wrong shape, or the file cannot be written.

    Example:
        >>> import tempfile
        >>> from gaze_insight.gaze.quality_control import assess
        >>> page = Path(tempfile.mkdtemp()) / "quality.html"
        >>> write_quality(QualityContent("demo", assess({"a": Fixations.empty()})), page)
        >>> "nothing was recorded" in page.read_text(encoding="utf-8")
        True
    """
    report = content.report
    values = {
        "title": f"Gaze quality of {content.name}",
        "created": content.created,
        "version": content.version,
        "verdict": _verdict(report),
        "headline": _headline(content),
        "notes": _notes(content),
        "sessions": [_session(session) for session in report.sessions],
        "known": any(one.cross is not None and one.cross.known for one in report.sessions),
        "targets": any(session.target is not None for session in report.sessions),
        "correction": content.correction,
        "flags": [(FLAGS[name], number) for name, number in report.flags.items()],
        "readings": len(report.cases),
        "colours": _COLOURS,
        "pictures": [_picture(case) for case in content.pictures],
        "charts": _charts(report),
        "flagged": [_flagged(row) for row in report.flagged[:_LISTED]],
        "more": max(0, len(report.flagged) - _LISTED),
        "limits": _limits(report),
    }
    write_text_atomic(path, render_page("quality.html.j2", values))


def _verdict(report: QualityReport) -> dict[str, str]:
    readings, flagged, warnings = len(report.cases), len(report.flagged), len(report.warnings)
    unusual = f"{flagged:,} of {readings:,} readings are unusual."
    if not readings:
        return {"severity": "error", "title": "There is nothing to judge.", "meaning": "No case has gaze."}
    if readings == flagged:
        return {"severity": "error", "title": "Not to be trusted.", "meaning": unusual}
    if warnings:
        points = "the warning" if warnings == 1 else f"the {warnings} warnings"
        return {"severity": "warning", "title": "Usable, with care.", "meaning": f"{unusual} Read {points}."}
    return {"severity": "ok", "title": "Looks sound.", "meaning": unusual}


def _headline(content: QualityContent) -> list[dict[str, str]]:
    rows, sessions = content.report.cases, content.report.sessions
    without = f"; {content.without_gaze:,} cases without gaze" if content.without_gaze else ""
    fixations = sum(row.fixations for row in rows)
    looked = [row.looking_s for row in rows if row.fixations]
    numbers = [
        {
            "what": "Readings",
            "value": f"{len(rows):,}",
            "range": f"in {len(sessions)} session{'' if len(sessions) == 1 else 's'}{without}",
        },
        {
            "what": "Flagged",
            "value": f"{len(content.report.flagged):,}",
            "range": share(len(content.report.flagged) / len(rows)) if rows else "",
        },
        {"what": "Looking time an image", "value": f"{_median(looked)} s", "range": "median"},
        {"what": "Fixations", "value": f"{fixations:,}", "range": _counts(rows)},
    ]
    lost = [row.loss_share for row in rows if row.loss_share is not None]
    off = [row.off_image_share for row in rows if row.off_image_share is not None]
    if lost:
        numbers.append(
            {"what": "Gaze lost", "value": share(sum(lost) / len(lost)), "range": "mean of the readings"}
        )
    if off:
        numbers.append(
            {
                "what": "Looks off the image",
                "value": share(sum(off) / len(off)),
                "range": "mean of the readings",
            }
        )
    return numbers


def _median(values: Sequence[float]) -> str:
    if not values:
        return "–"
    return f"{sorted(values)[len(values) // 2]:.1f}"


def _counts(rows: Sequence[CaseQuality]) -> str:
    if not rows:
        return ""
    counts = [row.fixations for row in rows]
    return f"{sum(counts) / len(counts):.1f} an image (from {min(counts)} to {max(counts)})"


def _notes(content: QualityContent) -> list[dict[str, Any]]:
    notes: list[dict[str, Any]] = [{"title": text, "entries": ()} for text in content.report.warnings]
    if content.simulated:
        which = "1 case" if content.simulated == 1 else f"{content.simulated:,} cases"
        notes.append({"title": f"The gaze of {which} is simulated.", "entries": ()})
    if content.problems:
        number = len(content.problems)
        notes.append(
            {"title": f"Flagged readings that cannot be shown: {number}", "entries": tuple(content.problems)}
        )
    return notes


def _session(session: SessionQuality) -> dict[str, Any]:
    cross, target = session.cross, session.target
    known = cross is not None and cross.known
    return {
        "name": session.name,
        "readings": session.readings,
        "flagged": session.flagged,
        "fixations": session.fixations_median,
        "looking_s": session.looking_s,
        "duration_ms": session.duration_ms,
        "centre": session.centre_share,
        "practice": _slope(session.practice, "s"),
        "offset": _pair(cross.dx_frac, cross.dy_frac) if cross is not None and known else "–",
        "drift": _drift(cross.drift_x, cross.drift_y) if cross is not None else "–",
        "wander": share(cross.wander_frac) if cross is not None else "–",
        "target": "–" if target is None else _pair(target.dx_frac, target.dy_frac),
        "gain": ""
        if target is None
        else f"on target {100 * target.share_before:.1f} → {share(target.share_after)}",
    }


def _slope(line: Trend | None, unit: str) -> dict[str, str]:
    if line is None:
        return {"value": "–", "range": ""}
    return {"value": f"{line.slope:+.2f} {unit}", "range": f"{line.low:+.2f} to {line.high:+.2f}"}


def _drift(across: Trend | None, down: Trend | None) -> str:
    return "–" if across is None or down is None else _pair(across.slope, down.slope)


def _pair(across: float, down: float) -> str:
    return f"{100 * across:+.1f}, {100 * down:+.1f}\u00a0%"


def _picture(case: FlaggedCase) -> dict[str, Any]:
    row = case.row
    return {
        "id": row.id,
        "line": f"{row.fixations} fixations, {row.looking_s:.1f} s",
        "caption": _words(row),
        "tiles": gaze_tiles(row.id, case.image, case.fixations, None, case.truth),
    }


def _words(row: CaseQuality) -> str:
    return "; ".join(FLAGS[flag] for flag in row.flags).capitalize() + "."


def _flagged(row: CaseQuality) -> dict[str, str]:
    return {
        "id": row.id,
        "why": _words(row),
        "fixations": str(row.fixations),
        "looking": f"{row.looking_s:.1f}",
        "loss": share(row.loss_share, 0),
        "gaps": share(row.gap_share, 0),
        "search": share(row.search_share, 0),
        "outliers": share(row.outlier_share, 0),
        "hull": share(row.hull_area_frac),
        "ratio": fixed(row.coverage_ratio, 1),
    }


def _limits(report: QualityReport) -> list[tuple[str, str, str]]:
    limits = report.thresholds
    return [
        (
            name,
            "not given" if getattr(limits, name) is None else str(getattr(limits, name)),
            field.description or "",
        )
        for name, field in type(limits).model_fields.items()
        if name != "phases"
    ]


def _by_session(report: QualityReport) -> Mapping[str, list[CaseQuality]]:
    names = {(one.annotator, one.session): one.name for one in report.sessions}
    groups: dict[str, list[CaseQuality]] = {}
    for row in report.cases:
        groups.setdefault(names[row.annotator, row.session], []).append(row)
    return groups


def _charts(report: QualityReport) -> list[dict[str, str]]:
    sessions = _by_session(report)
    seen = [row for row in report.cases if row.fixations]
    gaps = [100 * row.gap_share for row in seen if row.gap_share is not None]
    search = [100 * row.search_share for row in seen if row.search_share is not None]
    hull = [100 * row.hull_area_frac for row in seen]
    charts = (
        (
            "Does practice make faster?",
            "A falling line: routine, or haste. A rising one: fatigue, or harder images.",
            practice_chart(sessions),
        ),
        (
            "Does the tracker keep its place?",
            "Where a cross precedes each image, the first look should stay where it is. A step is a new "
            "calibration, a slope a headset or chin rest that slips. Half of it or less is the tracker's.",
            wander_chart(sessions, report.thresholds.window),
        ),
        (
            "Time between fixations",
            "Saccades take 5 to 10 %; more is blinks or lost gaze.",
            _bars(gaps, "gaps", "share of the reading in no fixation, %"),
        ),
        (
            "Time before the look settled",
            "The cross and the search for the target.",
            _bars(search, "search", "share of the reading, %"),
        ),
        (
            "Area looked at",
            "The convex hull of the fixations after the search.",
            _bars(hull, "hull", "share of the image, %"),
        ),
    )
    return [{"title": title, "text": text, "svg": svg} for title, text, svg in charts if svg]


def _bars(values: Sequence[float], name: str, x_label: str) -> str:
    return histogram(values, name=name, label=f"Readings by {x_label}", x_label=x_label, y_label="readings")
