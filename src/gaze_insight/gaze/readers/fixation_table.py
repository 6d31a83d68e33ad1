"""Fixation tables: CSV or TSV, one fixation a row, any column names."""

from __future__ import annotations

import csv
import io
import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import Field

from gaze_insight.errors import DataError, SettingsError
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.types import Frame, Settings, Size

__all__ = ["FixationColumns", "TableReading", "read_fixation_table"]

_DELIMITERS = (",", "\t", ";", "|")
_IMAGE_SUFFIX = re.compile(
    r"\.(jpe?g|png|bmp|tiff?|gif|webp|dcm|dicom|nii(\.gz)?|nrrd|mha|npy)$", re.IGNORECASE
)
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
    image_height: str | None = Field("IMAGE_HEIGHT", description="height of the image shown, in pixels")
    image_width: str | None = Field("IMAGE_WIDTH", description="width of the image shown, in pixels")
    time_unit: Literal["ms", "s"] = Field("ms", description="unit of the times in the file")

    @classmethod
    def gazemedseg(cls) -> FixationColumns:
        """Return the names of the published GazeMedSeg tables (positions are fractions of the image).

        Returns:
            The column map.

        Example:
            >>> FixationColumns.gazemedseg().x
            'CURRENT_FIX_X'
        """
        return cls()

    def needed(self) -> list[str]:
        """Return the columns without which a table cannot be read, in reading order.

        Example:
            >>> FixationColumns(start_ms=None).needed()
            ['IMAGE', 'CURRENT_FIX_X', 'CURRENT_FIX_Y', 'CURRENT_FIX_DURATION']
        """
        names = [self.image, self.x, self.y, self.duration_ms, self.start_ms, self.annotator]
        return [name for name in names if name is not None]


@dataclass(frozen=True)
class TableReading:
    """What a fixation table held and what was left out.

    Args:
        fixations: Image id (the stem of the file name) to its reading. An image all of whose fixations were
            dropped stays, with an empty reading. Rows of several annotators of one image are one reading.
        dropped: Reason to count of rows: ``bad_row``, ``too_short``, ``off_image``.
        problems: One error a bad row (and one an image whose rows disagree on its size).
        rows: Data rows in the file.
        sizes: Image id to the size that the table states.
        off_image: Fixations off the image, dropped or kept.
        measured: Fixations whose place was known: ``off_image / measured`` is the share off the image.
    """

    fixations: dict[str, Fixations]
    dropped: dict[str, int]
    problems: list[DataError] = field(default_factory=list)
    rows: int = 0
    sizes: dict[str, Size] = field(default_factory=dict)
    off_image: int = 0
    measured: int = 0


