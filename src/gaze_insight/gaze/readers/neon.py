"""Pupil Cloud and Neon Player exports: fixations or gaze mapped to a surface or a reference image (CSV)."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from gaze_insight.errors import DataError
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.gaze.readers.neon_sections import Section, nanoseconds, read_sections, section_image
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
from gaze_insight.types import Frame, Settings, Size

__all__ = ["NEON", "NeonSettings", "read_neon"]

_Vector = NDArray[np.float64]


class _Export(NamedTuple):
    """How an export is recognised: the column of x (y is alike), and of the flag that tells it apart."""

    x: str
    samples: bool
    pixels: bool
    flags: tuple[str, ...] = ()


_EXPORTS = (
    _Export("fixation x [normalized]", samples=False, pixels=False),
    _Export(
        "fixation x [px]",
        samples=False,
        pixels=True,
        flags=("fixation detected in reference image", "fixation status"),
    ),
    _Export("gaze position on surface x [normalized]", samples=True, pixels=False),
    _Export("gaze position in reference image x [px]", samples=True, pixels=True),
)
_SCENE = ("fixation x [px]", "gaze x [px]")
_NONE = ("", "nan", "NaN")


class NeonSettings(Settings):
    r"""How to read an export.

    Example:
        >>> NeonSettings(event_image=r"(.+)\.begin").clock
        'section'
    """

    surface: Surface = Field(
        "image", description="what was mapped to: the image itself, or the screen (or a photo of it)"
    )
    image: str | None = Field(None, min_length=1, description="the one image of the whole file")
    event_image: str | None = Field(
        None, description="regular expression; its first group in a section's start event is the image"
    )
    clock: Literal["section", "utc"] = Field(
        "section", description="clock of trials and views: ms since the section began, or since 1970 (UTC)"
    )
    reference_width_px: int | None = Field(None, gt=0, description="width of the reference image")
    reference_height_px: int | None = Field(None, gt=0, description="height of the reference image")

    @field_validator("event_image")
    @classmethod
    def _has_a_group(cls, value: str | None) -> str | None:
        try:
            groups = 1 if value is None else re.compile(value).groups
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from error
        if groups < 1:
            raise ValueError("it must hold a group (...)")
        return value

    @property
    def reference_size(self) -> Size | None:
        """Height and width of the reference image, where stated."""
        if self.reference_width_px is None or self.reference_height_px is None:
            return None
        return Size(self.reference_height_px, self.reference_width_px)


@dataclass
class _Stream:
    """The rows of one section."""

    section: str
    recording: str
    rows: list[tuple[int, float, float, float, int]] = field(default_factory=list)


def read_neon(
    path: str | Path, settings: NeonSettings | None = None, context: ReadingContext | None = None
) -> GazeReading:
    r"""Read ``fixations.csv`` or ``gaze.csv`` of a Marker Mapper, Reference Image Mapper or Manual Mapper.

    Marker Mapper (and Neon Player's surface tracker) give fractions of a surface with (0, 0) at the upper
    left, the others pixels of the reference image. Each section is read by itself; names of recording and
    wearer come from ``sections.csv`` beside the file. The image is the ``image`` setting, or the name of the
    section's start event by ``event_image``, or comes from the context's trials. Fixations that were not
    mapped have no position and are counted as ``not_mapped``; gaze that was not mapped is lost. Fixations in
    the scene camera's picture are refused: the head moves, so they do not say where on an image they were.

    Args:
        path: The file.
        settings: What was mapped to, and which image.
        context: Geometry (with ``screen_size_px`` where the surface is the screen), event settings, trials.

    Returns:
        The readings by image id and the account.

    Raises:
        DataError: The file cannot be read, is another export, has bad rows (with ``raise``) or no mapped
            gaze, or a fact is missing.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp(), "fixations.csv")
        >>> _ = file.write_text("recording id,start timestamp [ns],duration [ms],"
        ...     "fixation x [normalized],fixation y [normalized]\nr1,1700000000250000000,180,0.5,0.25\n")
        >>> found = read_neon(file, NeonSettings(image="a"))
        >>> found.fixations["a"].x.tolist(), found.facts["a"].session
        ([0.5], 'r1')
    """
    settings, context = settings or NeonSettings(), context or ReadingContext()
    table = read_table(path, what="the export")
    export = _recognise(table, context)
    sections = read_sections(table.path.parent)
    streams, problems, dropped = _parse(table, export)
    raw: list[RawReading] = []
    if not (problems and context.on_bad_row == "raise"):
        if not any(not math.isnan(row[2]) for stream in streams for row in stream.rows):
            raise DataError(f"none of the {len(table)} rows holds mapped gaze", path=table.path)
        for stream in streams:
            found, outside = _readings(stream, export, settings, context, sections, table.path)
            dropped["outside_trials"] += outside
            raw += found
    reading = finish_reading(raw, path=table.path, rows=len(table), problems=problems, context=context)
    return replace(reading, dropped=reading.dropped | {name: n for name, n in dropped.items() if n})


def _recognise(table: Table, context: ReadingContext) -> _Export:
    for export in _EXPORTS:
        flagged = not export.flags or any(name in table.columns for name in export.flags)
        if export.x in table.columns and flagged:
            table.need(_needed(export))
            if context.events is not None and not export.samples:
                raise DataError(
                    "events are to be detected in samples, but the file holds fixations",
                    path=table.path,
                    row=1,
                    remedy="give gaze.csv of the export, or leave event detection out",
                )
            return export
    if any(name in table.columns for name in _SCENE):
        raise DataError(
            "the positions are pixels of the scene camera, which moves with the head: "
            "they do not say where on an image they were",
            path=table.path,
            row=1,
            remedy="export a Marker Mapper or Reference Image Mapper enrichment of the recording",
        )
    table.need([_EXPORTS[0].x], remedy="give fixations.csv or gaze.csv of a mapper's export")
    return _EXPORTS[0]


def _needed(export: _Export) -> Sequence[str]:
    y = export.x.replace(" x [", " y [")
    if export.samples:
        return (export.x, y, "timestamp [ns]")
    return (export.x, y, "start timestamp [ns]", "duration [ms]")


def _parse(table: Table, export: _Export) -> tuple[list[_Stream], list[DataError], Counter[str]]:
    streams: dict[tuple[str, str], _Stream] = {}
    problems: list[DataError] = []
    dropped: Counter[str] = Counter()
    for row in table.rows():
        try:
            key = (_stated(row, "section id"), _stated(row, "recording id"))
            stream = streams.setdefault(key, _Stream(*key))
            parsed = _row(row, export)
            if stream.rows and parsed[0] <= stream.rows[-1][0]:
                raise row.error("time must go forward within a section, but this row is not after the last")
            if not export.samples and math.isnan(parsed[2]):
                dropped["not_mapped"] += 1
                continue
            stream.rows.append(parsed)
        except DataError as problem:
            problems.append(problem)
    return list(streams.values()), problems, dropped


def _stated(row: Row, name: str) -> str:
    return row.text(name) if name in row.table.columns else ""


def _row(row: Row, export: _Export) -> tuple[int, float, float, float, int]:
    """Time in ns, duration in ms (0 for a sample), x, y (both NaN where not mapped), line."""
    duration_ms = 0.0
    if not export.samples:
        duration_ms = row.number("duration [ms]")
        if duration_ms <= 0:
            raise row.error(f"duration [ms] must be above 0, found {duration_ms:g}")
    time_ns = nanoseconds(row, "timestamp [ns]" if export.samples else "start timestamp [ns]")
    x = row.number(export.x, missing=_NONE)
    y = row.number(export.x.replace(" x [", " y ["), missing=_NONE)
    if math.isnan(x) or math.isnan(y):
        x = y = math.nan
    return time_ns, duration_ms, x, y, row.line


def _readings(
    stream: _Stream,
    export: _Export,
    settings: NeonSettings,
    context: ReadingContext,
    sections: dict[str, Section],
    path: Path,
) -> tuple[list[RawReading], int]:
    if not stream.rows:
        return [], 0
    section = sections.get(stream.section)
    session = (stream.recording or None) if section is None else section.recording
    wearer = None if section is None else section.wearer
    image = _image(stream, settings, sections, path)
    start_ns = _zero(stream, section, settings, image, path)
    t_ms = np.array([(row[0] - start_ns) / 1e6 for row in stream.rows])
    x, y, frame, size = _place(stream, export, settings, context, path)
    lines = [row[4] for row in stream.rows]
    if export.samples:
        samples = Samples(t_ms, x, y, frame, size, wearer)
        return sample_readings(samples, lines, image, context, session, path)
    duration_ms = np.array([row[1] for row in stream.rows])
    fixations = Fixations(x, y, duration_ms, t_ms, frame, size, wearer)
    return fixation_readings(fixations, lines, image, context, session, path)


def _image(stream: _Stream, settings: NeonSettings, sections: dict[str, Section], path: Path) -> str | None:
    if settings.image is not None:
        return image_id_of(settings.image)
    if settings.event_image is not None:
        return section_image(stream.section, sections, settings.event_image, path)
    return None


def _zero(
    stream: _Stream, section: Section | None, settings: NeonSettings, image: str | None, path: Path
) -> int:
    """When the recording's clock begins, in ns."""
    if settings.clock == "utc":
        return 0
    if section is not None:
        return section.start_ns
    if image is None:
        raise DataError(
            f"unknown is when section {stream.section!r} began, from which the trials count",
            path=path,
            remedy="keep sections.csv of the export beside the file, or state clock: utc",
        )
    return stream.rows[0][0]


def _place(
    stream: _Stream, export: _Export, settings: NeonSettings, context: ReadingContext, path: Path
) -> tuple[_Vector, _Vector, Frame, Size | None]:
    x, y = np.array([row[2] for row in stream.rows]), np.array([row[3] for row in stream.rows])
    size = settings.reference_size
    if export.pixels and size is None:
        if settings.surface == "screen":
            raise DataError(
                "the positions are pixels of a photo of the screen, and unknown is the photo's size",
                path=path,
                remedy="state reference_width_px and reference_height_px",
            )
        return x, y, "image_px", None
    if export.pixels and size is not None:
        x, y = x / size.width, y / size.height
    return (*on_surface(x, y, settings.surface, context, path), None)


NEON = GazeFormat(
    name="neon",
    what="Pupil Cloud / Neon: fixations.csv or gaze.csv of a Marker, Reference Image or Manual Mapper",
    settings_type=NeonSettings,
    read=read_neon,
    endings=("fixations.csv",),
    sample_endings=("gaze.csv",),
)
