"""The sections of a Pupil Cloud enrichment export: who was recorded, and when a section began."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from gaze_insight.errors import DataError
from gaze_insight.gaze.readers.table import Row, read_table
from gaze_insight.gaze.recording import image_id_of

__all__ = ["Section", "nanoseconds", "read_sections", "section_image"]

_NEEDED = ("section id", "recording id", "section start time [ns]")


class Section(NamedTuple):
    """One section of one recording.

    Args:
        recording: The recording's name, or its id where it has none.
        wearer: Who wore the glasses, where stated.
        start_ns: When the section began, UTC in ns.
        start_event: Name of the event it began with, where stated.
        line: Its row in the file.

    Example:
        >>> Section("r1", None, 0, "image7.begin", 2).start_event
        'image7.begin'
    """

    recording: str
    wearer: str | None
    start_ns: int
    start_event: str | None
    line: int


def read_sections(folder: Path) -> dict[str, Section]:
    r"""Read ``sections.csv`` of an export.

    Args:
        folder: The folder of the export.

    Returns:
        Section by its id; empty where the folder holds no such file.

    Raises:
        DataError: The file cannot be read, lacks a column or has a bad row.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> header = "section id,recording id,recording name,wearer name,section start time [ns]"
        >>> _ = (folder / "sections.csv").write_text(header + "\ns,r,day 1,Ann,7\n")
        >>> read_sections(folder)["s"]
        Section(recording='day 1', wearer='Ann', start_ns=7, start_event=None, line=2)
    """
    path = folder / "sections.csv"
    if not path.is_file():
        return {}
    table = read_table(path, what="the table of sections")
    table.need(_NEEDED)

    def stated(row: Row, name: str) -> str | None:
        return row.text(name) or None if name in table.columns else None

    return {
        row.text("section id"): Section(
            stated(row, "recording name") or row.text("recording id"),
            stated(row, "wearer name") or stated(row, "wearer id"),
            nanoseconds(row, "section start time [ns]"),
            stated(row, "start event name"),
            row.line,
        )
        for row in table.rows()
    }


def nanoseconds(row: Row, name: str) -> int:
    """Return a time in nanoseconds, exactly (as a float it would lose the last digits).

    Args:
        row: The row.
        name: The column.

    Returns:
        The time.

    Raises:
        DataError: The cell holds no whole number.
    """
    text = row.text(name)
    if not re.fullmatch(r"\d+", text):
        raise row.error(f"{name} must be a whole number of nanoseconds, found {text!r}")
    return int(text)


def section_image(section: str, sections: Mapping[str, Section], pattern: str, path: Path) -> str:
    r"""Find the image that a section showed by the name of the event it began with.

    Args:
        section: The section's id.
        sections: All sections.
        pattern: Regular expression whose first group, found in the event's name, is the image.
        path: The file, for messages.

    Returns:
        The image's id.

    Raises:
        DataError: The section or its event is unknown, or the pattern does not fit the event's name.

    Example:
        >>> known = {"s": Section("r1", None, 0, "lung7.begin", 2)}
        >>> section_image("s", known, r"(.+)\.begin", Path("fixations.csv"))
        'lung7'
    """
    one = sections.get(section)
    if one is None or one.start_event is None:
        raise DataError(
            f"unknown is the event with which section {section!r} began",
            path=path,
            remedy="keep sections.csv of the export beside the file",
        )
    found = re.search(pattern, one.start_event)
    image = "" if found is None else image_id_of(found.group(1) or "")
    if not image:
        raise DataError(
            f"the event {one.start_event!r} does not fit event_image {pattern!r}",
            path=path.parent / "sections.csv",
            row=one.line,
        )
    return image
