"""Exports of Tobii Pro Lab: one sample a row, with the fixations that its filter found."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from gaze_insight.errors import DataError
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.gaze.readers.decimal_mark import with_decimal_mark
from gaze_insight.gaze.readers.placing import Display, Place, Placed, place_geometry
from gaze_insight.gaze.readers.reading import GazeReading, RawReading, ReadingContext, finish_reading
from gaze_insight.gaze.readers.registry import GazeFormat
from gaze_insight.gaze.readers.showings import Showing, detect_reading, trials_of
from gaze_insight.gaze.readers.table import Table
from gaze_insight.gaze.readers.tobii_columns import Coordinates, TobiiColumns, TobiiSettings, tobii_columns
from gaze_insight.gaze.readers.tobii_samples import (
    FixationPart,
    TobiiRecording,
    TobiiSample,
    ms_per_unit,
    parse_recordings,
)
from gaze_insight.gaze.readers.wide_table import read_columns, read_header
from gaze_insight.gaze.samples import Samples
from gaze_insight.types import Frame, Size

__all__ = ["TOBII", "read_tobii"]

_FRAME: dict[Coordinates, Frame] = {
    "mcs_norm": "image_unit",
    "dacs_px": "screen_px",
    "mcs_px": "image_px",
    "mapped_px": "image_px",
}


@dataclass(frozen=True, eq=False)
class _Shown:
    """The samples while one image was shown, how long each stands for, and the fixations among them."""

    image: str
    recording: TobiiRecording
    samples: list[TobiiSample]
    steps_ms: NDArray[np.float64]
    parts: list[FixationPart]
    columns: TobiiColumns
    ms: float

    @property
    def shown_ms(self) -> float:
        return float(self.steps_ms.sum())

    @property
    def lost_ms(self) -> float:
        return float(self.steps_ms[[one.lost for one in self.samples]].sum())


def read_tobii(
    path: str | Path, settings: TobiiSettings | None = None, context: ReadingContext | None = None
) -> GazeReading:
    r"""Read a data export of Tobii Pro Lab (TSV), with English column names.

    Needed are `Recording timestamp`, a fixation point and `Eye movement type` (with event settings: a gaze
    point), and what names the image: `Presented Stimulus name` or `Presented Media name`, else the context's
    trials, else positions mapped on snapshots. Read where present: `Eye movement type index`, the duration of
    gaze events, `Participant name`, `Recording name`, `Sensor`, `Validity left/right`, and the media's
    place and the screen's resolution, which complete the geometry. Positions on the media (MCS) need no
    geometry; MCS pixels are of `Original Media width/height`, else of the image; positions on the screen
    (DACS) need one where the export does not state the media's place.

    The unit of time is the header's (`[ms]`, `[μs]`); where it states none, it is the one in which fixations
    last as long as their duration (always ms) says. A fixation that goes on while the image changes is cut
    there, by the samples' times. The share lost is the time of samples with `EyesNotFound` or with no valid
    eye over the time shown. Rows of other sensors and events are counted as ``other_rows``, fixations
    (samples) while no image was shown as ``no_image``, fixations without a position as ``no_position``.

    Args:
        path: The file: UTF-8, or UTF-16 with a byte order mark; decimal point or comma.
        settings: Choices of columns and units.
        context: Geometry, event settings, trials, what to do with bad rows.

    Returns:
        The readings by image id and the account.

    Raises:
        DataError: The file cannot be read, lacks a column, has bad rows (with ``raise``: text for a number,
            time that goes back, a row cut short), holds no fixation, its unit of time is unknown or
            contradicts the durations, or it contradicts the geometry.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp(), "p1.tsv")
        >>> names = ["Recording timestamp [ms]", "Eye movement type", "Presented Stimulus name",
        ...          "Fixation point X [MCS norm]", "Fixation point Y [MCS norm]"]
        >>> rows = [f"{t}\tFixation\tscan.png\t0,5\t0,25" for t in range(0, 200, 10)]
        >>> _ = file.write_text("\n".join(["\t".join(names), *rows]))
        >>> read_tobii(file).fixations["scan"].to_rows()
        [[0.5, 0.25, 200.0, 0.0]]
    """
    settings, context = settings or TobiiSettings(), context or ReadingContext()
    header = read_header(path, what="the Tobii export")
    every = tobii_columns(header, settings, samples=context.events is not None)
    needed = {name for columns in every for name in columns.needed()}
    table = read_columns(path, needed.__contains__, what="the Tobii export")
    numbers = [name for columns in every for name in columns.numbers()]
    table = with_decimal_mark(table, numbers, settings.decimal)
    dropped: Counter[str] = Counter()
    problems: dict[int | None, DataError] = {}
    showings: list[_Shown] = []
    kinds: set[str] = set()
    for columns in every:
        recordings, bad, other = parse_recordings(table, columns, context.session or table.path.stem)
        problems |= {problem.row: problem for problem in bad}
        dropped["other_rows"] = min(dropped.get("other_rows", other), other)
        if not bad or context.on_bad_row == "skip":
            kinds |= {sample.kind for recording in recordings for sample in recording.samples}
            showings += _showings(recordings, columns, settings, context, table, dropped)
    if not problems and not any(_usable(shown.samples, context) for shown in showings):
        _refuse(table, context, kinds)
    placed = [_placed(shown) for shown in showings] if settings.use_place else []
    display = _display(table, every[0])
    geometry = place_geometry(context.geometry, placed, display, context.image_sizes, table.path)
    context = replace(context, geometry=geometry)
    raw = [_reading(shown, context, dropped, table.path) for shown in showings]
    reading = finish_reading(
        raw, path=table.path, rows=len(table), problems=list(problems.values()), context=context
    )
    counted = {name: count for name, count in dropped.items() if count}
    return replace(reading, dropped=reading.dropped | counted)


def _showings(
    recordings: list[TobiiRecording],
    columns: TobiiColumns,
    settings: TobiiSettings,
    context: ReadingContext,
    table: Table,
    dropped: Counter[str],
) -> list[_Shown]:
    """Cut recordings where the image changes; count what belongs to none."""
    if not any(_usable(recording.samples, context) for recording in recordings):
        return []
    ms = ms_per_unit(recordings, columns, settings.timestamp_unit, table)
    found = []
    for recording in recordings:
        if columns.image is None and columns.snapshot is None:
            _name_images(recording, ms, context, table)
        steps_ms, parts = recording.steps() * ms, recording.fixations()
        starts = [part.first for part in parts]
        stop = 0
        for image, group in groupby(recording.samples, key=lambda sample: sample.image):
            first, stop = stop, stop + sum(1 for _ in group)
            own = [
                part._replace(first=part.first - first, last=part.last - first)
                for part in parts[bisect_left(starts, first) : bisect_left(starts, stop)]
            ]
            if image:
                part_of = recording.samples[first:stop]
                found.append(_Shown(image, recording, part_of, steps_ms[first:stop], own, columns, ms))
            else:
                dropped["no_image"] += len(own) if context.events is None else stop - first
    return found


def _usable(samples: Sequence[TobiiSample], context: ReadingContext) -> bool:
    return any(
        not math.isnan(sample.x) and (context.events is not None or sample.kind == "fixation")
        for sample in samples
    )


def _refuse(table: Table, context: ReadingContext, kinds: set[str]) -> NoReturn:
    what = "fixation" if context.events is None else "gaze point"
    raise DataError(
        f"none of the {len(table)} rows holds a {what} while an image was shown; eye movement types found: "
        f"{', '.join(sorted(kinds - {''})) or 'none'}",
        path=table.path,
        remedy="export with English names, and with a gaze filter that classifies fixations",
    )


def _name_images(recording: TobiiRecording, ms: float, context: ReadingContext, table: Table) -> None:
    """Write into the samples which image was shown, by the table of trials."""
    trials = trials_of(context, recording.session, table.path)
    starts = np.array([trial.start_ms for trial in trials])
    for index, sample in enumerate(recording.samples):
        at = int(np.searchsorted(starts, sample.t * ms, side="right")) - 1
        if at >= 0 and sample.t * ms < trials[at].end_ms:
            recording.samples[index] = sample._replace(image=trials[at].image)


def _display(table: Table, columns: TobiiColumns) -> Display | None:
    """Return the screen that the first row with a resolution states."""
    if not columns.screen:
        return None
    for row in table.rows():
        try:
            width, height = (row.number(name, missing=("",)) for name in columns.screen)
        except DataError:
            continue
        if width >= 1 and height >= 1:
            return Display(0.0, 0.0, Size(round(height), round(width)), row.line)
    return None


def _placed(shown: _Shown) -> Placed:
    place = next((sample.place for sample in shown.samples if sample.place), None)
    stated = None
    if place is not None and shown.columns.coordinates == "dacs_px":
        stated = Place("TOP_LEFT", (place[0], place[1]), (place[2], place[3]))
    first = shown.samples[0]
    start_ms = first.t * shown.ms
    return Placed(
        shown.image, start_ms, start_ms + shown.shown_ms, first.line, stated, shown.recording.session
    )


def _reading(shown: _Shown, context: ReadingContext, dropped: Counter[str], path: Path) -> RawReading:
    frame, size = _FRAME[shown.columns.coordinates], None
    original = next((sample.original for sample in shown.samples if sample.original), None)
    if shown.columns.coordinates == "mcs_px" and original is not None:
        size = Size(round(original[1]), round(original[0]))
    session, annotator, line = shown.recording.session, shown.recording.annotator, shown.samples[0].line
    trial_ms = None if shown.columns.snapshot is not None or shown.shown_ms <= 0 else shown.shown_ms
    if context.events is not None:
        try:
            part = Samples(
                np.array([sample.t for sample in shown.samples]) * shown.ms,
                np.array([math.nan if sample.lost else sample.x for sample in shown.samples]),
                np.array([math.nan if sample.lost else sample.y for sample in shown.samples]),
                frame,
                image_size=size,
                annotator=annotator,
            )
        except DataError as error:
            raise DataError(error.message, path=path, row=line, remedy="export times in μs") from error
        return detect_reading(Showing(shown.image, part, line, session, trial_ms), context, path)
    rows = list(_rows(shown))
    dropped["no_position"] += sum(math.isnan(row[0]) for row in rows)
    fixations = Fixations.from_rows(
        [row for row in rows if not math.isnan(row[0])], frame, image_size=size, annotator=annotator
    )
    loss_share = None if trial_ms is None else shown.lost_ms / trial_ms
    return RawReading(shown.image, fixations, line, session=session, trial_ms=trial_ms, loss_share=loss_share)


def _rows(shown: _Shown) -> Iterator[tuple[float, float, float, float]]:
    """Yield (x, y, duration, start) of the fixations of a showing; NaN without a position."""
    for part in shown.parts:
        here = shown.samples[part.first : part.last + 1]
        place = next(((one.x, one.y) for one in here if not math.isnan(one.x)), (math.nan, math.nan))
        start = here[0].t * shown.ms
        lasting = here[0].duration_ms
        if not part.whole or math.isnan(lasting):
            lasting = here[-1].t * shown.ms + float(shown.steps_ms[part.last]) - start
        if lasting > 0:
            yield (*place, lasting, start)


TOBII = GazeFormat(
    name="tobii",
    what="data exports of Tobii Pro Lab (TSV), on the media, on the screen or mapped on snapshots",
    settings_type=TobiiSettings,
    read=read_tobii,
    endings=(".tsv", ".txt", ".csv"),
)
