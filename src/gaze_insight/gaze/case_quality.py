"""How good one reading is: its losses, its phases, how it fills the area looked at, and what is unusual."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy import spatial

from gaze_insight.gaze.fixations import Fixations
from gaze_insight.gaze.outliers import inliers
from gaze_insight.gaze.phases import PhaseSettings, find_phases
from gaze_insight.gaze.recording import RecordingFacts
from gaze_insight.types import Settings

__all__ = ["FLAGS", "CaseQuality", "HullCoverage", "QualityThresholds", "case_quality", "hull_coverage"]

FLAGS: Mapping[str, str] = MappingProxyType(
    {
        "no_fixations": "nothing was recorded",
        "few_fixations": "very few fixations",
        "short_look": "looked at for a very short time",
        "loss": "the tracker lost the eye for much of the time",
        "gaps": "long gaps between fixations: blinks, lost gaze or looks elsewhere",
        "off_image": "many fixations beside the image",
        "search": "much of the time went by before the look settled",
        "no_landing": "the look never settled on one place",
        "outliers": "many fixations far from the others",
        "small_hull": "all fixations lie on almost one spot",
        "holes": "large holes inside the area looked at",
    }
)
"""What each flag of a reading means, in words."""

_GRID = 24
_MS_PER_S = 1000.0


class QualityThresholds(Settings):
    """From where on a reading or a session is flagged.

    Limits on a reading are near the 1 % (or 99 %) quantile of the GazeMedSeg recordings, given in brackets
    for Kvasir-SEG (880 readings) and NCI-ISBI (789): they mark what is unusual beside a good recording.
    Exceptions are named. Lengths are fractions of the image's sides.

    Example:
        >>> QualityThresholds(max_loss_share=0.3).min_fixations
        8
    """

    phases: PhaseSettings = Field(PhaseSettings(), description="how cross, search and scan are told apart")
    mad_factor: float = Field(3.0, gt=0, description="distance of an outlier, in robust standard deviations")
    min_fixations: int = Field(8, ge=0, description="fewer fixations are flagged (9; 7.9)")
    min_looking_s: float = Field(3.0, ge=0, description="less looking time is flagged, in s (3.9; 3.0)")
    max_loss_share: float = Field(
        0.2, ge=0, le=1, description="more lost gaze is flagged; a customary limit, not measured here"
    )
    max_gap_share: float = Field(
        0.3, ge=0, le=1, description="more time between fixations is flagged (97.5 %: 0.32; 0.11)"
    )
    max_off_image_share: float = Field(
        0.1,
        ge=0,
        le=1,
        description="more fixations off the image are flagged; a convention: the published tables hold none",
    )
    max_search_share: float = Field(0.3, ge=0, le=1, description="more search is flagged (0.28; 0.45)")
    max_outlier_share: float = Field(0.2, ge=0, le=1, description="more outliers are flagged (0.21; 0.13)")
    min_hull_area_frac: float = Field(
        0.001, ge=0, le=1, description="a smaller area looked at is flagged (0.004; 0.001)"
    )
    max_coverage_ratio: float = Field(1.7, gt=0, description="larger holes are flagged (1.8; 1.5)")
    cross_x_frac: float | None = Field(
        None, description="where the fixation cross was, across; null: unknown, then no constant offset"
    )
    cross_y_frac: float | None = Field(None, description="where the fixation cross was, down; null: unknown")
    window: int = Field(31, ge=3, description="readings in the running median of first fixations")
    min_cross_share: float = Field(
        0.5, ge=0, le=1, description="from this share of starts at the centre a cross is taken for granted"
    )
    max_offset_frac: float = Field(
        0.03,
        gt=0,
        description="a larger offset of a session is warned of; about one degree on a usual screen",
    )
    max_drift_frac: float = Field(
        0.03, gt=0, description="a larger drift over a session (line or running median) is warned of"
    )
    max_practice_share: float = Field(
        0.2, gt=0, description="a larger change of looking time over a session is warned of"
    )
    max_flagged_share: float = Field(
        0.1, gt=0, le=1, description="a session with more flagged readings is warned of"
    )

    @property
    def cross(self) -> tuple[float, float] | None:
        """Where the fixation cross was, (x, y) as fractions of the image; None where that is not known."""
        if self.cross_x_frac is None or self.cross_y_frac is None:
            return None
        return (self.cross_x_frac, self.cross_y_frac)

    @property
    def phase_settings(self) -> PhaseSettings:
        """`phases`, with the cross where it is known to be."""
        if self.cross is None:
            return self.phases
        place = {"cross_x_frac": self.cross[0], "cross_y_frac": self.cross[1]}
        return self.phases.model_copy(update=place)


@dataclass(frozen=True)
class HullCoverage:
    """How the convex hull of some points is filled.

    Args:
        area_frac: Area of the hull, a fraction of the image's; 0.0 where the points make no area.
        gap_frac: Mean distance of the hull's interior to the nearest point; None without an area.
        ratio: `gap_frac` over what it would be for as many points strewn at random; None without an area.

    Example:
        >>> HullCoverage(0.0, None, None).area_frac
        0.0
    """

    area_frac: float
    gap_frac: float | None
    ratio: float | None


@dataclass(frozen=True)
class CaseQuality:
    """One row of the quality table: one reading of one image; None where there is nothing to measure.

    Args:
        id: The image.
        annotator: Who looked.
        session: The sitting.
        order: Place of the image among those of its session, from 0.
        fixations: Fixations kept.
        looking_s: Sum of their durations.
        trial_s: How long the image was shown; where that is unknown, from first start to last end.
        median_duration_ms: Median duration of a fixation.
        loss_share: Share of the recording without gaze, where the recording says so.
        gap_share: Share of the time from first start to last end that is in no fixation: saccades, blinks,
            lost gaze and dropped fixations.
        off_image_share: Share of recorded fixations off the image.
        too_short: Fixations dropped as too short.
        starts_at_centre: The first fixation lies at the central cross.
        first_x_frac: First fixation, across.
        first_y_frac: First fixation, down.
        search_share: Share of the time before the look settled (see `find_phases`).
        outlier_share: Share of fixations that `inliers` leaves out.
        dispersion_frac: Mean distance of the scan's inliers to their coordinate-wise median.
        hull_area_frac: Area of their convex hull, a fraction of the image's.
        hull_gap_frac: Mean distance of the hull's interior to the nearest of them.
        coverage_ratio: See `HullCoverage`; near 1 the hull is filled evenly, far above it has holes.
        flags: What is unusual: keys of `FLAGS`.
    """

    id: str
    annotator: str | None
    session: str | None
    order: int | None
    fixations: int
    looking_s: float
    trial_s: float
    median_duration_ms: float | None
    loss_share: float | None
    gap_share: float | None
    off_image_share: float | None
    too_short: int
    starts_at_centre: bool
    first_x_frac: float | None
    first_y_frac: float | None
    search_share: float | None
    outlier_share: float | None
    dispersion_frac: float | None
    hull_area_frac: float
    hull_gap_frac: float | None
    coverage_ratio: float | None
    flags: tuple[str, ...] = ()


def hull_coverage(points: NDArray[np.float64]) -> HullCoverage:
    """Measure the convex hull of points and how evenly they fill it.

    The gap is the mean distance from the hull's interior (a 24 x 24 grid over its bounding box) to the
    nearest point. N points strewn at random over an area A leave 0.5 sqrt(A / N) (Clark & Evans, Distance to
    nearest neighbor as a measure of spatial relationships in populations, 1954); the ratio of the two is
    somewhat above 1 for points that define their own hull.

    Args:
        points: Positions in ``image_unit``, shape (N, 2).

    Returns:
        The measures; an area of 0 for fewer than three points or points on one line.

    Example:
        >>> round(hull_coverage(np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])).area_frac, 3)
        0.5
    """
    if len(points) < 3 or np.linalg.matrix_rank(points - points[0], tol=1e-9) < 2:
        return HullCoverage(0.0, None, None)
    hull = spatial.ConvexHull(points)
    area = float(hull.volume)
    low, high = points.min(axis=0), points.max(axis=0)
    ticks = (np.arange(_GRID) + 0.5) / _GRID
    x, y = np.meshgrid(*(low + ticks[:, None] * (high - low)).T)
    grid = np.stack([x.ravel(), y.ravel()], axis=1)
    inside = (grid @ hull.equations[:, :2].T + hull.equations[:, 2] <= 0).all(axis=1)
    if not inside.any():
        return HullCoverage(area, None, None)
    gap = float(np.mean(spatial.cKDTree(points).query(grid[inside])[0]))
    return HullCoverage(area, gap, gap / (0.5 * float(np.sqrt(area / len(points)))))


def case_quality(
    id: str,
    fixations: Fixations,
    facts: RecordingFacts | None = None,
    thresholds: QualityThresholds | None = None,
) -> CaseQuality:
    """Measure one reading.

    Args:
        id: The image.
        fixations: The reading, in a frame that converts to ``image_unit``.
        facts: What else the recording states; None where nothing is known.
        thresholds: What is flagged.

    Returns:
        The row. An empty reading has the flag ``no_fixations`` alone (and ``off_image`` and ``loss`` where
        the facts say so).

    Raises:
        DataError: The fixations cannot be placed on the image.

    Example:
        >>> reading = Fixations.from_rows([(0.5, 0.5, 300, 0), (0.2, 0.2, 300, 350)])
        >>> row = case_quality("a", reading)
        >>> row.fixations, round(row.gap_share, 3), row.flags
        (2, 0.077, ('few_fixations', 'short_look', 'no_landing'))
    """
    thresholds = thresholds or QualityThresholds()
    facts = facts or RecordingFacts()
    unit = fixations.to_frame("image_unit")
    count, span_ms = len(unit), unit.span_ms
    phases = find_phases(unit, thresholds.phase_settings)
    kept = inliers(unit, mad_factor=thresholds.mad_factor)
    used = kept & phases.scan(count)
    points = np.stack([unit.x[used], unit.y[used]], axis=1)
    hull = hull_coverage(points)
    some = count > 0
    spread = np.hypot(*(points - np.median(points, axis=0)).T) if len(points) else np.zeros(0)
    row: dict[str, Any] = {
        "annotator": fixations.annotator,
        "session": facts.session,
        "order": facts.order,
        "fixations": count,
        "looking_s": unit.total_duration_ms / _MS_PER_S,
        "trial_s": (span_ms if facts.trial_ms is None else facts.trial_ms) / _MS_PER_S,
        "median_duration_ms": float(np.median(unit.duration_ms)) if some else None,
        "loss_share": facts.loss_share,
        "gap_share": max(0.0, 1 - unit.total_duration_ms / span_ms) if some else None,
        "off_image_share": _off_image_share(unit, facts),
        "too_short": facts.too_short,
        "starts_at_centre": phases.cross,
        "first_x_frac": float(unit.x[0]) if some else None,
        "first_y_frac": float(unit.y[0]) if some else None,
        "search_share": phases.search_share if some else None,
        "outlier_share": float(1 - kept.mean()) if some else None,
        "dispersion_frac": float(spread.mean()) if spread.size else None,
        "hull_area_frac": hull.area_frac,
        "hull_gap_frac": hull.gap_frac,
        "coverage_ratio": hull.ratio,
    }
    landed = phases.first_scan < count
    return CaseQuality(id=id, **row, flags=_flags(row, landed, thresholds))


def _off_image_share(unit: Fixations, facts: RecordingFacts) -> float | None:
    if facts.fixations:
        return (facts.off_image + facts.not_shown) / facts.fixations
    return float(1 - unit.inside.mean()) if len(unit) else None


def _flags(row: Mapping[str, Any], landed: bool, limits: QualityThresholds) -> tuple[str, ...]:
    above = {
        "loss": (row["loss_share"], limits.max_loss_share),
        "gaps": (row["gap_share"], limits.max_gap_share),
        "off_image": (row["off_image_share"], limits.max_off_image_share),
        "search": (row["search_share"] if landed else None, limits.max_search_share),
        "outliers": (row["outlier_share"], limits.max_outlier_share),
        "holes": (row["coverage_ratio"], limits.max_coverage_ratio),
    }
    raised = {name for name, (value, limit) in above.items() if value is not None and value > limit}
    if row["fixations"] == 0:
        raised.add("no_fixations")
    else:
        below = {
            "few_fixations": row["fixations"] < limits.min_fixations,
            "short_look": row["looking_s"] < limits.min_looking_s,
            "no_landing": not landed,
            "small_hull": landed and row["hull_area_frac"] < limits.min_hull_area_frac,
        }
        raised |= {name for name, is_so in below.items() if is_so}
    return tuple(name for name in FLAGS if name in raised)
