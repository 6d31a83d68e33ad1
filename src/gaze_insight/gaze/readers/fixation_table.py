"""Fixation tables: CSV or TSV, one fixation a row, any column names."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Literal, NamedTuple

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
from gaze_insight.gaze.readers.table import Row, read_table
from gaze_insight.types import Frame, Settings, Size

__all__ = ["FIXATION_TABLE", "FixationColumns", "FixationTable", "read_fixation_table"]

_MS_PER: dict[str, float] = {"ms": 1.0, "s": 1000.0}


class FixationColumns(Settings):
    """Which column of the table holds what. The defaults are GazeMedSeg's names.

    Without `start_ms` the rows of an image are taken to be in time order and each fixation to begin where the
    one before it ends. `image_height` and `image_width` are used where the table has them.

    Example:
        >>> FixationColumns(image="slide", x="x", y="y", duration_ms="dur", start_ms=None).image
        'slide'
    """

    image: str = Field("IMAGE", description="the image's file; its name without ending is the image's id")
    x: str = Field("CURRENT_FIX_X", description="horizontal position")
    y: str = Field("CURRENT_FIX_Y", description="vertical position")
    duration_ms: str = Field("CURRENT_FIX_DURATION", description="duration, in time_unit")
    start_ms: str | None = Field("CURRENT_FIX_START", description="start, in time_unit; null if not recorded")
    annotator: str | None = Field(None, description="who looked; null if not recorded")
    session: str | None = Field(
        None, description="the sitting, whose rows stand in the order of viewing; null if not recorded"
    )
    image_height: str | None = Field("IMAGE_HEIGHT", description="height of the image shown, in pixels")
    image_width: str | None = Field("IMAGE_WIDTH", description="width of the image shown, in pixels")
    time_unit: Literal["ms", "s"] = Field("ms", description="unit of the times in the file")
    decimal: Literal[".", ","] = Field(".", description="the decimal mark of the file's numbers")
    in_viewing_order: bool = Field(
        False, description="true: the images' first rows stand in the order in which the images were viewed"
    )

    @classmethod
    def gazemedseg(cls) -> FixationColumns:
        """Return the names of the published GazeMedSeg tables (positions are fractions of the image).

        The tables name no session and each image's clock starts anew, but their images stand in the order of
        viewing. Evidence: file names are in no order (50 % and 51 % of neighbours ascend), and yet the
        running median of the first fixations moves smoothly from row to row, as a slipping tracker does: by
        up to 0.098 of the image on Kvasir-SEG and 0.057 on NCI-ISBI (`CrossOffset.wander_frac`; 31 readings),
        which none of 99 shuffled orders reaches (p = 0.01).

        Returns:
            The column map, with `in_viewing_order` set.

        Example:
            >>> columns = FixationColumns.gazemedseg()
            >>> columns.x, columns.in_viewing_order
            ('CURRENT_FIX_X', True)
        """
        return cls(in_viewing_order=True)

    def needed(self) -> list[str]:
        """Return the columns without which a table cannot be read, in reading order.

        Example:
            >>> FixationColumns(start_ms=None).needed()
            ['IMAGE', 'CURRENT_FIX_X', 'CURRENT_FIX_Y', 'CURRENT_FIX_DURATION']
        """
        names = [self.image, self.x, self.y, self.duration_ms, self.start_ms, self.annotator, self.session]
        return [name for name in names if name is not None]


class FixationTable(FixationColumns):
    """The columns of a fixation table, and the frame of its positions.

    Example:
        >>> FixationTable(frame="screen_px").x
        'CURRENT_FIX_X'
    """

    frame: Frame = Field(
        "image_unit",
        description="x and y: image_unit (fractions of the image), image_px, screen_px or degrees (these two "
        "need a geometry)",
    )


class _Row(NamedTuple):
    image: str
    x: float
    y: float
    duration_ms: float
    start_ms: float | None
    annotator: str | None
    session: str | None
    size: Size | None
    line: int


def read_fixation_table(
    path: str | Path,
    columns: FixationColumns | None = None,
    frame: Frame = "image_unit",
    *,
    min_duration_ms: float = 50.0,
    on_bad_row: Literal["raise", "skip"] = "raise",
    off_image: Literal["drop", "keep"] = "drop",
    context: ReadingContext | None = None,
) -> GazeReading:
    r"""Read a table of fixations, one a row; comma, tab, semicolon or | between, UTF-8 or marked UTF-16.

    The rows of one image by one annotator in one session are one showing; several showings of an image are
    put behind each other, as `finish_reading` does. Which image was viewed when is known where a session is
    named, where all clocks are one, or where `in_viewing_order` says so.

    Args:
        path: The file.
        columns: Which column holds what; GazeMedSeg's names by default.
        frame: The frame of the positions in the file. Fractions and pixels of the image are kept; positions
            on the screen or in degrees become fractions of the image where the context has a geometry.
        min_duration_ms: Shorter fixations are dropped and counted as ``too_short``.
        on_bad_row: A row with text for a number, NaN, a duration that is not positive, no image: ``raise``
            one error for the first (with the count of the others), or ``skip`` and list them in `problems`.
        off_image: ``drop`` fixations off the image and count them, or ``keep`` them. Where the frame or a
            missing size leaves open what is on the image, all are kept.
        context: Geometry, image sizes and the rest in one; it then replaces the three before it.

    Returns:
        The readings by image id, and the account of what was left out. A table with a header only gives none.

    Raises:
        DataError: The file is missing, empty, not text, lacks a column, or has bad rows (with ``raise``).
        SettingsError: The shortest duration is negative.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp(), "gaze.csv")
        >>> _ = file.write_text("img,x,y,ms\na.png,0.5,0.5,200\na.png,1.5,0.5,200\n")
        >>> names = FixationColumns(image="img", x="x", y="y", duration_ms="ms", start_ms=None)
        >>> reading = read_fixation_table(file, names, "image_unit")
        >>> reading.fixations["a"].to_rows(), reading.dropped["off_image"]
        ([[0.5, 0.5, 200.0, 0.0]], 1)
    """
    path, columns = Path(path), columns or FixationColumns()
    if context is None:
        context = ReadingContext(min_duration_ms=min_duration_ms, on_bad_row=on_bad_row, off_image=off_image)
    rows, problems = _parse(path, columns)
    sizes, disagreements = _sizes(rows, path)
    showings: dict[tuple[str, str | None, str | None], list[_Row]] = {}
    for row in rows:
        showings.setdefault((row.image, row.annotator, row.session), []).append(row)
    raw = [
        RawReading(
            image=image,
            fixations=_assemble(of_showing, frame, sizes.get(image), path),
            line=of_showing[0].line,
            session=session,
        )
        for (image, _, session), of_showing in showings.items()
    ]
    reading = finish_reading(
        raw,
        path=path,
        rows=len(rows) + len(problems),
        problems=problems,
        context=context,
        in_viewing_order=columns.in_viewing_order,
    )
    return replace(reading, problems=[*reading.problems, *disagreements])


def _read(path: Path, settings: FixationTable, context: ReadingContext) -> GazeReading:
    return read_fixation_table(path, settings, settings.frame, context=context)


FIXATION_TABLE = GazeFormat(
    name="fixation_table",
    what="CSV or TSV, one fixation a row, any column names (by default GazeMedSeg's)",
    settings_type=FixationTable,
    read=_read,
    endings=(".csv", ".tsv", ".txt"),
)
"""The format for the registry."""


def _parse(path: Path, columns: FixationColumns) -> tuple[list[_Row], list[DataError]]:
    table = read_table(path, what="the fixation table", decimal=columns.decimal)
    table.need(columns.needed(), remedy="name the columns that differ (--column ROLE=NAME)")
    sized = columns.image_height in table.columns and columns.image_width in table.columns
    rows: list[_Row] = []
    problems: list[DataError] = []
    for row in table.rows():
        try:
            rows.append(_row(row, columns, sized=sized))
        except DataError as problem:
            problems.append(problem)
    return rows, problems


def _row(row: Row, columns: FixationColumns, *, sized: bool) -> _Row:
    def name(column: str | None) -> str | None:
        return None if column is None else row.text(column) or None

    image = image_id_of(row.text(columns.image))
    if not image:
        raise row.error(f"{columns.image} must name an image, found nothing")
    scale = _MS_PER[columns.time_unit]
    duration = row.number(columns.duration_ms) * scale
    if duration <= 0:
        raise row.error(f"{columns.duration_ms} must be above 0, found {duration:g}")
    return _Row(
        image=image,
        x=row.number(columns.x),
        y=row.number(columns.y),
        duration_ms=duration,
        start_ms=None if columns.start_ms is None else row.number(columns.start_ms) * scale,
        annotator=name(columns.annotator),
        session=name(columns.session),
        size=_size(row, columns) if sized else None,
        line=row.line,
    )


def _size(row: Row, columns: FixationColumns) -> Size:
    height, width = row.number(str(columns.image_height)), row.number(str(columns.image_width))
    if height < 1 or width < 1:
        raise row.error(f"the image's size must be positive, found {height:g} x {width:g}")
    return Size(round(height), round(width))


def _sizes(rows: list[_Row], path: Path) -> tuple[dict[str, Size], list[DataError]]:
    """Return the size that most rows of each image state, and a complaint where they do not all agree."""
    stated: dict[str, Counter[Size]] = {}
    for row in rows:
        if row.size is not None:
            stated.setdefault(row.image, Counter())[row.size] += 1
    sizes = {image: counts.most_common(1)[0][0] for image, counts in stated.items()}
    problems = []
    for image, counts in stated.items():
        if len(counts) > 1:
            size = sizes[image]
            other = next(row for row in rows if row.image == image and row.size not in (None, size))
            found = " and ".join(f"{one.height} x {one.width}" for one in counts)
            text = f"the rows of image {image!r} state different sizes: {found}"
            problems.append(DataError(text, path=path, row=other.line))
    return sizes, problems


def _assemble(rows: list[_Row], frame: Frame, size: Size | None, path: Path) -> Fixations:
    clock_ms = 0.0
    table = []
    for row in rows:
        table.append((row.x, row.y, row.duration_ms, clock_ms if row.start_ms is None else row.start_ms))
        clock_ms += row.duration_ms
    try:
        return Fixations.from_rows(table, frame, image_size=size, annotator=rows[0].annotator)
    except DataError as error:
        raise DataError(error.message, path=path, row=rows[0].line, remedy=error.remedy) from error
