"""Event detection: from gaze samples, at regular or irregular times, to fixations."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from gaze_insight.errors import DataError
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.gaze.samples import Samples
from gaze_insight.types import Settings

__all__ = ["EventSettings", "ToUnit", "detect_fixations", "gaze_velocity"]

ToUnit = Callable[[NDArray[np.float64], NDArray[np.float64]], tuple[NDArray[np.float64], NDArray[np.float64]]]
"""Turns positions of the samples' frame into the unit of the thresholds: (x, y), each (N,), to (x, y)."""

_TINY_MS = 1e-6
_LOSS = 1.5
_MISSING_FACT = {
    ("screen_px", "degrees"): "the screen's size in pixels and millimetres and the viewing distance",
    ("image_unit", "degrees"): "where the image stood on the screen, the screen's size in pixels and "
    "millimetres, and the viewing distance",
    ("image_unit", "screen_px"): "where the image stood on the screen",
    ("screen_px", "image_unit"): "where the image stood on the screen",
    ("degrees", "screen_px"): "the screen's size in pixels and millimetres and the viewing distance",
}

_FloatColumn = NDArray[np.float64]
_Runs = list[tuple[int, int]]


class EventSettings(Settings):
    """How fixations are found in samples.

    The defaults are in degrees of visual angle and follow Olsen, "The Tobii I-VT fixation filter" (2012):
    30 deg/s, a velocity window of 20 ms, joining within 75 ms and 0.5 deg, 60 ms at least. In another unit no
    default means anything, so the thresholds that are used must then be stated.

    Example:
        >>> EventSettings().velocity_threshold
        30.0
        >>> EventSettings(unit="screen_px", velocity_threshold=1200, max_distance=20).unit
        'screen_px'
    """

    kind: Literal["ivt", "idt"] = Field(
        "ivt", description="ivt: slower than velocity_threshold; idt: within dispersion_threshold"
    )
    unit: Literal["degrees", "screen_px", "image_unit"] = Field(
        "degrees", description="unit of the thresholds"
    )
    velocity_threshold: float = Field(30.0, gt=0, description="ivt: slower samples are fixation; unit/s")
    dispersion_threshold: float = Field(
        1.0, gt=0, description="idt: largest width + height of a fixation; unit"
    )
    velocity_window_ms: float = Field(20.0, gt=0, description="ivt: time over which velocity is taken")
    min_duration_ms: float = Field(60.0, ge=0, description="shorter fixations are left out")
    max_gap_ms: float = Field(75.0, ge=0, description="neighbours no further apart in time are joined")
    max_distance: float = Field(
        0.5, ge=0, description="neighbours no further apart in place are joined; unit; 0 joins none"
    )
    max_loss_gap_ms: float = Field(75.0, ge=0, description="a longer loss of gaze ends a fixation")

    @model_validator(mode="after")
    def _thresholds_are_stated(self) -> Self:
        if self.unit == "degrees":
            return self
        needed = {"velocity_threshold" if self.kind == "ivt" else "dispersion_threshold", "max_distance"}
        missing = sorted(needed - self.model_fields_set)
        if missing:
            raise ValueError(
                f"with unit {self.unit}, state {' and '.join(missing)}: the defaults are degrees"
            )
        return self


