"""Pupil Core surface exports of Pupil Player: fixations or gaze on a surface (CSV)."""

from __future__ import annotations

import math
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
from gaze_insight.gaze.readers.table import Row, Table, read_table
from gaze_insight.gaze.samples import Samples
from gaze_insight.types import Settings

__all__ = ["PUPIL", "PupilSettings", "read_pupil"]

_FIXATION = ("fixation_id", "start_timestamp", "duration", "norm_pos_x", "norm_pos_y")
_GAZE = ("gaze_timestamp", "x_norm", "y_norm", "confidence")
_PREFIXES = ("fixations_on_surface_", "gaze_positions_on_surface_")
_REMEDY = (
    "give fixations_on_surface_NAME.csv or gaze_positions_on_surface_NAME.csv from Pupil Player's export"
)


class PupilSettings(Settings):
    """How to read a surface export.

    Example:
        >>> PupilSettings(surface="screen").image is None
        True
    """

    surface: Surface = Field("image", description="what the surface is: the image, or the screen it was on")
    image: str | None = Field(
        None,
        min_length=1,
        description="the one image of the whole file; null: by trials, else the surface's name",
    )
    min_confidence: float = Field(
        0.6, ge=0, le=1, description="gaze of lower confidence is lost (Pupil Player's own default)"
    )
    annotator: str | None = Field(None, description="who looked")


class _Fixation(NamedTuple):
    number: str
    start_ms: float
    duration_ms: float
    x: float
    y: float
    line: int


def read_pupil(
    path: str | Path, settings: PupilSettings | None = None, context: ReadingContext | None = None
) -> GazeReading:
    r"""Read ``fixations_on_surface_NAME.csv`` or ``gaze_positions_on_surface_NAME.csv``.

    Positions are fractions of the surface with (0, 0) at its lower left, so ``y = 1 - norm_pos_y``. A
    fixation has one row for each frame of the scene video; its position is the mean over these rows
    (counted as ``repeated`` but for the first). Times are Pupil time in ms. The image is the ``image``
    setting, else by the context's trials, else, where the surface is the image, the surface's name. A gaze
    file is read as samples, of which those below `min_confidence` are lost, and fixations are detected.

    Args:
        path: The file; the surface's name is taken from its name.
        settings: What the surface is, and which image.
        context: Geometry (with ``screen_size_px`` where the surface is the screen), event settings, trials.

    Returns:
        The readings by image id and the account.

    Raises:
        DataError: The file cannot be read, is another export, has bad rows (with ``raise``) or no valid
            gaze, or a fact is missing.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp(), "fixations_on_surface_lung7.csv")
        >>> _ = file.write_text("fixation_id,start_timestamp,duration,norm_pos_x,norm_pos_y,on_surf\n"
        ...                     "4,12.5,200,0.50,0.75,True\n4,12.5,200,0.52,0.75,True\n")
        >>> found = read_pupil(file)
        >>> found.fixations["lung7"].to_rows(), found.dropped["repeated"]
        ([[0.51, 0.25, 200.0, 12500.0]], 1)
    """
    settings, context = settings or PupilSettings(), context or ReadingContext()
    table = read_table(path, what="the surface export")
    samples_wanted = "gaze_timestamp" in table.columns
    if context.events is not None and not samples_wanted:
        raise DataError(
            "events are to be detected in samples, but the file holds fixations",
            path=table.path,
            row=1,
            remedy="give gaze_positions_on_surface_NAME.csv, or leave event detection out",
        )
    table.need(_GAZE if samples_wanted else _FIXATION, remedy=_REMEDY)
    image = _image(table.path, settings, context)
    parse = _gaze if samples_wanted else _fixations
    raw, problems, dropped = parse(table, image, settings, context)
    reading = finish_reading(raw, path=table.path, rows=len(table), problems=problems, context=context)
    return replace(reading, dropped=reading.dropped | {name: n for name, n in dropped.items() if n})


_Parsed = tuple[list[RawReading], list[DataError], Counter[str]]


