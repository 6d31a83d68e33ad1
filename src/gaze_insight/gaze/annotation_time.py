"""What looking cost: annotation time, from the recordings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from gaze_insight.errors import SettingsError
from gaze_insight.gaze.fixations import Fixations

__all__ = [
    "MASK_SECONDS",
    "PAPER_ANNOTATION_HOURS",
    "PAPER_ANNOTATION_IMAGES",
    "PAPER_ANNOTATION_SOURCE",
    "PAPER_SECONDS",
    "AnnotationTime",
    "SecondsPerImage",
    "annotation_time",
    "drawing_seconds",
]

PAPER_ANNOTATION_HOURS: Mapping[str, float] = MappingProxyType(
    {"mask": 18.7, "box": 3.1, "point": 4.8, "scribble": 2.6, "gaze": 2.2}
)
"""Hours to annotate the training images, by kind of annotation, as published."""

PAPER_ANNOTATION_IMAGES = 900
"""Training images that the published hours are for."""

PAPER_ANNOTATION_SOURCE = "From Gaze to Insight, Table 1 (Kvasir-SEG, 900 training images); not measured here"

_SOURCES = {
    "fixation": "sum of fixation durations",
    "trial": "from the first fixation's start to the last one's end, summed over images",
}
_MS_PER_S = 1000.0
_S_PER_H = 3600.0


@dataclass(frozen=True)
class SecondsPerImage:
    """What annotating one image takes.

    Args:
        seconds: Seconds an image, or an object where the source says so.
        source: Who says it.
    """

    seconds: float
    source: str


PAPER_SECONDS: Mapping[str, float] = MappingProxyType(
    {kind: hours * _S_PER_H / PAPER_ANNOTATION_IMAGES for kind, hours in PAPER_ANNOTATION_HOURS.items()}
)
"""Seconds to annotate an image, by kind of annotation, as published: hours over 900 training images."""

MASK_SECONDS: Mapping[str, SecondsPerImage] = MappingProxyType(
    {
        "paper": SecondsPerImage(PAPER_SECONDS["mask"], PAPER_ANNOTATION_SOURCE),
        "coco": SecondsPerImage(
            79.2,
            "Lin et al., Microsoft COCO, ECCV 2014: 22 hours for 1,000 outlines of everyday objects; "
            "not measured here",
        ),
        "fastest": SecondsPerImage(
            54.0,
            "an outline of one object, the fastest that Bearman et al., What's the Point, ECCV 2016, quote; "
            "not measured here",
        ),
    }
)
"""Published times to draw the mask of one object by hand. The first is what full supervision is charged by
default; the others, of photographs of everyday objects, say how far such times lie apart."""


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


def drawing_seconds(own: float | None = None) -> SecondsPerImage:
    """Say what drawing the true mask of one image is taken to cost.

    Args:
        own: Your own measure in seconds; None for the published one.

    Returns:
        Seconds an image and where they are from.

    Raises:
        SettingsError: The seconds are not above 0.

    Example:
        >>> round(drawing_seconds().seconds, 1), drawing_seconds(30).source
        (74.8, 'as given: 30 s an image')
    """
    if own is None:
        return MASK_SECONDS["paper"]
    if not own > 0:
        raise SettingsError(f"seconds to draw a mask must be above 0, found {own}")
    return SecondsPerImage(float(own), f"as given: {own:g} s an image")


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