def detect_fixations(
    samples: Samples, settings: EventSettings | None = None, *, to_unit: ToUnit | None = None
) -> Fixations:
    """Find fixations by velocity (I-VT) or dispersion (I-DT), after Salvucci & Goldberg (ETRA 2000).

    A loss of gaze of at most ``max_loss_gap_ms`` is passed over where gaze came back to where it was; a
    longer one ends a fixation. Its length is the time between the valid samples around it less one median
    period, so rows that are missing in the file count like rows without a position.

    - ``ivt``: runs of samples whose `gaze_velocity` is below ``velocity_threshold``. Samples more than half
      a velocity window apart do not see each other; between them a run is cut where displacement over time
      reaches the threshold. Where that pause is a loss (above 1.5 median periods), it may hide a saccade that
      was over long before gaze was found again, so the run is cut at any displacement above ``max_distance``
      too (unless that is 0).
    - ``idt``: a window that lasts ``min_duration_ms`` with ``(max x - min x) + (max y - min y) <=
      dispersion_threshold``, grown while that holds; else the window moves on by one sample. A jump during a
      loss counts as any other: both sides are in the window.

    Then neighbours at most ``max_gap_ms`` and ``max_distance`` (between their centres) apart are joined, and
    what is shorter than ``min_duration_ms`` is left out (Olsen 2012). A fixation lasts from its first sample
    to the end of its last one (`Samples.sample_ms`); its position is the mean of its samples.

    Args:
        samples: The recording, in any frame.
        settings: Thresholds and their unit.
        to_unit: Converts positions to ``settings.unit`` where the samples are in another frame, for instance
            ``Geometry.to_degrees`` for samples in screen pixels. Positions given back stay in the samples'
            frame.

    Returns:
        The fixations in the frame and on the clock of the samples; empty where there are none. In
        ``image_unit`` distances are plain fractions, also where the image is not square.

    Raises:
        DataError: The thresholds are in another unit than the samples and `to_unit` is missing.

    Example:
        >>> t = np.arange(0, 400, 4.0)
        >>> x = np.where(t < 200, 1.0, 9.0)
        >>> found = detect_fixations(Samples(t, x, np.zeros(100), "degrees"))
        >>> found.x.tolist(), found.start_ms.tolist(), found.duration_ms.tolist()
        ([1.0, 9.0], [0.0, 208.0], [192.0, 192.0])
    """
    settings = settings or EventSettings()
    if to_unit is None and samples.frame != settings.unit:
        raise DataError(
            f"the thresholds are in {settings.unit}, the samples in {samples.frame}: unknown is "
            f"{_MISSING_FACT.get((samples.frame, settings.unit), 'how the one becomes the other')}",
            remedy=f"state these facts in a geometry file, or thresholds with unit: {samples.frame}",
        )
    valid = ~samples.lost
    t, x, y = samples.t_ms[valid], samples.x[valid], samples.y[valid]
    end = t + samples.sample_ms[valid]
    u, v = (x, y) if to_unit is None else to_unit(x, y)
    kept: list[_Runs] = []
    for first, stop in _segments(t, settings.max_loss_gap_ms + samples.period_ms):
        part = slice(first, stop)
        if settings.kind == "ivt":
            runs = _slow_runs(t[part], u[part], v[part], settings, samples.period_ms)
        else:
            runs = _tight_runs(t[part], end[part], u[part], v[part], settings)
        kept += _joined([(first + a, first + b) for a, b in runs], t, end, u, v, settings)
    rows = []
    for runs in kept:
        start_ms, end_ms = t[runs[0][0]], end[runs[-1][1] - 1]
        if end_ms - start_ms >= max(settings.min_duration_ms, np.finfo(float).tiny) - _TINY_MS:
            rows.append((*_centre(runs, x, y), end_ms - start_ms, start_ms))
    return Fixations.from_rows(
        rows, samples.frame, image_size=samples.image_size, annotator=samples.annotator
    )


def gaze_velocity(t_ms: _FloatColumn, x: _FloatColumn, y: _FloatColumn, window_ms: float) -> _FloatColumn:
    """Return the speed of gaze around each sample of a stretch without loss, at any times.

    ``v_i = |p_b - p_a| / (t_b - t_a)``, where a and b are the first and the last sample within
    ``t_i +- window_ms / 2`` (the two-point estimate of Olsen 2012, section 3.3). Where the window holds no
    other sample (a slow tracker), a is the sample before i; for the first sample b is the one after it.

    Args:
        t_ms: Times, shape (N,), strictly increasing.
        x: Horizontal positions, shape (N,), no NaN.
        y: Vertical positions, shape (N,), no NaN.
        window_ms: Width of the window.

    Returns:
        Units of x and y per second, shape (N,); NaN for a single sample; empty for none.

    Example:
        >>> t = np.array([0.0, 10.0, 30.0])
        >>> gaze_velocity(t, np.array([0.0, 1.0, 1.0]), np.zeros(3), 20.0).tolist()
        [100.0, 100.0, 0.0]
    """
    count = len(t_ms)
    if count < 2:
        return np.full(count, np.nan)
    index = np.arange(count)
    half = window_ms / 2 + _TINY_MS
    first = np.searchsorted(t_ms, t_ms - half, side="left")
    last = np.searchsorted(t_ms, t_ms + half, side="right") - 1
    alone = first == last
    first = np.where(alone, np.maximum(index - 1, 0), first)
    last = np.where(alone, np.maximum(index, 1), last)
    distance = np.hypot(x[last] - x[first], y[last] - y[first])
    speed: _FloatColumn = distance / (t_ms[last] - t_ms[first]) * 1000.0
    return speed


def _segments(t: _FloatColumn, longest_ms: float) -> _Runs:
    """Cut valid samples where the next is more than `longest_ms` away; (first, stop) each."""
    if len(t) == 0:
        return []
    cuts = np.flatnonzero(np.diff(t) > longest_ms + _TINY_MS) + 1
    edges = [0, *cuts.tolist(), len(t)]
    return list(pairwise(edges))


