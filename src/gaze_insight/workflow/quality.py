"""`quality`: which recordings of a cohort can be trusted, and a cohort whose gaze is moved back."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from gaze_insight import __version__
from gaze_insight.atomic import write_text_atomic
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.cohort.manifest import MANIFEST
from gaze_insight.errors import DataError, SettingsError
from gaze_insight.gaze.case_quality import CaseQuality, QualityThresholds
from gaze_insight.gaze.correction import CorrectionSettings, reading_offsets
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.gaze.offset import corrected
from gaze_insight.gaze.quality_control import QualityReport, assess
from gaze_insight.gaze.recording import RecordingFacts, image_id_of
from gaze_insight.insight.quality_page import FlaggedCase, QualityContent, write_quality
from gaze_insight.types import BoolArray, Progress, silent

__all__ = [
    "Correction",
    "assess_cohort",
    "correct_cohort",
    "quality_record",
    "write_quality_page",
    "write_quality_table",
]


@dataclass(frozen=True, eq=False)
class Correction:
    """A cohort whose gaze was moved back.

    Args:
        cohort: The new cohort, saved.
        moved: Readings that were moved.
        left: Ids of readings that stayed as they were, since nothing tells their offset.
        off_image: Fixations that lie off the image now; they are kept, and nothing counts them.
        mean_shift_frac: Mean length of the shift over the readings moved.
    """

    cohort: Cohort
    moved: int
    left: tuple[str, ...]
    off_image: int
    mean_shift_frac: float


def assess_cohort(
    cohort: Cohort,
    thresholds: QualityThresholds | None = None,
    *,
    targets: Literal["none", "masks"] = "none",
    order: Sequence[str] = (),
    progress: Progress = silent,
) -> QualityReport:
    """Measure the quality of a cohort's readings.

    Args:
        cohort: The cohort.
        thresholds: What is flagged and warned of.
        targets: ``masks`` estimates each session's offset on the true masks too, those of the test split
            left out: nothing that is made from gaze may have seen them.
        order: Ids in the order of viewing (see `read_order`), where the recording does not tell it. Readings
            that are not named have no place then; names without a reading are passed over.
        progress: Told of each mask read.

    Returns:
        The report; cases without a reading are not in it.

    Raises:
        DataError: A mask cannot be read.
        SettingsError: Masks are wanted and no case outside the test split has both a mask and gaze.

    Example:
        >>> assess_cohort(Cohort("empty", Path("empty"), {})).cases
        ()
    """
    readings = {one: case.fixations for one, case in cohort.cases.items() if case.fixations is not None}
    facts = {one: case.recording for one, case in cohort.cases.items() if case.recording is not None}
    if order:
        place = {one: at for at, one in enumerate(order)}
        facts = {one: replace(facts.get(one, RecordingFacts()), order=place.get(one)) for one in readings}
    known = _masks(cohort, list(readings), progress) if targets == "masks" else None
    return assess(readings, facts, thresholds, targets=known)


def read_order(path: str | Path, cohort: Cohort) -> tuple[str, ...]:
    r"""Read in which order the images were viewed.

    Args:
        path: A text file or table, one image a line, its name in the first column (comma, semicolon or tab
            between). Of several lines of one image, as in a fixation table, the first counts.
        cohort: The cohort, whose ids are looked for.

    Returns:
        The ids of the cohort's cases found, in order.

    Raises:
        DataError: The file cannot be read, or names none of the cohort's images.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp(), "order.txt")
        >>> _ = file.write_text("image\nb.png\na.png\n")
        >>> from gaze_insight.cohort.case import Case
        >>> cohort = Cohort("two", Path("two"), {one: Case(one, Path(one)) for one in "ab"})
        >>> read_order(file, cohort)
        ('b', 'a')
    """
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"the order of viewing cannot be read: {error}", path=path) from error
    names = dict.fromkeys(image_id_of(re.split(r"[,;\t]", line)[0].strip('" ')) for line in lines)
    found = tuple(name for name in names if name in cohort.cases)
    if not found:
        raise DataError(
            "expected image names in the first column, found none of the cohort's",
            path=path,
            remedy="write one image a line, in the order of viewing",
        )
    return found


def _masks(cohort: Cohort, ids: Sequence[str], progress: Progress) -> dict[str, BoolArray]:
    hidden = set(cohort.splits.get("test", ()))
    wanted = [one for one in ids if one not in hidden and cohort.cases[one].mask_path is not None]
    if not wanted:
        raise SettingsError(
            "targets are to be masks, but no case outside the test split has both a mask and gaze",
            remedy="leave --targets out, or import masks",
        )
    masks: dict[str, BoolArray] = {}
    for done, one in enumerate(wanted, start=1):
        mask = cohort.cases[one].read_mask()
        if mask is not None:
            masks[one] = mask
        progress("reading masks", done, len(wanted))
    return masks


def write_quality_table(report: QualityReport, path: str | Path) -> None:
    """Write one row a reading as CSV; several flags are joined by a blank, unknown values are empty.

    Args:
        report: The readings' quality.
        path: The file; replaced in one step.

    Raises:
        DataError: The file cannot be written.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp(), "quality.csv")
        >>> write_quality_table(QualityReport((), (), QualityThresholds()), file)
        >>> file.read_text().split(",")[:2]
        ['id', 'annotator']
    """
    names = [field.name for field in fields(CaseQuality)]
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(names)
    for case in report.cases:
        writer.writerow([_cell(getattr(case, name)) for name in names])
    write_text_atomic(Path(path), buffer.getvalue())


def _cell(value: Any) -> Any:
    if isinstance(value, tuple):
        return " ".join(value)
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.6g}" if isinstance(value, float) else value


def write_quality_page(
    cohort: Cohort,
    report: QualityReport,
    path: str | Path,
    *,
    pictures: int = 6,
    correction: Correction | None = None,
) -> tuple[str, ...]:
    """Write the HTML page of a cohort's gaze quality.

    Args:
        cohort: The cohort that was assessed.
        report: Its quality.
        path: The page; replaced in one step.
        pictures: How many flagged readings are shown, those with most flags first.
        correction: The corrected cohort, if one was made.

    Returns:
        Messages of pictures that could not be read; the page names them too.

    Raises:
        DataError: The page cannot be written.
    """
    shown: list[FlaggedCase] = []
    problems: list[str] = []
    for row in report.flagged:
        if len(shown) == pictures:
            break
        case = cohort.cases[row.id]
        try:
            shown.append(FlaggedCase(row, case.read_image(), case.fixations, case.read_mask()))
        except DataError as error:
            problems.append(f"{row.id}: {error.message}")
    content = QualityContent(
        name=cohort.name,
        report=report,
        without_gaze=len(cohort) - len(report.cases),
        simulated=sum(case.meta.get("gaze") == "simulated" for case in cohort.cases.values()),
        pictures=shown,
        problems=problems,
        correction="" if correction is None else _told(correction),
        version=__version__,
    )
    write_quality(content, Path(path))
    return tuple(problems)


def _told(correction: Correction) -> str:
    left = f"; {len(correction.left)} stayed as they were" if correction.left else ""
    off = f"; {correction.off_image} fixations now lie off the image" if correction.off_image else ""
    return (
        f"{correction.moved:,} readings were moved back by {100 * correction.mean_shift_frac:.1f} % of the "
        f"image on average{left}{off}. The corrected cohort is in {correction.cohort.folder}; this page "
        "shows the gaze as it was recorded."
    )


def correct_cohort(
    cohort: Cohort, report: QualityReport, out: str | Path, settings: CorrectionSettings | None = None
) -> Correction:
    """Write a cohort whose readings are moved back by their offset; images and splits stay.

    ``cohort.yaml`` records under ``source.gaze_correction`` what was done.

    Args:
        cohort: The cohort.
        report: Its quality (with targets for a correction by targets).
        out: Folder of the new cohort; it must not hold one.
        settings: Where the correction comes from.

    Returns:
        What was done.

    Raises:
        DataError: Nothing tells an offset, or the folder cannot be written to.
        SettingsError: `out` holds a cohort already, or this cohort's gaze was corrected before.
    """
    settings, folder = settings or CorrectionSettings(), Path(out)
    if (folder / MANIFEST).exists():
        raise SettingsError("the folder holds a cohort already", path=folder, remedy="name another folder")
    if "gaze_correction" in cohort.source:
        raise SettingsError(
            "the gaze of this cohort was corrected before; a second time would overcorrect",
            path=cohort.folder,
            remedy="start from the cohort as it was imported",
        )
    offsets = reading_offsets(report, settings)
    cases = dict(cohort.cases)
    off_image = 0
    for one, offset in offsets.items():
        reading = cases[one].fixations
        if reading is not None:
            moved = corrected(reading, offset)
            off_image += int((~moved.inside).sum()) - _off_before(reading)
            cases[one] = replace(cases[one], fixations=moved)
    shifts = [float(np.hypot(offset.dx_frac, offset.dy_frac)) for offset in offsets.values()]
    left = tuple(row.id for row in report.cases if row.id not in offsets)
    record = {
        **settings.model_dump(),
        "readings": len(offsets),
        "left_as_they_were": len(left),
        "mean_shift_frac": round(float(np.mean(shifts)), 6),
        "largest_shift_frac": round(max(shifts), 6),
        "off_image": off_image,
        "sessions": _constants(report, settings),
    }
    source = {**cohort.source, "gaze_correction": record}
    made = replace(cohort, folder=folder, cases=cases, source=source)
    made.save()
    return Correction(made, len(offsets), left, off_image, float(np.mean(shifts)))


def _off_before(reading: Fixations) -> int:
    return int((~reading.to_frame("image_unit").inside).sum())


def _constants(report: QualityReport, settings: CorrectionSettings) -> list[dict[str, Any]]:
    """Return the constant part of each session's offset; `known` says whether there is one."""
    rows: list[dict[str, Any]] = []
    for session in report.sessions:
        found = session.target if settings.source == "targets" else session.cross
        if found is not None:
            place = {"dx_frac": round(found.dx_frac, 6), "dy_frac": round(found.dy_frac, 6)}
            rows.append({"session": session.name, **place, "estimated_from": found.readings})
    return rows


def quality_record(report: QualityReport) -> dict[str, Any]:
    """Return a report as plain values: counts, sessions, warnings and the flagged readings.

    Args:
        report: The readings' quality.

    Returns:
        What JSON can hold.

    Example:
        >>> quality_record(QualityReport((), (), QualityThresholds()))["readings"]
        0
    """
    return {
        "readings": len(report.cases),
        "flagged": len(report.flagged),
        "flags": report.flags,
        "sessions": [{"name": one.name, **asdict(one)} for one in report.sessions],
        "warnings": list(report.warnings),
        "flagged_readings": [asdict(row) for row in report.flagged],
        "thresholds": report.thresholds.model_dump(mode="json"),
    }
