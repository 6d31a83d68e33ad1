"""Simulated readings, calibrated on the statistics of real annotators' fixations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy import ndimage

from gaze_insight.errors import DataError
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.types import BoolArray, Settings, Size

__all__ = ["SimulatorSettings", "simulate_fixations"]

_CANDIDATES = 48
_MIN_COUNT = 5
_MIN_DURATION_MS = 50.0
_SEARCH_MARGIN = 0.08


class SimulatorSettings(Settings):
    """How a simulated annotator looks, and how well the tracker follows.

    Lengths ending in ``_frac`` are fractions of the image's width (x) and height (y). The radius of a lesion
    is that of the disc of equal area, ``sqrt(area_frac / pi)``. The defaults are those of `kvasir`.

    Example:
        >>> SimulatorSettings.nci_isbi().count_mean
        22.1
    """

    count_mean: float = Field(
        26.8, gt=1, description="fixations on an image whose lesion has the typical radius"
    )
    count_sd: float = Field(7.2, ge=0, description="spread of the count between readings of equal lesions")
    count_per_radius: float = Field(83.0, ge=0, description="more fixations per unit of lesion radius")
    typical_radius_frac: float = Field(
        0.21, gt=0, description="lesion radius at which the count is count_mean"
    )
    duration_log_mean: float = Field(5.716, description="mean of ln(duration in ms)")
    duration_log_sd: float = Field(0.453, ge=0, description="standard deviation of ln(duration in ms)")
    gap_median_ms: float = Field(23.0, gt=0, description="median time between two fixations")
    blink_share: float = Field(0.04, ge=0, le=1, description="share of gaps that hold a blink")
    blink_ms: float = Field(300.0, gt=0, description="mean length of a blink")
    cross_x_frac: float = Field(0.563, ge=0, le=1, description="where the central fixation cross is, across")
    cross_y_frac: float = Field(0.451, ge=0, le=1, description="where the central fixation cross is, down")
    cross_sd_frac: float = Field(0.05, ge=0, description="spread of the first fixation about the cross")
    landing: int = Field(1, ge=0, description="fixations that find the lesion's core, after the cross")
    saccade_base_frac: float = Field(0.05, ge=0, description="saccade length wanted on a vanishing lesion")
    saccade_per_radius: float = Field(0.175, ge=0, description="longer saccades per unit of lesion radius")
    jump_share: float = Field(0.1, ge=0, le=1, description="share of scanning saccades of any length")
    core_depth: float = Field(0.15, ge=0, le=1, description="depth looked at first: 0 innermost, 1 boundary")
    rim_depth: float = Field(0.9, ge=0, le=1, description="depth looked at last: 0 innermost, 1 boundary")
    aim_sd_frac: float = Field(0.022, ge=0, description="spread of a fixation about what it aims at")
    away_share: float = Field(
        0.035, ge=0, le=1, description="share of scanning fixations spent on surroundings"
    )
    offset_frac: float = Field(0.0, ge=0, description="noise: length of one tracker offset a reading")
    dropout: float = Field(0.0, ge=0, le=1, description="noise: share of fixations lost")
    extra: float = Field(0.0, ge=0, description="noise: spurious fixations, as a fraction of the true ones")

    @classmethod
    def kvasir(cls) -> SimulatorSettings:
        """Return an annotator of colonoscopy images: large, scattered lesions.

        Source: statistics of the GazeMedSeg recordings on Kvasir-SEG (26.8 +- 10.4 fixations an image, mean
        duration 336 ms, mean saccade 0.133 of the side, 85 % of fixations on the polyp).

        Returns:
            The preset.

        Example:
            >>> SimulatorSettings.kvasir() == SimulatorSettings()
            True
        """
        return cls()

    @classmethod
    def nci_isbi(cls) -> SimulatorSettings:
        """Return an annotator of prostate MRI slices: one small organ near the centre.

        Source: statistics of the GazeMedSeg recordings on NCI-ISBI 2013 (22.1 +- 7.1 fixations a slice, mean
        duration 350 ms, mean saccade 0.061 of the side).

        Returns:
            The preset.

        Example:
            >>> SimulatorSettings.nci_isbi().cross_x_frac
            0.478
        """
        return cls(
            count_mean=22.1,
            count_sd=7.1,
            count_per_radius=0.0,
            typical_radius_frac=0.1,
            duration_log_mean=5.756,
            duration_log_sd=0.448,
            gap_median_ms=19.0,
            blink_share=0.015,
            cross_x_frac=0.478,
            cross_y_frac=0.491,
            cross_sd_frac=0.03,
            saccade_base_frac=0.026,
            saccade_per_radius=0.18,
            aim_sd_frac=0.011,
            away_share=0.01,
        )


def simulate_fixations(
    mask: BoolArray,
    settings: SimulatorSettings,
    rng: np.random.Generator,
    annotator: str | None = None,
) -> Fixations:
    """Simulate one reading of an image whose lesion is known.

    Two phases: search (the central cross, then a landing on the lesion's core), then a scan from the centre
    to the boundary, whose saccades have the wanted length and whose aim scatters. Noise is added last.

    Args:
        mask: The lesion, boolean, shape (H, W). An empty mask gives a search of the whole image.
        settings: The annotator and the tracker.
        rng: Source of all randomness; an equal state gives an equal reading.
        annotator: Name to record.

    Returns:
        The reading in ``image_unit``. Without `offset_frac` all fixations are on the image; with it some may
        not be, as with a real tracker.

    Raises:
        DataError: The mask is not a non-empty 2-D array.

    Example:
        >>> mask = np.zeros((64, 64), dtype=bool)
        >>> mask[20:50, 20:50] = True
        >>> f = simulate_fixations(mask, SimulatorSettings.kvasir(), np.random.default_rng(0))
        >>> f.frame, bool(f.inside.all())
        ('image_unit', True)
    """
    mask = np.asarray(mask, dtype=np.bool_)
    if mask.ndim != 2 or mask.size == 0:
        raise DataError(f"a mask must have shape (H, W), found {mask.shape}")
    lesion = _Lesion.of(mask)
    count = _count(lesion, settings, rng)
    cross = rng.normal((settings.cross_x_frac, settings.cross_y_frac), settings.cross_sd_frac)
    points = _search(cross, count, rng) if lesion is None else _scan(lesion, cross, count, settings, rng)
    points = _reflect(points)
    if settings.extra > 0:
        points = _with_spurious(points, settings.extra, rng)
    duration_ms, start_ms = _times(len(points), settings, rng)
    if settings.offset_frac > 0:
        angle = rng.uniform(0, 2 * np.pi)
        points = points + settings.offset_frac * np.array([np.cos(angle), np.sin(angle)])
    size = Size(*mask.shape)
    reading = Fixations(points[:, 0], points[:, 1], duration_ms, start_ms, "image_unit", size, annotator)
    if settings.dropout > 0:
        reading = reading.select(rng.random(len(reading)) >= settings.dropout)
    return reading


@dataclass(frozen=True, eq=False)
class _Lesion:
    """The lesion's pixels (P, 2) in image_unit, their depth (0 innermost, 1 boundary), its radius."""

    points: NDArray[np.float64]
    depth: NDArray[np.float64]
    radius: float
    pixel: NDArray[np.float64]

    @classmethod
    def of(cls, mask: BoolArray) -> _Lesion | None:
        if not mask.any():
            return None
        rows, columns = np.nonzero(mask)
        inner = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1][rows, columns]
        pixel = 1 / np.array([mask.shape[1], mask.shape[0]], dtype=np.float64)
        points = (np.stack([columns, rows], axis=1) + 0.5) * pixel
        return cls(points, 1 - inner / inner.max(), float(np.sqrt(mask.mean() / np.pi)), pixel)