def _slow_runs(
    t: _FloatColumn, x: _FloatColumn, y: _FloatColumn, settings: EventSettings, period_ms: float
) -> _Runs:
    """Apply I-VT to one segment: (first, stop) of each run of slow samples without a jump in it."""
    speed = gaze_velocity(t, x, y, settings.velocity_window_ms)
    slow = np.concatenate(([False], speed < settings.velocity_threshold, [False]))
    edges = np.flatnonzero(slow[1:] != slow[:-1]).reshape(-1, 2)
    jumps = _unseen_jumps(t, x, y, settings, period_ms)
    runs: _Runs = []
    for first, stop in edges.tolist():
        low, high = np.searchsorted(jumps, [first + 1, stop])
        runs += pairwise([first, *jumps[low:high].tolist(), stop])
    return runs


def _unseen_jumps(
    t: _FloatColumn, x: _FloatColumn, y: _FloatColumn, settings: EventSettings, period_ms: float
) -> NDArray[np.intp]:
    """Return the samples at which gaze has moved since the one before, beyond the reach of velocity."""
    step_ms, moved = np.diff(t), np.hypot(np.diff(x), np.diff(y))
    fast = moved >= settings.velocity_threshold * step_ms / 1000.0
    elsewhere = (moved > settings.max_distance) & (settings.max_distance > 0)
    lost = step_ms > _LOSS * period_ms
    unseen = step_ms > settings.velocity_window_ms / 2 + _TINY_MS
    return np.flatnonzero(unseen & (fast | (lost & elsewhere))) + 1


def _tight_runs(
    t: _FloatColumn, end: _FloatColumn, x: _FloatColumn, y: _FloatColumn, settings: EventSettings
) -> _Runs:
    """Apply I-DT to one segment: (first, stop) of each window that cannot grow further."""
    limit = settings.dispersion_threshold * (1 + 1e-12)
    last = np.searchsorted(end, t + settings.min_duration_ms - _TINY_MS, side="left")
    whole = int(np.searchsorted(last, len(t), side="left"))
    last = np.maximum(last[:whole], np.arange(whole))
    tight = np.flatnonzero(_spread(x, last) + _spread(y, last) <= limit)
    runs: _Runs = []
    at = 0
    while (place := int(np.searchsorted(tight, at, side="left"))) < len(tight):
        first = int(tight[place])
        at = _grown(x, y, first, int(last[first]) + 1, limit)
        runs.append((first, at))
    return runs


def _spread(values: _FloatColumn, last: NDArray[np.intp]) -> _FloatColumn:
    """Max minus min of ``values[i : last[i] + 1]`` for all i, by doubling (a sparse table)."""
    count = len(last)
    length = last - np.arange(count) + 1
    spread = np.zeros(count)
    high = low = values
    width = 1
    while width <= int(length.max(initial=0)):
        now = np.flatnonzero((length >= width) & (length < 2 * width))
        left, right = now, last[now] - width + 1
        spread[now] = np.maximum(high[left], high[right]) - np.minimum(low[left], low[right])
        if len(high) <= width:
            break
        high = np.maximum(high[:-width], high[width:])
        low = np.minimum(low[:-width], low[width:])
        width *= 2
    return spread


def _grown(x: _FloatColumn, y: _FloatColumn, first: int, stop: int, limit: float) -> int:
    """Return the stop of the longest window from `first` whose dispersion is within `limit`."""
    ahead = stop - first
    while stop < len(x):
        part = slice(first, min(stop + ahead, len(x)))
        wide = sum(np.maximum.accumulate(c[part]) - np.minimum.accumulate(c[part]) for c in (x, y))
        over = np.flatnonzero(np.asarray(wide) > limit)
        if len(over):
            return first + int(over[0])
        stop, ahead = part.stop, 2 * ahead
    return stop


def _joined(
    runs: _Runs,
    t: _FloatColumn,
    end: _FloatColumn,
    x: _FloatColumn,
    y: _FloatColumn,
    settings: EventSettings,
) -> list[_Runs]:
    groups: list[_Runs] = []
    for run in runs:
        if groups and settings.max_distance > 0:
            gap_ms = t[run[0]] - end[groups[-1][-1][1] - 1]
            if gap_ms <= settings.max_gap_ms + _TINY_MS:
                (x0, y0), (x1, y1) = _centre(groups[-1], x, y), _centre([run], x, y)
                if np.hypot(x1 - x0, y1 - y0) <= settings.max_distance:
                    groups[-1].append(run)
                    continue
        groups.append([run])
    return groups


def _centre(runs: _Runs, x: _FloatColumn, y: _FloatColumn) -> tuple[float, float]:
    count = sum(b - a for a, b in runs)
    return (
        float(sum(x[a:b].sum() for a, b in runs)) / count,
        float(sum(y[a:b].sum() for a, b in runs)) / count,
    )
