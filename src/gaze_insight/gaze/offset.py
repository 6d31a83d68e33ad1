"""Constant offset and drift of an eye tracker: measured at the central cross or on targets, and undone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from gaze_insight.errors import DataError, SettingsError
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.gaze.trend import Trend, trend
from gaze_insight.types import BoolArray

__all__ = ["CrossOffset", "Offset", "corrected", "cross_offset", "estimate_offset", "running_offset"]

_RESAMPLES = 500
_SHUFFLES = 99
_GRID = 41
_TARGET_PX = 256
_BLUR_FRAC = 0.01


@dataclass(frozen=True)
class CrossOffset:
    """How the first fixations lie about the central cross, over the readings of one session.

    Args:
        cross_x_frac: Where the cross is taken to be, across.
        cross_y_frac: Likewise, down.
        known: The cross was given; False: it is the median of these first fixations, and the constant
            offset is 0 by construction.
        dx_frac: Median of first fixation minus cross, across.
        dy_frac: Likewise, down.
        interval_x: 95 % bootstrap interval of `dx_frac`.
        interval_y: Likewise, down.
        drift_x: Slope of x over the order of images, per 100 images; None without an order.
        drift_y: Likewise, down.
        wander_frac: Largest distance of the running median from the overall one; None without an order, or
            with fewer readings than one window.
        wander_p: Share of shuffled orders (99, and the real one) that wander as far.
        readings: How many first fixations there were.
    """

    cross_x_frac: float
    cross_y_frac: float
    known: bool
    dx_frac: float
    dy_frac: float
    interval_x: tuple[float, float]
    interval_y: tuple[float, float]
    drift_x: Trend | None
    drift_y: Trend | None
    wander_frac: float | None
    wander_p: float | None
    readings: int


@dataclass(frozen=True)
class Offset:
    """The common shift that carries a set of readings off their targets.

    Args:
        dx_frac: Measured minus true position, fraction of the image's width; `corrected` takes it away.
        dy_frac: Likewise, fraction of the height, downwards.
        interval_x: 95 % bootstrap interval over readings.
        interval_y: Likewise, downwards.
        share_before: Share of looking time on the targets as recorded, in [0, 1].
        share_after: The same with the shift undone.
        readings: Readings that have a target and a fixation.
    """

    dx_frac: float
    dy_frac: float
    interval_x: tuple[float, float] = (float("nan"), float("nan"))
    interval_y: tuple[float, float] = (float("nan"), float("nan"))
    share_before: float = float("nan")
    share_after: float = float("nan")
    readings: int = 0


def cross_offset(
    first: ArrayLike,
    order: Sequence[int] | None = None,
    *,
    cross: tuple[float, float] | None = None,
    window: int = 31,
    seed: int = 0,
) -> CrossOffset:
    """Measure offset and drift by the first fixations, which a central cross calls to one place.

    Offset: the median of ``first - cross``, each coordinate for itself. Drift: the Theil-Sen slope over the
    order of images (`trend`). Wander: what a straight line does not follow, such as a new calibration (see
    `running_offset`).

    Args:
        first: First fixation of each reading in ``image_unit``, shape (N, 2), N >= 1.
        order: Place of each image among those of its session; None where it is not known.
        cross: Where the cross was, as fractions of the image; None takes the median of `first`.
        window: Readings in the running median.
        seed: Seed of the bootstrap.

    Returns:
        The measures.

    Raises:
        DataError: No first fixation, or arrays of other shapes.

    Example:
        >>> found = cross_offset([[0.51, 0.5], [0.52, 0.5], [0.53, 0.5]], [0, 1, 2], cross=(0.5, 0.5))
        >>> round(found.dx_frac, 3), round(found.drift_x.slope, 3), found.wander_frac
        (0.02, 1.0, None)
    """
    points = np.asarray(first, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 2 or len(points) == 0:
        raise DataError(f"first fixations must have shape (N, 2) with N >= 1, found {points.shape}")
    if order is not None and len(order) != len(points):
        raise DataError(f"each first fixation needs its place, found {len(order)} for {len(points)}")
    middle = np.median(points, axis=0)
    place = middle if cross is None else np.asarray(cross, dtype=np.float64)
    rng = np.random.default_rng(seed)
    drawn = points[rng.integers(len(points), size=(_RESAMPLES, len(points)))]
    low, high = np.quantile(np.median(drawn, axis=1) - place, [0.025, 0.975], axis=0)
    wander, chance = None, None
    if order is not None and len(points) >= window:
        sorted_points = points[np.argsort(order, kind="stable")]
        wander = _wander(sorted_points, window)
        shuffled = [_wander(rng.permutation(points), window) for _ in range(_SHUFFLES)]
        chance = (1 + sum(one >= wander for one in shuffled)) / (1 + _SHUFFLES)
    return CrossOffset(
        cross_x_frac=float(place[0]),
        cross_y_frac=float(place[1]),
        known=cross is not None,
        dx_frac=float(middle[0] - place[0]),
        dy_frac=float(middle[1] - place[1]),
        interval_x=(float(low[0]), float(high[0])),
        interval_y=(float(low[1]), float(high[1])),
        drift_x=None if order is None else trend(order, points[:, 0], per=100),
        drift_y=None if order is None else trend(order, points[:, 1], per=100),
        wander_frac=wander,
        wander_p=chance,
        readings=len(points),
    )


def running_offset(first: ArrayLike, *, window: int = 31) -> NDArray[np.float64]:
    """Follow the offset over a session by the running median of first fixations.

    ``o_i = median(first[i - h .. i + h]) - median(first)`` with ``h = window // 2``, cut at both ends. It
    follows a slow drift and the steps between calibrations alike, and leaves a constant offset alone.

    Args:
        first: First fixation of each reading in ``image_unit``, in the order of recording, shape (N, 2).
        window: Readings in the running median, at least 1.

    Returns:
        The offset at each reading, shape (N, 2); empty for no reading.

    Raises:
        SettingsError: `window` is below 1.

    Example:
        >>> running_offset([[0.5, 0.5]] * 4 + [[0.6, 0.5]] * 3, window=3)[:, 0].round(2).tolist()
        [0.0, 0.0, 0.0, 0.0, 0.1, 0.1, 0.1]
    """
    if window < 1:
        raise SettingsError(f"window must be at least 1, found {window}")
    points = np.asarray(first, dtype=np.float64).reshape(-1, 2)
    if len(points) == 0:
        return np.zeros((0, 2))
    half, count = window // 2, len(points)
    middles = np.empty((count, 2))
    for at in {*range(min(half, count)), *range(max(0, count - half), count)}:
        middles[at] = np.median(points[max(0, at - half) : at + half + 1], axis=0)
    if count > 2 * half:
        windows = np.lib.stride_tricks.sliding_window_view(points, 2 * half + 1, axis=0)
        middles[half : count - half] = np.median(windows, axis=-1)
    followed: NDArray[np.float64] = middles - np.median(points, axis=0)
    return followed


def estimate_offset(
    readings: Mapping[str, Fixations],
    targets: Mapping[str, BoolArray],
    *,
    max_shift_frac: float = 0.1,
    seed: int = 0,
) -> Offset:
    """Find the common shift that brings most looking time onto the targets.

    With ``T_r`` the target of reading ``r``, blurred by a Gaussian of 1 % of the image's sides, the measured
    positions ``p`` and durations ``w``, the offset is the shift ``d`` that maximises::

        score(d) = sum_r sum_i w_ri T_r(p_ri - d) / sum_r sum_i w_ri

    on a grid of 41 x 41 shifts within `max_shift_frac`, refined by a parabola through the best and its
    neighbours. The interval is a bootstrap over readings. Fixations that are off the target for another
    reason (the central cross) blur the estimate: leave them out beforehand (see `find_phases`). From 20
    simulated readings of Kvasir-SEG masks a known offset is found to within 0.005 (root mean square).

    Args:
        readings: Image id to reading, in frames that convert to ``image_unit``.
        targets: Image id to what the annotator was to look at, boolean, shape (H, W) of any size.
        max_shift_frac: Largest shift looked for, in each direction; above 0.
        seed: Seed of the bootstrap.

    Returns:
        The offset. Ids without a target, without a fixation or with an empty target are left out; `readings`
        says how many remain.

    Raises:
        DataError: Nothing remains.
        SettingsError: `max_shift_frac` is not above 0.

    Example:
        >>> target = np.zeros((100, 100), dtype=bool)
        >>> target[40:60, 30:50] = True
        >>> inside = np.random.default_rng(0).uniform((0.3, 0.4), (0.5, 0.6), size=(60, 2)) + (0.04, 0.0)
        >>> reading = Fixations.from_rows([(x, y, 200, 250 * i) for i, (x, y) in enumerate(inside)])
        >>> found = estimate_offset({"a": reading}, {"a": target})
        >>> abs(found.dx_frac - 0.04) < 0.01, found.share_after > found.share_before
        (True, True)
    """
    if not max_shift_frac > 0:
        raise SettingsError(f"max_shift_frac must be above 0, found {max_shift_frac:g}")
    used = [
        (reading.to_frame("image_unit"), targets[one])
        for one, reading in readings.items()
        if len(reading) and one in targets and targets[one].any()
    ]
    if not used:
        raise DataError(
            "no reading has both a fixation and a target",
            remedy="give targets under the ids of the readings",
        )
    looked = np.array([reading.total_duration_ms for reading, _ in used])
    side = np.linspace(-max_shift_frac, max_shift_frac, _GRID)
    hits = np.stack([_on_target(reading, target, side) for reading, target in used])
    shift = _peak(hits.sum(axis=0), side)
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(len(used), np.full(len(used), 1 / len(used)), size=_RESAMPLES)
    sums = (counts @ hits.reshape(len(used), -1)).reshape(-1, _GRID, _GRID)
    resampled = [_peak(one / time, side) for one, time in zip(sums, counts @ looked, strict=True)]
    low, high = np.quantile(resampled, [0.025, 0.975], axis=0)
    before, after = _share(used, np.zeros(2)), _share(used, shift)
    return Offset(
        dx_frac=float(shift[0]),
        dy_frac=float(shift[1]),
        interval_x=(float(low[0]), float(high[0])),
        interval_y=(float(low[1]), float(high[1])),
        share_before=before,
        share_after=after,
        readings=len(used),
    )


def corrected(fixations: Fixations, offset: Offset) -> Fixations:
    """Move a reading back by an offset.

    Args:
        fixations: The reading, in a frame that converts to ``image_unit``.
        offset: What was measured too far to the right and too far down.

    Returns:
        The reading in ``image_unit``, every fixation kept, also one that now lies off the image.

    Raises:
        DataError: The fixations cannot be placed on the image.

    Example:
        >>> corrected(Fixations.from_rows([(0.5, 0.5, 200, 0)]), Offset(0.25, 0.0)).x.tolist()
        [0.25]
    """
    unit = fixations.to_frame("image_unit")
    return replace(unit, x=unit.x - offset.dx_frac, y=unit.y - offset.dy_frac)


def _wander(points: NDArray[np.float64], window: int) -> float:
    return float(np.hypot(*running_offset(points, window=window).T).max())


def _on_target(reading: Fixations, target: BoolArray, side: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the looking time on the blurred target for each shift down and across: shape (S, S), in ms."""
    scale = min(1.0, _TARGET_PX / max(target.shape))
    height, width = (max(1, round(scale * length)) for length in target.shape)
    small = cv2.resize(target.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
    sigma_x, sigma_y = _BLUR_FRAC * width, _BLUR_FRAC * height
    soft = cv2.GaussianBlur(small, (0, 0), sigma_x, sigmaY=sigma_y, borderType=cv2.BORDER_CONSTANT)
    edged = np.pad(soft, 1)
    column = np.clip(np.floor((reading.x - side[:, None]) * width) + 1, 0, width + 1).astype(np.intp)
    line = np.clip(np.floor((reading.y - side[:, None]) * height) + 1, 0, height + 1).astype(np.intp)
    on: NDArray[np.float64] = edged[line[:, None, :], column[None, :, :]] @ reading.duration_ms
    return on


def _peak(score: NDArray[np.float64], side: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the shift (across, down) of the highest score, between the grid's points: shape (2,)."""
    line, column = divmod(int(score.argmax()), len(side))
    across = side[column] + _vertex(score[line], column) * (side[1] - side[0])
    down = side[line] + _vertex(score[:, column], line) * (side[1] - side[0])
    return np.array([across, down])


def _vertex(values: NDArray[np.float64], top: int) -> float:
    """Return how far, in steps, the parabola through the top and its neighbours peaks beside the top."""
    if top in (0, len(values) - 1):
        return 0.0
    before, here, after = values[top - 1 : top + 2]
    bend = before - 2 * here + after
    return float(np.clip(0.5 * (before - after) / bend, -0.5, 0.5)) if bend < 0 else 0.0


def _share(used: Sequence[tuple[Fixations, BoolArray]], shift: NDArray[np.float64]) -> float:
    """Return the share of looking time on the targets, sharply bounded, with `shift` undone."""
    on = looked = 0.0
    for reading, target in used:
        height, width = target.shape
        column = np.floor((reading.x - shift[0]) * width).astype(np.intp)
        line = np.floor((reading.y - shift[1]) * height).astype(np.intp)
        inside = (column >= 0) & (column < width) & (line >= 0) & (line < height)
        hit = target[np.clip(line, 0, height - 1), np.clip(column, 0, width - 1)] & inside
        on += float(reading.duration_ms @ hit)
        looked += reading.total_duration_ms
    return on / looked
