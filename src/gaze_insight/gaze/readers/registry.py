"""The gaze file formats that can be read, by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gaze_insight.gaze.readers.reading import GazeReading, ReadingContext
from gaze_insight.registry import Registry
from gaze_insight.types import Settings

__all__ = ["GAZE_FORMATS", "GazeFormat"]


@dataclass(frozen=True)
class GazeFormat:
    """One gaze file format.

    Args:
        name: The name it is registered under.
        what: What it is, in one line.
        settings_type: The settings of its reader; all have defaults or are asked for by name.
        read: ``(path, settings, context) -> GazeReading``; it ends with `finish_reading`.
        endings: How names of its files end, to find them in a folder (in any case; * stands for anything).
        sample_endings: The same for its files of samples, which are looked for instead where fixations are to
            be detected; empty where they are the same files.

    Example:
        >>> GAZE_FORMATS["fixation_table"].endings
        ('.csv', '.tsv', '.txt')
    """

    name: str
    what: str
    settings_type: type[Settings]
    read: Callable[[Path, Any, ReadingContext], GazeReading]
    endings: tuple[str, ...]
    sample_endings: tuple[str, ...] = ()


GAZE_FORMATS: Registry[GazeFormat] = Registry(
    "gaze format",
    {
        "fixation_table": "gaze_insight.gaze.readers.fixation_table:FIXATION_TABLE",
        "sample_table": "gaze_insight.gaze.readers.sample_table:SAMPLE_TABLE",
        "eyelink_asc": "gaze_insight.gaze.readers.eyelink_asc:EYELINK_ASC",
        "eyelink_report": "gaze_insight.gaze.readers.eyelink_report:EYELINK_REPORT",
        "tobii": "gaze_insight.gaze.readers.tobii:TOBII",
        "gazepoint": "gaze_insight.gaze.readers.gazepoint:GAZEPOINT",
        "pupil": "gaze_insight.gaze.readers.pupil:PUPIL",
        "neon": "gaze_insight.gaze.readers.neon:NEON",
    },
)
"""Formats by name; a user's own module adds one with ``GAZE_FORMATS.register("name")(GazeFormat(...))``."""
