"""What one reading is like, in numbers that two sets of readings can be compared by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from gaze_insight.errors import DataError
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.types import BoolArray

__all__ = ["STATISTICS", "Statistic", "reading_statistics"]

_FIRST = 3
_ORDERS = (1, 2, 3, 4)


@dataclass(frozen=True)
class Statistic:
    """A number, or several, that a reading has.

    Args:
        name: Its key.
        title: In words.
        unit: Of its values; "share" for a fraction in [0, 1].
        pooled: Whether a reading has many values (one a fixation, or one a saccade) or one.

    Example:
        >>> STATISTICS["duration_ms"].unit
        'ms'
    """

    name: str
    title: str
    unit: str
    pooled: bool = False


_SIDE = "fraction of the side"
STATISTICS: Mapping[str, Statistic] = MappingProxyType(
    {
        one.name: one
        for one in (
            Statistic("count", "Fixations in a reading", "fixations"),
            Statistic("duration_ms", "Duration of a fixation", "ms", pooled=True),
            Statistic("gap_ms", "Gap between two fixations", "ms", pooled=True),
            Statistic("saccade_frac", "Amplitude of a saccade", _SIDE, pooled=True),
            Statistic("dispersion_frac", "Spatial dispersion of a reading", _SIDE),
            *(
                Statistic(f"distance_{k}_frac", f"Distance of fixation {k} to the target's centroid", _SIDE)
                for k in _ORDERS
            ),
            Statistic("on_target_first_3", "On-target share, first three fixations", "share"),
            Statistic("on_target_third_1", "On-target share, first third", "share"),
            Statistic("on_target_third_2", "On-target share, middle third", "share"),
            Statistic("on_target_third_3", "On-target share, last third", "share"),
        )
    }
)
"""The statistics in the order in which they are shown; those with "target" in their title need a mask."""


def reading_statistics(
    fixations: Fixations, target: BoolArray | None = None
) -> dict[str, NDArray[np.float64]]:
    """Compute each statistic of a reading.

    - ``count``: number of fixations N.
    - ``duration_ms``: N durations; ``gap_ms``: N - 1 times from one fixation's end to the next one's start.
    - ``saccade_frac``: N - 1 lengths ``hypot(dx, dy)`` with dx and dy in fractions of the image's sides.
    - ``dispersion_frac``: mean over x and y of the duration-weighted standard deviation
      ``sqrt(sum w (x - sum w x)^2)``, w = duration / total duration.
    - ``distance_K_frac``, K = 1 to 4: distance of the K-th fixation to the centroid of the target's pixels.
    - ``on_target_first_3`` and ``on_target_third_1`` to ``_3``: share of those fixations that lie on the
      target; the i-th of N fixations (from 0) belongs to third ``floor(3 i / N) + 1``. A fixation off the
      image is off the target.

    Args:
        fixations: A reading, in a frame that converts to ``image_unit``.
        target: The lesion, boolean (H, W); None, or an empty mask, leaves out what needs it.

    Returns:
        Name to values, float64 (K,). A statistic that the reading does not have is of length 0: an empty
        reading has only its count.

    Raises:
        DataError: The frame cannot be converted, or the target is not a 2-D mask.

    Example:
        >>> reading = Fixations.from_rows([(0.5, 0.5, 200, 0), (0.8, 0.9, 200, 230)])
        >>> found = reading_statistics(reading)
        >>> found["gap_ms"].tolist(), found["saccade_frac"].tolist(), len(found["distance_1_frac"])
        ([30.0], [0.5], 0)
    """
    unit = fixations.to_frame("image_unit")
    found = {name: np.zeros(0) for name in STATISTICS}
    found["count"] = np.array([float(len(unit))])
    if len(unit) == 0:
        return found
    found["duration_ms"] = np.array(unit.duration_ms)
    found["gap_ms"] = unit.start_ms[1:] - (unit.start_ms + unit.duration_ms)[:-1]
    found["saccade_frac"] = np.hypot(np.diff(unit.x), np.diff(unit.y))
    weight = unit.duration_ms / unit.total_duration_ms
    spread = [np.sqrt((weight * (at - (weight * at).sum()) ** 2).sum()) for at in (unit.x, unit.y)]
    found["dispersion_frac"] = np.array([np.mean(spread)])
    if target is not None:
        found.update(_on_target(unit, target))
    return found


def _on_target(unit: Fixations, target: BoolArray) -> dict[str, NDArray[np.float64]]:
    mask = np.asarray(target, dtype=np.bool_)
    if mask.ndim != 2 or mask.size == 0:
        raise DataError(f"a target must have shape (H, W), found {mask.shape}")
    if not mask.any():
        return {}
    height, width = mask.shape
    rows, columns = np.nonzero(mask)
    away = np.hypot(
        unit.x - (columns.mean() + 0.5) / width,
        unit.y - (rows.mean() + 0.5) / height,
    )
    row = np.floor(np.clip(unit.y, 0, 1) * height).astype(np.intp).clip(0, height - 1)
    column = np.floor(np.clip(unit.x, 0, 1) * width).astype(np.intp).clip(0, width - 1)
    on = (mask[row, column] & unit.inside).astype(np.float64)
    third = np.arange(len(unit)) * 3 // len(unit)
    found = {f"distance_{k}_frac": away[k - 1 : k] for k in _ORDERS}
    found["on_target_first_3"] = np.array([on[:_FIRST].mean()])
    for number in range(3):
        part = on[third == number]
        found[f"on_target_third_{number + 1}"] = part.mean(keepdims=True) if len(part) else part
    return found