class _Row(NamedTuple):
    image: str
    x: float
    y: float
    duration_ms: float
    start_ms: float | None
    annotator: str | None
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
) -> TableReading:
    r"""Read a table of fixations, one a row; UTF-8, with comma, tab, semicolon or | between.

    Args:
        path: The file.
        columns: Which column holds what; GazeMedSeg's names by default.
        frame: The frame of the positions in the file; they are kept in it.
        min_duration_ms: Shorter fixations are dropped and counted as ``too_short``.
        on_bad_row: A row with text for a number, NaN, a duration that is not positive, no image: ``raise``
            one error for the first (with the count of the others), or ``skip`` and list them in `problems`.
        off_image: ``drop`` fixations off the image and count them, or ``keep`` them. Where the frame or a
            missing size leaves open what is on the image, all are kept.

    Returns:
        The readings by image id, and the account of what was left out. A table with a header only gives none.

    Raises:
        DataError: The file is missing, empty, not text, lacks a column, or has bad rows (with ``raise``).

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
    if min_duration_ms < 0 or math.isnan(min_duration_ms):
        raise SettingsError(f"min_duration_ms must be 0 or more, found {min_duration_ms}")
    rows, problems = _parse(path, columns)
    if problems and on_bad_row == "raise":
        raise _first_of(problems)
    dropped: Counter[str] = Counter(bad_row=len(problems), too_short=0, off_image=0)
    by_image: dict[str, list[_Row]] = {}
    for row in rows:
        by_image.setdefault(row.image, []).append(row)
    fixations: dict[str, Fixations] = {}
    sizes: dict[str, Size] = {}
    off = measured = 0
    for image, of_image in by_image.items():
        size, disagreement = _size_of(image, of_image, path)
        if disagreement is not None:
            problems.append(disagreement)
        if size is not None:
            sizes[image] = size
        reading = _assemble(of_image, frame, size, path)
        long_enough = reading.duration_ms >= min_duration_ms
        dropped["too_short"] += int((~long_enough).sum())
        reading = reading.select(long_enough)
        if frame == "image_unit" or (frame == "image_px" and size is not None):
            inside = reading.inside
            measured += len(reading)
            off += int((~inside).sum())
            if off_image == "drop":
                dropped["off_image"] += int((~inside).sum())
                reading = reading.select(inside)
        fixations[image] = reading
    return TableReading(
        fixations=fixations,
        dropped=dict(dropped),
        problems=problems,
        rows=len(rows) + dropped["bad_row"],
        sizes=sizes,
        off_image=off,
        measured=measured,
    )


def _parse(path: Path, columns: FixationColumns) -> tuple[list[_Row], list[DataError]]:
    rows: list[_Row] = []
    problems: list[DataError] = []
    lines = _lines(path)
    header = [name.strip() for name in next(lines)[1]]
    _check_header(header, columns, path)
    place = {name: header.index(name) for name in header}
    for line, cells in lines:
        try:
            rows.append(_row(cells, place, columns, line, path))
        except DataError as problem:
            problems.append(problem)
    return rows, problems


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield (line number, cells) of each line that is not blank; the first is the header."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise DataError("the fixation table does not exist", path=path) from error
    except UnicodeDecodeError as error:
        raise DataError(
            f"the fixation table is not UTF-8 text (byte {error.start})",
            path=path,
            remedy="save it as CSV in UTF-8",
        ) from error
    except OSError as error:
        raise DataError(f"the fixation table cannot be read: {error.strerror}", path=path) from error
    if not text.strip():
        raise DataError(
            "the fixation table is empty", path=path, remedy="the first line must name the columns"
        )
    first = text.lstrip().split("\n", 1)[0]
    delimiter = max(_DELIMITERS, key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield reader.line_num, cells
    except csv.Error as error:
        raise DataError(f"the fixation table is broken: {error}", path=path, row=reader.line_num) from error


def _check_header(header: list[str], columns: FixationColumns, path: Path) -> None:
    missing = [name for name in columns.needed() if name not in header]
    if missing:
        lowered = {name.lower(): name for name in header}
        near = {name: get_close_matches(name.lower(), lowered, n=1, cutoff=0.5) for name in missing}
        hints = [f"{name!r} could be {lowered[found[0]]!r}" for name, found in near.items() if found]
        raise DataError(
            f"the table lacks the column {', '.join(map(repr, missing))}; found: {', '.join(header)}",
            path=path,
            row=1,
            remedy="; ".join([*hints, "name the columns that differ (--column ROLE=NAME)"]),
        )
    twice = [name for name, count in Counter(header).items() if count > 1 and name in columns.needed()]
    if twice:
        raise DataError(f"the table has the column {twice[0]!r} more than once", path=path, row=1)


def _row(cells: list[str], place: dict[str, int], columns: FixationColumns, line: int, path: Path) -> _Row:
    def cell(name: str) -> str:
        index = place[name]
        if index >= len(cells):
            raise DataError(f"the row has {len(cells)} cells and none for {name!r}", path=path, row=line)
        return cells[index].strip()

    def number(name: str) -> float:
        try:
            value = float(cell(name))
        except ValueError as error:
            raise DataError(f"{name} must be a number, found {cell(name)!r}", path=path, row=line) from error
        if not math.isfinite(value):
            raise DataError(f"{name} must be finite, found {cell(name)!r}", path=path, row=line)
        return value

    image = _IMAGE_SUFFIX.sub("", cell(columns.image).replace("\\", "/").rsplit("/", 1)[-1])
    if not image:
        raise DataError(f"{columns.image} must name an image, found nothing", path=path, row=line)
    scale = _MS_PER[columns.time_unit]
    duration = number(columns.duration_ms) * scale
    if duration <= 0:
        raise DataError(f"{columns.duration_ms} must be above 0, found {duration:g}", path=path, row=line)
    start = None if columns.start_ms is None else number(columns.start_ms) * scale
    annotator = None if columns.annotator is None else cell(columns.annotator) or None
    size = None
    if columns.image_height in place and columns.image_width in place:
        height, width = number(str(columns.image_height)), number(str(columns.image_width))
        if height < 1 or width < 1:
            raise DataError(
                f"the image's size must be positive, found {height:g} x {width:g}", path=path, row=line
            )
        size = Size(round(height), round(width))
    return _Row(image, number(columns.x), number(columns.y), duration, start, annotator, size, line)


def _size_of(image: str, rows: list[_Row], path: Path) -> tuple[Size | None, DataError | None]:
    """Return the size that most rows state, and the complaint where they do not all agree."""
    stated = Counter(row.size for row in rows if row.size is not None)
    if not stated:
        return None, None
    size = stated.most_common(1)[0][0]
    if len(stated) == 1:
        return size, None
    other = next(row for row in rows if row.size is not None and row.size != size)
    found = " and ".join(f"{one.height} x {one.width}" for one in stated)
    return size, DataError(
        f"the rows of image {image!r} state different sizes: {found}", path=path, row=other.line
    )


def _assemble(rows: list[_Row], frame: Frame, size: Size | None, path: Path) -> Fixations:
    annotators = list(dict.fromkeys(row.annotator for row in rows if row.annotator is not None))
    clock_ms = 0.0
    table = []
    for row in rows:
        table.append((row.x, row.y, row.duration_ms, clock_ms if row.start_ms is None else row.start_ms))
        clock_ms += row.duration_ms
    try:
        return Fixations.from_rows(table, frame, image_size=size, annotator="+".join(annotators) or None)
    except DataError as error:
        raise DataError(error.message, path=path, row=rows[0].line, remedy=error.remedy) from error


def _first_of(problems: list[DataError]) -> DataError:
    first = problems[0]
    others = f" (and {len(problems) - 1} more bad rows)" if len(problems) > 1 else ""
    return DataError(
        first.message + others,
        path=first.path,
        row=first.row,
        remedy="correct the table, or leave bad rows out and see them listed (on bad: skip)",
    )
