"""Gazepoint Analysis exports: the fixations of a user, or all gaze of a user (CSV)."""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from pydantic import Field

from gaze_insight.errors import DataError
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.gaze.readers.reading import (
    GazeReading,
    RawReading,
    ReadingContext,
    finish_reading,
    image_id_of,
)
from gaze_insight.gaze.readers.registry import GazeFormat
from gaze_insight.gaze.readers.showings import fixation_readings, sample_readings
from gaze_insight.gaze.readers.surfaces import Surface, on_surface
from gaze_insight.gaze.readers.table import Row, Table
from gaze_insight.gaze.readers.wide_table import read_columns, read_header
from gaze_insight.gaze.samples import Samples
from gaze_insight.types import Settings

__all__ = ["GAZEPOINT", "GazepointSettings", "read_gazepoint"]

_TIME = re.compile(r"TIME\s*(\(.*\))?", re.IGNORECASE)
_TICK = re.compile(r"TIMETICK\s*(\(.*\))?", re.IGNORECASE)
_KIND = re.compile(r"_(fixations|all_gaze)$", re.IGNORECASE)
_FIXATION = ("FPOGX", "FPOGY", "FPOGS", "FPOGD", "FPOGID", "FPOGV")
_BEST = ("BPOGX", "BPOGY", "BPOGV")
_NONE = ("", "nan", "NaN")
_WHAT = "the Gazepoint export"


class GazepointSettings(Settings):
    """How to read a Gazepoint export.

    Example:
        >>> GazepointSettings().surface
        'screen'
    """

    image_column: str = Field("MEDIA_NAME", description="the column that names the image shown")
    image: str | None = Field(None, min_length=1, description="the one image of the whole file")
    surface: Surface = Field(
        "screen", description="what positions are fractions of: the screen, or the image that filled it"
    )
    annotator: str | None = Field(
        None, description="who looked; null: the file's name without _fixations or _all_gaze"
    )


class _Record(NamedTuple):
    line: int
    image: str
    t_ms: float
    tick: float
    fixation: tuple[float, float, float, float] | None
    number: str
    gaze: tuple[float, float] | None


def read_gazepoint(
    path: str | Path, settings: GazepointSettings | None = None, context: ReadingContext | None = None
) -> GazeReading:
    r"""Read ``NAME_fixations.csv`` or ``NAME_all_gaze.csv`` of Gazepoint Analysis.

    Positions are fractions of the screen with (0, 0) at the upper left (Gazepoint Open Gaze API). A fixation
    is the last valid row (``FPOGV`` 1) of its ``FPOGID``: ``FPOGX``, ``FPOGY``, from ``FPOGS`` seconds for
    ``FPOGD`` seconds. With event settings in the context, fixations are detected in ``BPOGX``, ``BPOGY``
    (lost where ``BPOGV`` is 0) at ``TIME`` instead, which takes an all-gaze file. The image is
    ``MEDIA_NAME``, where the same name again after another is a new showing; or the ``image`` setting; or the
    context's trials on the clock of ``FPOGS`` or ``TIME``. Rows without a name are counted as ``no_image``,
    fixations that are never valid as ``not_valid``, samples at the time of the one before as ``same_time``,
    what lies in no trial as ``outside_trials``.

    Args:
        path: The file.
        settings: Columns and surface.
        context: Geometry (with ``screen_size_px``), event settings, trials, what to do with bad rows.

    Returns:
        The readings by image id and the account. The share lost is known from all-gaze files only.

    Raises:
        DataError: The file cannot be read, lacks a column, has bad rows (with ``raise``) or no valid gaze, or
            the screen's size is unknown.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp(), "User 1_fixations.csv")
        >>> _ = file.write_text("MEDIA_ID,MEDIA_NAME,FPOGX,FPOGY,FPOGS,FPOGD,FPOGID,FPOGV,\n"
        ...                     "0,a.png,0.5,0.25,0.1,0.3,1,1,\n")
        >>> found = read_gazepoint(file, GazepointSettings(surface="image"))
        >>> found.fixations["a"].to_rows(), found.fixations["a"].annotator
        ([[0.5, 0.25, 300.0, 100.0]], 'User 1')
    """
    settings, context = settings or GazepointSettings(), context or ReadingContext()
    by_trial = settings.image is not None or bool(context.trials)
    places = _places(read_header(path, what=_WHAT), settings, context, by_trial)
    table = read_columns(path, places.columns().__contains__, what=_WHAT, strict=True)
    records, problems = _parse(table, places, by_trial)
    raw: list[RawReading] = []
    dropped: Counter[str] = Counter()
    if not (problems and context.on_bad_row == "raise"):
        named = [record for record in records if record.image or by_trial]
        dropped["no_image"] = len(records) - len(named)
        _check_gaze(named, table, context)
        for run in _runs(named, by_trial):
            raw += _readings(run, settings, context, table.path, dropped, by_trial)
    reading = finish_reading(raw, path=table.path, rows=len(table), problems=problems, context=context)
    return replace(reading, dropped=reading.dropped | {name: n for name, n in dropped.items() if n})


