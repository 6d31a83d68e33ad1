"""The samples of a Tobii Pro Lab export by recording, the fixations they form, and their unit of time."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gaze_insight.errors import DataError
from gaze_insight.gaze.readers.table import Row, Table
from gaze_insight.gaze.readers.tobii_columns import TobiiColumns
from gaze_insight.gaze.recording import image_id_of

__all__ = ["FixationPart", "TobiiRecording", "TobiiSample", "ms_per_unit", "parse_recordings"]

_INVALID_FROM = 2.0
_HOLE = 2.0
_ABOUT = 3.0
_MS = {"ms": 1.0, "us": 0.001}


class TobiiSample(NamedTuple):
    """One sample; `t` is in the file's unit, `image` is empty where none was shown, x and y may be NaN."""

    t: float
    image: str
    kind: str
    event: str
    duration_ms: float
    x: float
    y: float
    lost: bool
    place: tuple[float, ...]
    original: tuple[float, ...]
    line: int


class FixationPart(NamedTuple):
    """Samples `first` to `last` (included) of one fixation; `whole` unless the image changed within it."""

    first: int
    last: int
    whole: bool


@dataclass
class TobiiRecording:
    """One recording of one participant: its samples in time order.

    Args:
        session: Participant and recording.
        annotator: The participant, else the recording.
        samples: In time order.
    """

    session: str
    annotator: str
    samples: list[TobiiSample] = field(default_factory=list)

    def steps(self) -> NDArray[np.float64]:
        """How long each sample stands for, in the file's unit of time, shape (N,).

        The time to the next sample; one median period before a hole of more than two, and at the end.
        """
        steps = np.diff([one.t for one in self.samples])
        period = float(np.median(steps[steps > 0])) if (steps > 0).any() else 0.0
        return np.append(np.where(steps > _HOLE * period, period, steps), period)[: len(self.samples)]

    def fixations(self) -> list[FixationPart]:
        """Return the fixations, cut where the image changes.

        Samples in a row of the type "Fixation" with one number of the event (without numbers: in one place)
        are one fixation.
        """
        found: list[tuple[object, FixationPart]] = []
        stop = 0
        for key, group in groupby(self.samples, key=lambda one: (_event(one), one.image)):
            first, stop = stop, stop + sum(1 for _ in group)
            if key[0] is not None:
                found.append((key[0], FixationPart(first, stop - 1, whole=True)))
        counts = Counter(event for event, _ in found)
        numbered = any(one.event for one in self.samples)
        return [
            part._replace(whole=counts[event] == 1 if numbered else _alone(found, place))
            for place, (event, part) in enumerate(found)
        ]


def _alone(found: Sequence[tuple[object, FixationPart]], place: int) -> bool:
    """Whether a part without number is no continuation of its neighbours."""
    event, part = found[place]
    before = found[place - 1] if place else None
    after = found[place + 1] if place + 1 < len(found) else None
    return not (before and before[0] == event and before[1].last + 1 == part.first) and not (
        after and after[0] == event and part.last + 1 == after[1].first
    )


def _event(sample: TobiiSample) -> tuple[object, ...] | None:
    if sample.kind != "fixation":
        return None
    if sample.event:
        return (sample.event,)
    return ("",) if math.isnan(sample.x) else (sample.x, sample.y)


def parse_recordings(
    table: Table, columns: TobiiColumns, unnamed: str
) -> tuple[list[TobiiRecording], list[DataError], int]:
    """Sort the rows of an export into recordings.

    Args:
        table: The export.
        columns: What its columns are.
        unnamed: Name of the recording where the export has no column for it.

    Returns:
        The recordings; one problem a bad row; how many rows are of other sensors, or events.

    Example:
        >>> from pathlib import Path
        >>> from gaze_insight.gaze.readers.tobii_columns import TobiiSettings, tobii_columns
        >>> names = ("Recording timestamp [ms]", "Eye movement type", "Fixation point X", "Fixation point Y")
        >>> rows = [["0", "Fixation", "5", "6"], ["8", "Saccade", "", ""]]
        >>> table = Table(Path("p1.tsv"), names, rows, [2, 3])
        >>> (columns,) = tobii_columns(table, TobiiSettings(), samples=False)
        >>> (recording,), problems, other = parse_recordings(table, columns, "p1")
        >>> recording.session, len(recording.samples), recording.fixations()
        ('p1', 2, [FixationPart(first=0, last=0, whole=True)])
    """
    found: dict[tuple[str, str], TobiiRecording] = {}
    problems: list[DataError] = []
    other = 0
    for row in table.rows():
        try:
            sample = _sample(row, columns)
            if sample is None:
                other += 1
                continue
            participant = row.text(columns.participant) if columns.participant else ""
            name = row.text(columns.recording) if columns.recording else ""
            session = "/".join(one for one in (participant, name) if one) or unnamed
            recording = found.setdefault(
                (participant, name), TobiiRecording(session, participant or name or unnamed)
            )
            if recording.samples and sample.t < recording.samples[-1].t:
                raise row.error(
                    f"time goes back within recording {session!r}: {sample.t:.12g} after "
                    f"{recording.samples[-1].t:.12g}"
                )
            recording.samples.append(sample)
        except DataError as problem:
            problems.append(problem)
    return list(found.values()), problems, other


