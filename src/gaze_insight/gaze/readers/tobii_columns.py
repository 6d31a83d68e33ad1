"""What the columns of a Tobii Pro Lab export are: names, units and coordinate systems."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple, NoReturn

from pydantic import Field

from gaze_insight.errors import DataError
from gaze_insight.gaze.readers.decimal_mark import DecimalMark
from gaze_insight.gaze.readers.table import Table
from gaze_insight.gaze.recording import image_id_of
from gaze_insight.types import Settings

__all__ = ["Coordinates", "TobiiColumns", "TobiiSettings", "tobii_columns"]

Coordinates = Literal["mcs_norm", "dacs_px", "mcs_px", "mapped_px"]

_UNIT = re.compile(
    r"^(?P<name>.*?)\s*[\[(](?P<unit>(?:DACS|MCS|RCS)\s*(?:px|norm|mm)|px|ms|[μµu]s)[\])]$", re.IGNORECASE
)
_OF_SNAPSHOT = re.compile(r"^mapped fixation x \[(?P<name>.+?)\](?:\s*\[.*\])?$", re.IGNORECASE)
_MS_PER = {"ms": 1.0, "us": 0.001}
_FRAMES: dict[str, Coordinates] = {
    "mcsnorm": "mcs_norm",
    "mcspx": "mcs_px",
    "dacspx": "dacs_px",
    "": "dacs_px",
}
_ORDER: tuple[Coordinates, ...] = ("mcs_norm", "dacs_px", "mcs_px")


class TobiiSettings(Settings):
    """How a Tobii Pro Lab export is read.

    Example:
        >>> TobiiSettings(timestamp_unit="us").coordinates
        'auto'
    """

    coordinates: Literal["auto", "mcs_norm", "dacs_px", "mcs_px", "mapped_px"] = Field(
        "auto",
        description="which positions: on the media as fractions or pixels (mcs), on the screen (dacs), or "
        "mapped on snapshots; auto: mapped where no stimulus is named, else the first of mcs_norm, dacs_px, "
        "mcs_px that is there",
    )
    image: str | None = Field(
        None,
        description="the column that names the image; null: Presented Stimulus name or Presented Media name",
    )
    timestamp_unit: Literal["ms", "us"] | None = Field(
        None, description="unit of Recording timestamp where neither header nor durations tell it"
    )
    use_place: bool = Field(True, description="trust the media's place on the screen that the export states")
    decimal: DecimalMark = Field("auto", description="the decimal mark; auto: as the numbers have it")


class TobiiColumns(NamedTuple):
    """Names of the columns to read; None or empty for what the export does not hold.

    `time_ms` is the milliseconds in one unit of `time` by its header. `snapshot` is the image of mapped
    positions. `place` are the media's left, top, width and height on the screen, `original` and `screen`
    widths and heights.
    """

    time: str
    time_ms: float | None
    x: str
    y: str
    coordinates: Coordinates
    kind: str | None
    event: str | None
    duration: str | None
    duration_ms: float
    image: str | None
    snapshot: str | None
    participant: str | None
    recording: str | None
    sensor: str | None
    validity: tuple[str, ...]
    place: tuple[str, ...]
    original: tuple[str, ...]
    screen: tuple[str, ...]

    def numbers(self) -> list[str]:
        """Return the columns that hold numbers."""
        names = [self.time, self.x, self.y, *self.place, *self.original, *self.screen]
        return names if self.duration is None else [*names, self.duration]

    def needed(self) -> list[str]:
        """Return all columns that are read."""
        texts = (self.kind, self.event, self.image, self.participant, self.recording, self.sensor)
        return [*self.numbers(), *self.validity, *(name for name in texts if name is not None)]


def tobii_columns(table: Table, settings: TobiiSettings, *, samples: bool) -> list[TobiiColumns]:
    """Find out what the columns are.

    Units stand in the header, in round or square brackets (`(MCSnorm)`, `[MCS norm]`, `[μs]`); a position
    without one is in screen pixels (DACS).

    Args:
        table: The export.
        settings: Choices.
        samples: Whether gaze points are wanted, not fixation points.

    Returns:
        The columns; for positions mapped on snapshots one entry a snapshot.

    Raises:
        DataError: A column is missing, or the headers are not English.

    Example:
        >>> from pathlib import Path
        >>> names = ("Recording timestamp [ms]", "Fixation point X [MCS norm]", "Fixation point Y [MCS norm]",
        ...          "Eye movement type", "Presented Stimulus name")
        >>> (found,) = tobii_columns(Table(Path("a.tsv"), names, [], []), TobiiSettings(), samples=False)
        >>> found.coordinates, found.time_ms, found.image
        ('mcs_norm', 1.0, 'Presented Stimulus name')
    """
    known = _Header(table)
    time = known.first("recording timestamp")
    if time is None:
        raise DataError(
            f"the table lacks the column 'Recording timestamp'; found: {', '.join(table.columns)}",
            path=table.path,
            row=1,
            remedy="export from Tobii Pro Lab with this column and with English column names",
        )
    if settings.image is not None:
        table.need([settings.image])
    image = settings.image or known.first("presented stimulus name", "presented media name")
    kind = known.first("eye movement type")
    duration = known.first("gaze event duration", "eye movement event duration")
    shared = TobiiColumns(
        time=time,
        time_ms=_MS_PER.get(known.unit(time)),
        x="",
        y="",
        coordinates="dacs_px",
        kind=kind,
        event=known.first("eye movement type index"),
        duration=duration,
        duration_ms=_MS_PER.get("ms" if duration is None else known.unit(duration), 1.0),
        image=image,
        snapshot=None,
        participant=known.first("participant name"),
        recording=known.first("recording name"),
        sensor=known.first("sensor"),
        validity=known.all("validity left", "validity right"),
        place=known.every(
            *(f"presented media {side}" for side in ("position x", "position y", "width", "height"))
        ),
        original=known.every("original media width", "original media height"),
        screen=known.every("recording resolution width", "recording resolution height"),
    )
    if settings.coordinates == "mapped_px" or (settings.coordinates == "auto" and image is None):
        mapped = [] if samples else _mapped(table, shared)
        if mapped or settings.coordinates == "mapped_px":
            return mapped or _refuse(table, "Mapped fixation X [...]")
    return [_positioned(table, known, shared, settings, samples=samples)]


class _Header:
    """Column names without case and unit."""

    def __init__(self, table: Table) -> None:
        self.names: dict[str, list[str]] = {}
        self.units: dict[str, str] = {}
        for name in table.columns:
            match = _UNIT.match(name)
            bare = match["name"] if match else name
            self.units[name] = _plain(match["unit"]) if match else ""
            self.names.setdefault(bare.lower(), []).append(name)

    def unit(self, name: str) -> str:
        return self.units[name]

    def first(self, *bare: str) -> str | None:
        return next((self.names[one][0] for one in bare if one in self.names), None)

    def all(self, *bare: str) -> tuple[str, ...]:
        return tuple(self.names[one][0] for one in bare if one in self.names)

    def every(self, *bare: str) -> tuple[str, ...]:
        found = self.all(*bare)
        return found if len(found) == len(bare) else ()

    def positions(self, what: str) -> dict[Coordinates, tuple[str, str]]:
        """Return the (x, y) columns of `what` by coordinate system."""
        found: dict[Coordinates, tuple[str, str]] = {}
        for x in self.names.get(f"{what} x", []):
            system = _FRAMES.get(self.units[x])
            y = [name for name in self.names.get(f"{what} y", []) if self.units[name] == self.units[x]]
            if system is not None and y:
                found.setdefault(system, (x, y[0]))
        return found


def _plain(unit: str) -> str:
    return re.sub(r"\s", "", unit).lower().replace("μ", "u").replace("µ", "u")


def _positioned(
    table: Table, known: _Header, shared: TobiiColumns, settings: TobiiSettings, *, samples: bool
) -> TobiiColumns:
    what = "gaze point" if samples else "fixation point"
    found = known.positions(what)
    wanted = _ORDER if settings.coordinates == "auto" else (settings.coordinates,)
    system = next((one for one in wanted if one in found), None)
    if system is None or (shared.kind is None and not samples):
        _refuse(table, f"{what.capitalize()} X and Y" if system is None else "Eye movement type")
    if system == "mcs_px" and shared.image is None:
        raise DataError(
            "the positions are pixels of a scene video, not of an image",
            path=table.path,
            row=1,
            remedy="map the gaze on a snapshot in Tobii Pro Lab and export Mapped fixation X and Y",
        )
    return shared._replace(x=found[system][0], y=found[system][1], coordinates=system)


def _mapped(table: Table, shared: TobiiColumns) -> list[TobiiColumns]:
    """Return the columns of each snapshot."""
    lowered = {name.lower(): name for name in table.columns}
    found = []
    for x in table.columns:
        match = _OF_SNAPSHOT.match(x)
        y = lowered.get(re.sub("fixation x", "fixation y", x, count=1, flags=re.IGNORECASE).lower())
        if match is None or y is None:
            continue
        name = match["name"]
        kind = lowered.get(f"mapped eye movement type [{name}]".lower(), shared.kind)
        event = lowered.get(f"mapped eye movement type index [{name}]".lower(), shared.event)
        if kind is None:
            _refuse(table, f"Mapped eye movement type [{name}]")
        found.append(
            shared._replace(
                x=x,
                y=y,
                coordinates="mapped_px",
                kind=kind,
                event=event,
                image=None,
                snapshot=image_id_of(name),
                place=(),
                original=(),
                screen=(),
            )
        )
    return found


def _refuse(table: Table, lacking: str) -> NoReturn:
    raise DataError(
        f"the table lacks the column {lacking}; found: {', '.join(table.columns)}",
        path=table.path,
        row=1,
        remedy="export it from Tobii Pro Lab, with English column names",
    )