class _Places(NamedTuple):
    image: str | None
    time: str | None
    tick: str | None
    fixation: bool
    gaze: bool

    def columns(self) -> set[str]:
        single = {name for name in (self.image, self.time, self.tick) if name is not None}
        return single | set(_FIXATION if self.fixation else ()) | set(_BEST if self.gaze else ())


def _places(header: Table, settings: GazepointSettings, context: ReadingContext, by_trial: bool) -> _Places:
    time = next((name for name in header.columns if _TIME.fullmatch(name)), None)
    needed = [*(() if by_trial else (settings.image_column,))]
    needed += [*_BEST, time or "TIME"] if context.events is not None else [*_FIXATION]
    header.need(needed, remedy="export fixations or all gaze from Gazepoint Analysis as CSV")
    return _Places(
        image=None if by_trial else settings.image_column,
        time=time,
        tick=next((name for name in header.columns if _TICK.fullmatch(name)), None),
        fixation=all(name in header.columns for name in _FIXATION),
        gaze=time is not None and all(name in header.columns for name in _BEST),
    )


def _parse(table: Table, places: _Places, by_trial: bool) -> tuple[list[_Record], list[DataError]]:
    records: list[_Record] = []
    problems: list[DataError] = []
    for row in table.rows():
        try:
            record = _record(row, places)
            _check_clock(row, record, records[-1] if records else None, by_trial)
            records.append(record)
        except DataError as problem:
            problems.append(problem)
    return records, problems


def _record(row: Row, place: _Places) -> _Record:
    fixation = gaze = None
    if place.fixation and row.flag("FPOGV"):
        x, y, start, duration = (row.number(name) for name in ("FPOGX", "FPOGY", "FPOGS", "FPOGD"))
        if duration < 0:
            raise row.error(f"FPOGD must not be negative, found {duration:g}")
        fixation = (x, y, duration * 1000.0, start * 1000.0)
    if place.gaze and row.flag("BPOGV"):
        gaze = (row.number("BPOGX"), row.number("BPOGY"))
    return _Record(
        row.line,
        "" if place.image is None else image_id_of(row.text(place.image)),
        math.nan if place.time is None else row.number(place.time) * 1000.0,
        math.nan if place.tick is None else row.number(place.tick, missing=_NONE),
        fixation,
        row.text("FPOGID") if place.fixation else "",
        gaze,
    )


def _check_clock(row: Row, record: _Record, before: _Record | None, by_trial: bool) -> None:
    """Refuse time that goes back while one image is shown; a new showing may start its clock anew."""
    if before is None or (not by_trial and (before.image != record.image or record.tick > before.tick)):
        return
    if record.t_ms < before.t_ms:
        raise row.error(f"time goes back, from {before.t_ms / 1000:g} s to {record.t_ms / 1000:g} s")
    if record.fixation and before.fixation and record.fixation[3] < before.fixation[3]:
        raise row.error(f"FPOGS goes back, from {before.fixation[3] / 1e3:g} to {record.fixation[3] / 1e3:g}")


