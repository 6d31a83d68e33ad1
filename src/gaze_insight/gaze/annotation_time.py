"""What looking cost: annotation time, from the recordings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from gaze_insight.errors import SettingsError
from gaze_insight.gaze.fixations import Fixations

__all__ = ["PAPER_ANNOTATION_HOURS", "PAPER_ANNOTATION_SOURCE", "AnnotationTime", "annotation_time"]

PAPER_ANNOTATION_HOURS: Mapping[str, float] = MappingProxyType(
    {"mask": 18.7, "box": 3.1, "point": 4.8, "scribble": 2.6, "gaze": 2.2}
)
"""Hours to annotate the training images, by kind of annotation, as published."""

PAPER_ANNOTATION_SOURCE = "From Gaze to Insight, Table 1 (Kvasir-SEG, 900 training images); not measured here"

_SOURCES = {
    "fixation": "sum of fixation durations",
    "trial": "from the first fixation's start to the last one's end, summed over images",
}
_MS_PER_S = 1000.0
_S_PER_H = 3600.0


@dataclass(frozen=True)
class AnnotationTime:
    """Time spent looking.

    Args:
        hours: In all.
        source: What was added up, in words.
        per_case_s: Image id to seconds.
    """

    hours: float
    source: str
    per_case_s: dict[str, float]


def annotation_time(
    fixations: Mapping[str, Fixations], kind: Literal["fixation", "trial"] = "trial"
) -> AnnotationTime:
    """Add up the time that annotators looked.

    Args:
        fixations: Image id to reading.
        kind: ``fixation`` adds the fixations' durations; ``trial`` adds the time from the first start to the
            last end, which holds saccades and blinks too. Dropped fixations are not counted in either.

    Returns:
        Hours in all and seconds a case; 0.0 for no image, and 0.0 for an image with an empty reading.

    Raises:
        SettingsError: Another kind.

    Example:
        >>> reading = Fixations.from_rows([(0.5, 0.5, 1000, 0), (0.5, 0.6, 600, 1200)])
        >>> annotation_time({"a": reading}).per_case_s, annotation_time({"a": reading}, "fixation").per_case_s
        ({'a': 1.8}, {'a': 1.6})
    """
    if kind not in _SOURCES:
        raise SettingsError(f"kind of annotation time must be 'fixation' or 'trial', found {kind!r}")
    seconds = {
        case: (one.total_duration_ms if kind == "fixation" else one.span_ms) / _MS_PER_S
        for case, one in fixations.items()
    }
    return AnnotationTime(sum(seconds.values()) / _S_PER_H, _SOURCES[kind], seconds)
