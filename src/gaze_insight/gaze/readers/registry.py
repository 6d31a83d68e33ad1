"""The named readers of gaze files."""

from __future__ import annotations

from collections.abc import Callable

from gaze_insight.gaze.readers.fixation_table import TableReading
from gaze_insight.registry import Registry

__all__ = ["FIXATION_READERS"]

FIXATION_READERS: Registry[Callable[..., TableReading]] = Registry(
    "fixation reader",
    {"table": "gaze_insight.gaze.readers.fixation_table:read_fixation_table"},
)
"""Public name to reader: a function of (path, columns, frame, ...) that returns a `TableReading`."""
