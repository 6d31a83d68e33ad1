"""What a set of readings looks like, before anything is made of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from gaze_insight.errors import DataError
from gaze_insight.gaze.annotation_time import annotation_time
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.gaze.readers.reading import GazeReading

__all__ = ["GazeSummary", "summarise"]

_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_CENTRE_DISTANCE_FRAC = 0.15


@dataclass(frozen=True)
class GazeSummary:
    """Counts, durations and warning signs of a set of readings; None where there is nothing to average.

    Args:
        images: Images with a reading, empty readings included.
        empty: Images whose reading holds no fixation.
        fixations: Fixations in all.
        per_image_mean: Mean number of fixations an image.
        per_image_sd: Its standard deviation (of the population).
        per_image_min: Its smallest value.
        per_image_max: Its largest value.
        duration_ms: Quantile (0.05, 0.25, 0.5, 0.75, 0.95) to duration in ms; empty without fixations.
        off_image_share: Share of fixations off the image, before any were dropped.
        centre_first_share: Share of readings whose first fixation lies within 0.15 of the image's centre, as
            it does where a central cross precedes each image.
        hours: Annotation time, from the first start to the last end of each reading.
        annotators: Annotator to number of images; readings without a name are not listed.
        dropped: Reason to count, from the reader.
    """

    images: int
    empty: int
    fixations: int
    per_image_mean: float | None
    per_image_sd: float | None
    per_image_min: int | None
    per_image_max: int | None
    duration_ms: dict[float, float]
    off_image_share: float | None
    centre_first_share: float | None
    hours: float
    annotators: dict[str, int]
    dropped: dict[str, int]


def summarise(reading: GazeReading | Mapping[str, Fixations]) -> GazeSummary:
    """Describe a table's reading, or readings by image id.

    Args:
        reading: What a reader returned (then rows that it dropped are known), or image id to fixations.

    Returns:
        The summary; for no readings, counts of 0 and None for what has no value.

    Example:
        >>> summary = summarise({"a": Fixations.from_rows([(0.5, 0.5, 200, 0)]), "b": Fixations.empty()})
        >>> summary.images, summary.empty, summary.per_image_mean, summary.off_image_share
        (2, 1, 0.5, 0.0)
    """
    readings = reading.fixations if isinstance(reading, GazeReading) else reading
    counts = np.array([len(one) for one in readings.values()], dtype=np.int64)
    durations = np.concatenate([np.zeros(0), *(one.duration_ms for one in readings.values())])
    annotators: dict[str, int] = {}
    for one in readings.values():
        if one.annotator is not None:
            annotators[one.annotator] = annotators.get(one.annotator, 0) + 1
    some = len(counts) > 0
    return GazeSummary(
        images=len(counts),
        empty=int((counts == 0).sum()),
        fixations=int(counts.sum()),
        per_image_mean=float(counts.mean()) if some else None,
        per_image_sd=float(counts.std()) if some else None,
        per_image_min=int(counts.min()) if some else None,
        per_image_max=int(counts.max()) if some else None,
        duration_ms={q: float(np.quantile(durations, q)) for q in _QUANTILES} if durations.size else {},
        off_image_share=_off_image_share(reading),
        centre_first_share=_centre_first_share(readings),
        hours=annotation_time(readings).hours,
        annotators=annotators,
        dropped=dict(reading.dropped) if isinstance(reading, GazeReading) else {},
    )


def _in_unit(fixations: Fixations) -> Fixations | None:
    """Return the reading in image_unit, or None where its frame cannot be placed on the image."""
    try:
        return fixations.to_frame("image_unit")
    except DataError:
        return None


def _off_image_share(reading: GazeReading | Mapping[str, Fixations]) -> float | None:
    if isinstance(reading, GazeReading):
        return reading.off_image / reading.measured if reading.measured else None
    placed = [unit for unit in map(_in_unit, reading.values()) if unit is not None and len(unit) > 0]
    if not placed:
        return None
    return float(1 - np.concatenate([unit.inside for unit in placed]).mean())


def _centre_first_share(readings: Mapping[str, Fixations]) -> float | None:
    placed = [unit for unit in map(_in_unit, readings.values()) if unit is not None and len(unit) > 0]
    if not placed:
        return None
    near = [np.hypot(unit.x[0] - 0.5, unit.y[0] - 0.5) <= _CENTRE_DISTANCE_FRAC for unit in placed]
    return float(np.mean(near))