def _check_gaze(records: list[_Record], table: Table, context: ReadingContext) -> None:
    detects = context.events is not None
    if not any(record.gaze if detects else record.fixation for record in records):
        what = "BPOGV" if detects else "FPOGV"
        raise DataError(f"none of the {len(table)} rows holds valid gaze ({what} 1)", path=table.path)
    fixations = [(record.image, record.number) for record in records if record.fixation]
    if detects and len(fixations) == len(records) == len(set(fixations)) and len(records) > 1:
        raise DataError(
            "events are to be detected in samples, but each row is a fixation",
            path=table.path,
            row=records[0].line,
            remedy="give the _all_gaze.csv file, or leave event detection out",
        )


def _runs(records: list[_Record], whole: bool) -> list[list[_Record]]:
    """Split into showings: where the image changes, and where its clock starts anew."""
    runs: list[list[_Record]] = []
    for record in records:
        before = runs[-1][-1] if runs else None
        anew = before is not None and (record.t_ms < before.t_ms or _starts_anew(record, before))
        if before is None or (not whole and (record.image != before.image or anew)):
            runs.append([])
        runs[-1].append(record)
    return runs


def _starts_anew(record: _Record, before: _Record) -> bool:
    if record.fixation is None or before.fixation is None:
        return False
    return record.fixation[3] < before.fixation[3]


def _readings(
    run: list[_Record],
    settings: GazepointSettings,
    context: ReadingContext,
    path: Path,
    dropped: Counter[str],
    by_trial: bool,
) -> list[RawReading]:
    name = settings.annotator or _KIND.sub("", path.stem)
    image = run[0].image
    if by_trial:
        image = "" if settings.image is None else image_id_of(settings.image)
    samples, lines = _samples(run, settings, context, name, path)
    if context.events is not None:
        dropped["same_time"] += len(run) - len(samples)
        found, outside = sample_readings(samples, lines, image or None, context, None, path)
        dropped["outside_trials"] += outside
        return found
    fixations, lines = _fixations(run, settings, context, name, path, dropped)
    found, outside = fixation_readings(fixations, lines, image or None, context, None, path)
    dropped["outside_trials"] += outside
    if image and len(samples) and len(run) > len({record.number for record in run}):
        return [replace(one, trial_ms=samples.span_ms, loss_share=samples.loss_share) for one in found]
    return found


def _samples(
    run: list[_Record], settings: GazepointSettings, context: ReadingContext, name: str, path: Path
) -> tuple[Samples, list[int]]:
    """Return the gaze of one showing and its lines; of rows with the same time the first."""
    timed = [record for record in run if not math.isnan(record.t_ms)]
    t_ms, first = np.unique([record.t_ms for record in timed], return_index=True)
    gaze = np.array([timed[index].gaze or (math.nan, math.nan) for index in first]).reshape(-1, 2)
    x, y, frame = on_surface(gaze[:, 0], gaze[:, 1], settings.surface, context, path)
    return Samples(t_ms, x, y, frame, annotator=name), [timed[index].line for index in first]


def _fixations(
    run: list[_Record],
    settings: GazepointSettings,
    context: ReadingContext,
    name: str,
    path: Path,
    dropped: Counter[str],
) -> tuple[Fixations, list[int]]:
    latest = {record.number: record for record in run if record.fixation is not None}
    dropped["not_valid"] += len({record.number for record in run} - latest.keys())
    rows = [(*record.fixation, record.line) for record in latest.values() if record.fixation is not None]
    whole = sorted((row for row in rows if row[2] > 0), key=lambda row: row[3])
    dropped["not_valid"] += len(rows) - len(whole)
    table = np.array(whole, dtype=np.float64).reshape(-1, 5)
    x, y, frame = on_surface(table[:, 0], table[:, 1], settings.surface, context, path)
    fixations = Fixations(x, y, table[:, 2], table[:, 3], frame, annotator=name)
    return fixations, [int(line) for line in table[:, 4]]


GAZEPOINT = GazeFormat(
    name="gazepoint",
    what="Gazepoint Analysis: NAME_fixations.csv, or NAME_all_gaze.csv",
    settings_type=GazepointSettings,
    read=read_gazepoint,
    endings=("_fixations.csv",),
    sample_endings=("_all_gaze.csv",),
)