def _count(lesion: _Lesion | None, settings: SimulatorSettings, rng: np.random.Generator) -> int:
    """Draw the number of fixations, log-normal about a mean that grows with the lesion's radius."""
    mean = settings.count_mean
    if lesion is not None:
        mean += settings.count_per_radius * (lesion.radius - settings.typical_radius_frac)
    mean = max(mean, float(_MIN_COUNT))
    variance = np.log1p((settings.count_sd / mean) ** 2)
    return max(_MIN_COUNT, round(float(rng.lognormal(np.log(mean) - variance / 2, np.sqrt(variance)))))


def _search(cross: NDArray[np.float64], count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    found_nothing = rng.uniform(_SEARCH_MARGIN, 1 - _SEARCH_MARGIN, size=(count - 1, 2))
    return np.vstack([cross, found_nothing])


def _scan(
    lesion: _Lesion,
    cross: NDArray[np.float64],
    count: int,
    settings: SimulatorSettings,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Return the cross and ``count - 1`` fixations on and about the lesion, shape (count, 2)."""
    wanted = settings.saccade_base_frac + settings.saccade_per_radius * lesion.radius
    steps = rng.gamma(3.0, wanted / 3.0, size=count)
    jitter = rng.normal(0.0, settings.aim_sd_frac, size=(count, 2))
    away = rng.random(count) < settings.away_share
    free = rng.random(count) < settings.jump_share
    points = np.empty((count, 2))
    points[0] = here = cross
    for k in range(1, count):
        scanning = k > settings.landing
        progress = (k - settings.landing) / max(1, count - 1 - settings.landing) if scanning else 0.0
        depth = settings.core_depth + (settings.rim_depth - settings.core_depth) * min(1.0, 4 * progress)
        step = None if not scanning or free[k] else float(steps[k])
        aim = _aim(lesion, here, depth, step, rng)
        scatter = jitter[k]
        if scanning and away[k]:
            scatter = rng.normal(0.0, settings.saccade_base_frac + lesion.radius, size=2)
        points[k] = here = aim + scatter
    return points


def _aim(
    lesion: _Lesion,
    here: NDArray[np.float64],
    depth: float,
    step: float | None,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Choose a point of the lesion near the wanted depth and, where `step` is given, that far from here."""
    index = rng.integers(len(lesion.points), size=_CANDIDATES)
    cost = ((lesion.depth[index] - depth) / 0.45) ** 2
    if step is not None:
        length = np.hypot(*(lesion.points[index] - here).T)
        cost = cost + ((length - step) / (0.3 * step + 0.01)) ** 2
    weight = np.exp(-(cost - cost.min()) / 2)
    chosen = index[np.searchsorted(np.cumsum(weight), rng.random() * weight.sum())]
    within_pixel = rng.uniform(-0.5, 0.5, size=2) * lesion.pixel
    point: NDArray[np.float64] = lesion.points[chosen] + within_pixel
    return point


def _reflect(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Fold points beyond an edge back onto the image."""
    folded: NDArray[np.float64] = 1 - np.abs(1 - np.mod(points, 2))
    return folded


def _with_spurious(
    points: NDArray[np.float64], extra: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Insert uniform points, `extra` times as many as there are true ones, anywhere after the first."""
    added = rng.random((round(extra * len(points)), 2))
    return np.insert(points, rng.integers(1, len(points) + 1, size=len(added)), added, axis=0)


def _times(
    count: int, settings: SimulatorSettings, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Draw durations (log-normal) and starts (short gaps, now and then a blink)."""
    drawn = rng.lognormal(settings.duration_log_mean, settings.duration_log_sd, size=count)
    duration_ms = np.maximum(drawn, _MIN_DURATION_MS)
    gap_ms = settings.gap_median_ms * rng.lognormal(0.0, 0.3, size=count)
    blink = rng.random(count) < settings.blink_share
    gap_ms = gap_ms + blink * rng.exponential(settings.blink_ms, size=count)
    start_ms = np.cumsum(duration_ms + gap_ms) - (duration_ms + gap_ms)
    return duration_ms, start_ms