def _image(path: Path, settings: PupilSettings, context: ReadingContext) -> str | None:
    if settings.image is not None:
        return image_id_of(settings.image)
    if context.trials or settings.surface == "screen":
        return None
    name = next((path.stem.removeprefix(start) for start in _PREFIXES if path.stem.startswith(start)), "")
    if not name:
        raise DataError(
            f"the name {path.name!r} does not say which surface it is of",
            path=path,
            remedy="keep the export's name, or state the image",
        )
    return image_id_of(name)


def _fixations(table: Table, image: str | None, settings: PupilSettings, context: ReadingContext) -> _Parsed:
    by_number: dict[str, list[_Fixation]] = {}
    problems: list[DataError] = []
    for row in table.rows():
        try:
            one = _fixation(row)
            known = by_number.setdefault(one.number, [])
            if known and (known[0].start_ms, known[0].duration_ms) != (one.start_ms, one.duration_ms):
                raise row.error(f"fixation {one.number} has another start or duration than before")
            known.append(one)
        except DataError as problem:
            problems.append(problem)
    if not by_number and not problems:
        raise DataError("the file holds no fixation", path=table.path)
    if problems and context.on_bad_row == "raise":
        return [], problems, Counter()
    ordered = sorted((rows for rows in by_number.values() if rows), key=lambda rows: rows[0].start_ms)
    x, y, frame = on_surface(
        [float(np.mean([one.x for one in rows])) for rows in ordered],
        [1.0 - float(np.mean([one.y for one in rows])) for rows in ordered],
        settings.surface,
        context,
        table.path,
    )
    fixations = Fixations(
        x,
        y,
        np.array([rows[0].duration_ms for rows in ordered]),
        np.array([rows[0].start_ms for rows in ordered]),
        frame,
        annotator=settings.annotator,
    )
    lines = [rows[0].line for rows in ordered]
    raw, outside = fixation_readings(fixations, lines, image, context, None, table.path)
    repeated = sum(len(rows) - 1 for rows in ordered)
    return raw, problems, Counter(repeated=repeated, outside_trials=outside)


def _fixation(row: Row) -> _Fixation:
    number, duration_ms = row.text("fixation_id"), row.number("duration")
    if not number:
        raise row.error("fixation_id must hold a number, found nothing")
    if duration_ms <= 0:
        raise row.error(f"duration must be above 0, found {duration_ms:g}")
    start_ms = row.number("start_timestamp") * 1000.0
    return _Fixation(
        number, start_ms, duration_ms, row.number("norm_pos_x"), row.number("norm_pos_y"), row.line
    )


def _gaze(table: Table, image: str | None, settings: PupilSettings, context: ReadingContext) -> _Parsed:
    rows: list[tuple[float, float, float, int]] = []
    problems: list[DataError] = []
    for row in table.rows():
        try:
            t_ms = row.number("gaze_timestamp") * 1000.0
            if rows and t_ms <= rows[-1][0]:
                raise row.error(
                    f"time must go forward, found {t_ms / 1000:.6f} s after {rows[-1][0] / 1000:.6f} s"
                )
            x, y = row.number("x_norm"), row.number("y_norm")
            sure = row.number("confidence") >= settings.min_confidence
            rows.append((t_ms, x if sure else math.nan, 1.0 - y if sure else math.nan, row.line))
        except DataError as problem:
            problems.append(problem)
    if problems and context.on_bad_row == "raise":
        return [], problems, Counter()
    columns = np.array(rows, dtype=np.float64).reshape(-1, 4)
    if not np.isfinite(columns[:, 1]).any():
        raise DataError(
            f"none of the {len(table)} rows holds gaze of confidence {settings.min_confidence:g} or more",
            path=table.path,
        )
    across, down, frame = on_surface(columns[:, 1], columns[:, 2], settings.surface, context, table.path)
    samples = Samples(columns[:, 0], across, down, frame, annotator=settings.annotator)
    lines = [row[3] for row in rows]
    raw, outside = sample_readings(samples, lines, image, context, None, table.path)
    return raw, problems, Counter(outside_trials=outside)


PUPIL = GazeFormat(
    name="pupil",
    what="Pupil Core surface exports: fixations_on_surface_NAME.csv, gaze_positions_on_surface_NAME.csv",
    settings_type=PupilSettings,
    read=read_pupil,
    endings=("fixations_on_surface_*.csv",),
    sample_endings=("gaze_positions_on_surface_*.csv",),
)
