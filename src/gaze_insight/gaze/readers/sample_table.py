"""Sample tables: CSV, TSV or other delimited text, one gaze sample a row, any column names."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Literal, Self

import numpy as np
from pydantic import ConfigDict, Field, model_validator

from gaze_insight.errors import DataError
from gaze_insight.gaze.readers.reading import (
    GazeReading,
    RawReading,
    ReadingContext,
    finish_reading,
    image_id_of,
)
from gaze_insight.gaze.readers.registry import GazeFormat
from gaze_insight.gaze.readers.showings import Showing, detect_reading, sample_readings
from gaze_insight.gaze.readers.table import Row, Table, read_table
from gaze_insight.gaze.samples import Samples
from gaze_insight.types import Frame, Settings

__all__ = ["SAMPLE_TABLE", "SampleColumns", "SampleTableSettings", "read_sample_table"]

_MS_PER: dict[str, float] = {"ms": 1.0, "s": 1e3, "us": 1e-3, "ns": 1e-6}


class SampleColumns(Settings):
    """Which column holds what; in a file without header the columns are called 1, 2, 3, ...

    Example:
        >>> SampleColumns(time="n", validity="val").time
        'n'
    """

    model_config = ConfigDict(coerce_numbers_to_str=True)

    time: str | None = Field("time", description="time of the sample; null where rows follow at rate_hz")
    x: str = Field("x", description="horizontal position")
    y: str = Field("y", description="vertical position")
    x_other: str | None = Field(None, description="horizontal position of the other eye")
    y_other: str | None = Field(None, description="vertical position of the other eye")
    image: str | None = Field(None, description="the image shown; null: by trials, or the image setting")
    annotator: str | None = Field(None, description="who looked; null if not recorded")
    session: str | None = Field(None, description="the recording; null: one a file, or one an annotator")
    validity: str | None = Field(None, description="whether the sample is valid; null if not recorded")

    @model_validator(mode="after")
    def _both_of_the_other_eye(self) -> Self:
        if (self.x_other is None) != (self.y_other is None):
            raise ValueError("x_other and y_other belong together")
        return self

    def needed(self) -> list[str]:
        """Return the columns without which a table cannot be read.

        Example:
            >>> SampleColumns(time=None).needed()
            ['x', 'y']
        """
        return [name for name in self.model_dump().values() if name is not None]


class SampleTableSettings(Settings):
    """How to read a table of gaze samples.

    Example:
        >>> gazebase = SampleTableSettings(frame="degrees", valid=("0",), image="slide",
        ...                                columns=SampleColumns(time="n", validity="val"))
        >>> gazebase.time_unit
        'ms'
    """

    model_config = ConfigDict(coerce_numbers_to_str=True)

    columns: SampleColumns = Field(SampleColumns(), description="which column holds what")
    frame: Frame = Field("screen_px", description="what the positions are")
    time_unit: Literal["ms", "s", "us", "ns"] = Field("ms", description="unit of the time column")
    rate_hz: float | None = Field(None, gt=0, description="samples a second, where there is no time column")
    header: bool = Field(True, description="whether the first row names the columns")
    comment: str | None = Field(None, min_length=1, description="lines that begin with this are left out")
    decimal: Literal[".", ","] = Field(".", description="the decimal mark")
    missing: tuple[str, ...] = Field(
        ("", "nan", "NaN", "NAN", "NA", "null", ".", "-"), description="position cells that hold no value"
    )
    valid: tuple[str, ...] = Field(
        ("1", "true", "True"), min_length=1, description="texts in the validity column of a valid sample"
    )
    zero_is_lost: bool = Field(False, description="whether x = y = 0 means that gaze was lost")
    where: Mapping[str, str] = Field(
        default_factory=dict, description="column to text: only rows that hold it are samples"
    )
    image: str | None = Field(None, min_length=1, description="the one image of the whole file")

    @model_validator(mode="after")
    def _one_clock(self) -> Self:
        if (self.columns.time is None) == (self.rate_hz is None):
            raise ValueError("state either columns.time or rate_hz")
        return self


@dataclass
class _Stream:
    """Samples of one recording, as they come."""

    session: str | None
    annotator: str | None
    t_ms: list[float] = field(default_factory=list)
    x: list[float] = field(default_factory=list)
    y: list[float] = field(default_factory=list)
    images: list[str] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)


def read_sample_table(
    path: str | Path, settings: SampleTableSettings | None = None, context: ReadingContext | None = None
) -> GazeReading:
    r"""Read gaze samples and find the fixations in them.

    The images come from the image column (each run of rows with one name is a showing; rows without a name
    are counted as ``no_image``), or from the ``image`` setting, or from the context's trials (samples outside
    all of them are counted as ``outside_trials``). With a second eye, a sample is the mean of the eyes that
    hold a value. Times must go forward within a recording. Rows that `where` leaves out are counted as
    ``other_rows``. Without event settings in the context the defaults of `EventSettings` apply.

    Args:
        path: The file: UTF-8, with comma, tab, semicolon or | between.
        settings: Columns, frame, unit of time, what means lost.
        context: Geometry, event settings, trials, what to do with bad rows.

    Returns:
        The readings by image id and the account.

    Raises:
        DataError: The file cannot be read, lacks a column, has bad rows (with ``raise``), holds no valid
            gaze, or a fact is missing: which image was shown, or how the frame becomes the thresholds' unit.

    Example:
        >>> import tempfile
        >>> from gaze_insight.gaze.events import EventSettings
        >>> file = Path(tempfile.mkdtemp(), "p1.csv")
        >>> rows = [f"{t},{0.3 if t < 200 else 0.7},0.5" for t in range(0, 400, 4)]
        >>> _ = file.write_text("\n".join(["time,x,y", *rows]))
        >>> events = EventSettings(unit="image_unit", velocity_threshold=1.0, max_distance=0.02)
        >>> found = read_sample_table(file, SampleTableSettings(frame="image_unit", image="a"),
        ...                           ReadingContext(events=events))
        >>> found.fixations["a"].x.round(6).tolist(), found.facts["a"].loss_share
        ([0.3, 0.7], 0.0)
    """
    settings, context = settings or SampleTableSettings(), context or ReadingContext()
    table = read_table(
        path,
        what="the sample table",
        header=settings.header,
        comment=settings.comment,
        decimal=settings.decimal,
    )
    table.need(
        [*settings.columns.needed(), *settings.where],
        remedy="name the columns that differ (columns.x, columns.time, ...)",
    )
    streams, problems, other = _parse(table, settings)
    raw: list[RawReading] = []
    unplaced = 0
    if problems and context.on_bad_row == "raise":
        streams = []
    elif not any(not math.isnan(x) for stream in streams for x in stream.x):
        raise DataError(f"none of the {len(table)} rows holds valid gaze", path=table.path)
    for stream in streams:
        found, left_out = _readings(stream, settings, context, table.path)
        unplaced += left_out
        raw += found
    reading = finish_reading(raw, path=table.path, rows=len(table), problems=problems, context=context)
    reason = "no_image" if settings.columns.image is not None else "outside_trials"
    counted = {reason: unplaced, "other_rows": other}
    return replace(reading, dropped=reading.dropped | {name: n for name, n in counted.items() if n})


def _parse(table: Table, settings: SampleTableSettings) -> tuple[list[_Stream], list[DataError], int]:
    streams: dict[tuple[str | None, str | None], _Stream] = {}
    problems: list[DataError] = []
    other = 0
    for row in table.rows():
        try:
            if settings.where and any(row.text(name) != text for name, text in settings.where.items()):
                other += 1
                continue
            _add(row, streams, settings)
        except DataError as problem:
            problems.append(problem)
    return list(streams.values()), problems, other


def _add(
    row: Row, streams: dict[tuple[str | None, str | None], _Stream], settings: SampleTableSettings
) -> None:
    columns = settings.columns
    width = len(row.table.columns)
    if len(row.cells) > width and any(cell.strip() for cell in row.cells[width:]):
        raise row.error(f"the row has {len(row.cells)} cells, the header {width}")
    annotator = row.text(columns.annotator) or None if columns.annotator is not None else None
    session = row.text(columns.session) or None if columns.session is not None else annotator
    if (session, annotator) not in streams:
        streams[session, annotator] = _Stream(session, annotator)
    stream = streams[session, annotator]
    if columns.time is not None:
        t_ms = row.number(columns.time) * _MS_PER[settings.time_unit]
    else:
        t_ms = len(stream.t_ms) * 1000.0 / float(settings.rate_hz or 1.0)
    if stream.t_ms and t_ms <= stream.t_ms[-1]:
        raise row.error(
            f"time must go forward within a recording, found {t_ms:.10g} ms after {stream.t_ms[-1]:.10g} ms"
        )
    image = row.text(columns.image) if columns.image is not None else ""
    x, y = _position(row, settings)
    stream.t_ms.append(t_ms)
    stream.x.append(x)
    stream.y.append(y)
    stream.images.append(image)
    stream.lines.append(row.line)


def _position(row: Row, settings: SampleTableSettings) -> tuple[float, float]:
    columns = settings.columns
    x, y = _eye(row, columns.x, columns.y, settings)
    if columns.x_other is not None and columns.y_other is not None:
        x_other, y_other = _eye(row, columns.x_other, columns.y_other, settings)
        if math.isnan(x):
            x, y = x_other, y_other
        elif not math.isnan(x_other):
            x, y = (x + x_other) / 2, (y + y_other) / 2
    if columns.validity is not None and row.text(columns.validity) not in settings.valid:
        return math.nan, math.nan
    return x, y


def _eye(row: Row, x_name: str, y_name: str, settings: SampleTableSettings) -> tuple[float, float]:
    x, y = row.number(x_name, missing=settings.missing), row.number(y_name, missing=settings.missing)
    if math.isnan(x) or math.isnan(y) or (settings.zero_is_lost and x == 0 and y == 0):
        return math.nan, math.nan
    return x, y


def _readings(
    stream: _Stream, settings: SampleTableSettings, context: ReadingContext, path: Path
) -> tuple[list[RawReading], int]:
    samples = Samples(
        np.array(stream.t_ms),
        np.array(stream.x),
        np.array(stream.y),
        settings.frame,
        annotator=stream.annotator,
    )
    if settings.columns.image is not None:
        showings, without = _runs(stream, samples)
        return [detect_reading(showing, context, path) for showing in showings], without
    image = None if settings.image is None else image_id_of(settings.image)
    return sample_readings(samples, stream.lines, image, context, stream.session, path)


def _runs(stream: _Stream, samples: Samples) -> tuple[list[Showing], int]:
    """One showing for each run of samples that name the same image."""
    names = np.array(stream.images, dtype=object)
    edges = [0, *(np.flatnonzero(names[1:] != names[:-1]) + 1).tolist(), len(names)]
    showings, without = [], 0
    for first, stop in pairwise(edges):
        image = image_id_of(stream.images[first])
        if image:
            part = samples.select(np.arange(first, stop))
            showings.append(Showing(image, part, stream.lines[first], stream.session))
        else:
            without += stop - first
    return showings, without


SAMPLE_TABLE = GazeFormat(
    name="sample_table",
    what="any table of gaze samples with a column map; fixations are detected",
    settings_type=SampleTableSettings,
    read=read_sample_table,
    endings=(".csv", ".tsv", ".txt"),
)