def _sample(row: Row, columns: TobiiColumns) -> TobiiSample | None:
    """Return the sample in a row, or None where the row is another sensor's or an event."""
    sensor = None if columns.sensor is None else row.text(columns.sensor).lower()
    if sensor not in (None, "", "eye tracker"):
        return None
    kind = "" if columns.kind is None else row.text(columns.kind).replace(" ", "").lower()
    x, y = row.number(columns.x, missing=("",)), row.number(columns.y, missing=("",))
    unmarked = sensor == "" or (sensor is None and columns.kind is not None)
    if unmarked and not kind and math.isnan(x):
        return None
    duration = math.nan
    if columns.duration is not None:
        duration = row.number(columns.duration, missing=("",)) * columns.duration_ms
        if duration <= 0 and kind == "fixation":
            raise row.error(f"{columns.duration} must be above 0, found {duration:g}")
    invalid = [_is_invalid(row, name) for name in columns.validity]
    unseen = kind == "eyesnotfound" or (bool(invalid) and all(invalid))
    return TobiiSample(
        t=row.number(columns.time),
        image=columns.snapshot or (image_id_of(row.text(columns.image)) if columns.image else ""),
        kind=kind,
        event=row.text(columns.event) if columns.event else "",
        duration_ms=duration,
        x=math.nan if math.isnan(y) else x,
        y=math.nan if math.isnan(x) else y,
        lost=unseen or (not invalid and not kind and math.isnan(x)),
        place=_all_of(row, columns.place),
        original=_all_of(row, columns.original),
        line=row.line,
    )


def _is_invalid(row: Row, name: str) -> bool:
    text = row.text(name).lower()
    if text in ("valid", "invalid", ""):
        return text != "valid"
    return row.number(name) >= _INVALID_FROM


def _all_of(row: Row, names: Sequence[str]) -> tuple[float, ...]:
    values = tuple(row.number(name, missing=("",)) for name in names)
    return () if any(math.isnan(value) for value in values) else values


def ms_per_unit(
    recordings: Sequence[TobiiRecording], columns: TobiiColumns, stated: str | None, table: Table
) -> float:
    """Return how many ms one unit of the timestamps is.

    The header says it; else the fixations do, whose durations are in ms: the median of ``time from their
    first sample to the end of their last / duration`` is near 1 for ms and near 1000 for μs.

    Args:
        recordings: All recordings.
        columns: What the columns are.
        stated: The unit that the user states.
        table: The export, for messages.

    Returns:
        1.0 or 0.001.

    Raises:
        DataError: Nothing tells the unit, or header and durations contradict each other.

    Example:
        >>> from pathlib import Path
        >>> from gaze_insight.gaze.readers.tobii_columns import TobiiSettings, tobii_columns
        >>> names = ("Recording timestamp [μs]", "Eye movement type", "Fixation point X", "Fixation point Y")
        >>> table = Table(Path("p1.tsv"), names, [], [])
        >>> ms_per_unit([], tobii_columns(table, TobiiSettings(), samples=False)[0], None, table)
        0.001
    """
    ratios = []
    for recording in recordings:
        steps, samples = recording.steps(), recording.samples
        ratios += [
            (samples[part.last].t + steps[part.last] - samples[part.first].t)
            / samples[part.first].duration_ms
            for part in recording.fixations()
            if part.whole and part.last > part.first and samples[part.first].duration_ms > 0
        ]
    ratio = float(np.median(ratios)) if ratios else math.nan
    measured = next((ms for ms in _MS.values() if 1 / _ABOUT < ratio * ms < _ABOUT), None)
    said = columns.time_ms if columns.time_ms is not None else _MS.get(stated or "")
    if said is None and measured is None:
        raise DataError(
            f"unknown is the unit of {columns.time!r}: neither its header nor durations of fixations tell it",
            path=table.path,
            row=1,
            remedy="state it (timestamp_unit: ms or us)",
        )
    if said is not None and measured is not None and said != measured:
        raise DataError(
            f"{columns.time!r} is said to be in {_name(said)}, but fixations last as if it were in "
            f"{_name(measured)}",
            path=table.path,
            row=1,
            remedy="correct the header or timestamp_unit",
        )
    return said if said is not None else measured or 1.0


def _name(ms: float) -> str:
    return next(name for name, value in _MS.items() if value == ms)
