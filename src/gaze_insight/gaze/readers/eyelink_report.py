"""Fixation reports of EyeLink Data Viewer: one fixation a row, positions on the screen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import Field

from gaze_insight.errors import DataError
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.gaze.readers.decimal_mark import DecimalMark, with_decimal_mark
from gaze_insight.gaze.readers.reading import GazeReading, RawReading, ReadingContext, finish_reading
from gaze_insight.gaze.readers.registry import GazeFormat
from gaze_insight.gaze.readers.table import Row, Table, read_table
from gaze_insight.gaze.recording import image_id_of
from gaze_insight.types import Settings

__all__ = ["EYELINK_REPORT", "EyeLinkReportSettings", "read_eyelink_report"]

_IMAGE_COLUMNS = ("image", "image_name", "imagefile", "image_file", "img", "picture", "stimulus")
_MISSING = (".", "")


class EyeLinkReportSettings(Settings):
    """Which column of a fixation report holds what; the defaults are Data Viewer's own names.

    Example:
        >>> EyeLinkReportSettings(image="scan").x
        'CURRENT_FIX_X'
    """

    image: str | None = Field(
        None,
        description="the trial variable that names the image; null: the one called image, IMAGE_NAME ...",
    )
    session: str = Field("RECORDING_SESSION_LABEL", description="the recording")
    trial: str = Field("TRIAL_INDEX", description="the trial within the recording")
    x: str = Field("CURRENT_FIX_X", description="horizontal position, screen pixels")
    y: str = Field("CURRENT_FIX_Y", description="vertical position, screen pixels")
    start: str = Field("CURRENT_FIX_START", description="start, ms from the trial's start")
    duration: str = Field("CURRENT_FIX_DURATION", description="duration, ms")
    trial_start: str = Field(
        "TRIAL_START_TIME", description="start of the trial on the recording's clock; read where it is there"
    )
    trial_duration: str = Field("IP_DURATION", description="time shown, ms; read where it is there")
    eye_used: str = Field("EYE_USED", description="which eye; read where it is there")
    eye: Literal["best", "left", "right"] = Field(
        "best", description="of two eyes in one trial; best: the one with more time in fixations"
    )
    annotator: str | None = Field(None, description="column of who looked; null: the recording")
    decimal: DecimalMark = Field("auto", description="the decimal mark; auto: as the numbers have it")


class _Fixation(NamedTuple):
    session: str
    trial: str
    image: str
    annotator: str
    eye: str
    x: float
    y: float
    duration_ms: float
    start_ms: float
    trial_ms: float
    line: int


def read_eyelink_report(
    path: str | Path, settings: EyeLinkReportSettings | None = None, context: ReadingContext | None = None
) -> GazeReading:
    r"""Read a fixation report of SR Research's Data Viewer, tab-separated (or CSV), UTF-8 or UTF-16.

    "." is missing: a fixation without a position is counted as ``no_position``, a row whose image is missing
    as ``no_image``. Each trial of a recording is one showing of its image. Starts count from the trial's
    start; with ``TRIAL_START_TIME`` in the report they are put on the recording's clock, which views that
    change in time need. Where one trial holds both eyes, one is taken and the other's rows are counted as
    ``other_eye``. Positions are screen pixels: the context's geometry says where the image stood.

    Args:
        path: The file.
        settings: Columns, eye, decimal mark.
        context: Geometry, what to do with bad rows.

    Returns:
        The readings by image id and the account.

    Raises:
        DataError: The file cannot be read, lacks a column, has bad rows (with ``raise``: text for a number,
            a duration that is not positive, a trial whose time goes back, a row cut short), or holds no
            fixation with a position.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp(), "report.txt")
        >>> names = "RECORDING_SESSION_LABEL TRIAL_INDEX CURRENT_FIX_X CURRENT_FIX_Y CURRENT_FIX_START"
        >>> _ = file.write_text("\n".join([
        ...     "\t".join([*names.split(), "CURRENT_FIX_DURATION", "image"]),
        ...     "s1\t1\t500,5\t125,0\t30\t200\tscan.png",
        ... ]))
        >>> read_eyelink_report(file).fixations["scan"].to_rows()
        [[500.5, 125.0, 200.0, 30.0]]
    """
    settings, context = settings or EyeLinkReportSettings(), context or ReadingContext()
    table = read_table(path, what="the fixation report")
    needed = [settings.session, settings.trial, settings.x, settings.y, settings.start, settings.duration]
    table.need(
        [*needed, *([settings.annotator] if settings.annotator else [])],
        remedy="add it to the report in Data Viewer, or name the column that holds it",
    )
    image = _image_column(table, settings)
    numbers = [settings.x, settings.y, settings.start, settings.duration]
    table = with_decimal_mark(table, numbers, settings.decimal)
    found: dict[tuple[str, str, str], list[_Fixation]] = {}
    last: dict[tuple[str, str, str], float] = {}
    problems: list[DataError] = []
    dropped = {"no_image": 0, "no_position": 0, "other_eye": 0}
    for row in table.rows():
        try:
            one = _fixation(row, table, settings, image)
            if not one.image:
                dropped["no_image"] += 1
                continue
            key = (one.session, one.trial, one.eye)
            if one.start_ms < last.get(key, -math.inf):
                raise row.error(f"time goes back within trial {one.trial}: {one.start_ms:.10g} ms")
            last[key] = one.start_ms
            if math.isnan(one.x) or math.isnan(one.y):
                dropped["no_position"] += 1
                continue
        except DataError as problem:
            problems.append(problem)
            continue
        found.setdefault((one.session, one.trial, one.image), []).append(one)
    if not found and not problems:
        raise DataError(f"none of the {len(table)} rows holds a fixation with a position", path=table.path)
    raw = []
    for group in _in_order(found):
        taken = _one_eye(group, settings.eye)
        dropped["other_eye"] += len(group) - len(taken)
        raw.append(_reading(group, taken))
    reading = finish_reading(raw, path=table.path, rows=len(table), problems=problems, context=context)
    counted = {name: count for name, count in dropped.items() if count}
    return replace(reading, dropped=reading.dropped | counted)


def _image_column(table: Table, settings: EyeLinkReportSettings) -> str:
    if settings.image is not None:
        table.need([settings.image], remedy="name the trial variable that holds the image (image: NAME)")
        return settings.image
    known = [name for name in table.columns if name.lower() in _IMAGE_COLUMNS]
    if len(known) != 1:
        what = f"{len(known)} columns could name the image" if known else "no column names the image"
        raise DataError(
            f"{what}; found: {', '.join(known or table.columns)}",
            path=table.path,
            row=1,
            remedy="name the trial variable that holds the image (image: NAME)",
        )
    return known[0]


def _fixation(row: Row, table: Table, settings: EyeLinkReportSettings, image: str) -> _Fixation:
    def optional(name: str) -> float:
        return row.number(name, missing=_MISSING) if name in table.columns else math.nan

    duration = row.number(settings.duration)
    if duration <= 0:
        raise row.error(f"{settings.duration} must be above 0, found {duration:g}")
    session, shown = row.text(settings.session), row.text(image)
    trial_start = optional(settings.trial_start)
    return _Fixation(
        session,
        row.text(settings.trial),
        "" if shown in _MISSING or shown.upper().startswith("UNDEFINED") else image_id_of(shown),
        session if settings.annotator is None else row.text(settings.annotator),
        row.text(settings.eye_used).lower() if settings.eye_used in table.columns else "",
        row.number(settings.x, missing=_MISSING),
        row.number(settings.y, missing=_MISSING),
        duration,
        row.number(settings.start) + (0.0 if math.isnan(trial_start) else trial_start),
        optional(settings.trial_duration),
        row.line,
    )


def _in_order(found: dict[tuple[str, str, str], list[_Fixation]]) -> list[list[_Fixation]]:
    """Return the showings by recording, in the order of their trials where these are numbers."""
    sessions = list(dict.fromkeys(session for session, _, _ in found))

    def place(key: tuple[str, str, str]) -> tuple[int, float]:
        return sessions.index(key[0]), float(key[1]) if key[1].isdigit() else 0.0

    return [found[key] for key in sorted(found, key=place)]


def _one_eye(group: Sequence[_Fixation], eye: str) -> list[_Fixation]:
    eyes = dict.fromkeys(one.eye for one in group)
    if len(eyes) < 2:
        return list(group)
    if eye == "best":
        eye = max(eyes, key=lambda name: sum(one.duration_ms for one in group if one.eye == name))
    return [one for one in group if one.eye == eye]


def _reading(group: Sequence[_Fixation], taken: Sequence[_Fixation]) -> RawReading:
    first = group[0]
    trial_ms = next((one.trial_ms for one in group if one.trial_ms > 0), None)
    fixations = Fixations.from_rows(
        [(one.x, one.y, one.duration_ms, one.start_ms) for one in taken],
        "screen_px",
        annotator=first.annotator or None,
    )
    return RawReading(first.image, fixations, first.line, session=first.session or None, trial_ms=trial_ms)


EYELINK_REPORT = GazeFormat(
    name="eyelink_report",
    what="fixation reports of EyeLink Data Viewer (TSV or CSV), positions on the screen",
    settings_type=EyeLinkReportSettings,
    read=read_eyelink_report,
    endings=(".txt", ".tsv", ".csv", ".xls"),
)
