"""Gaze to points: where the lesion surely is, and where nobody looked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from gaze_insight.gaze.clusters import Points, farthest_points, weighted_clusters
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.gaze.selection import GazeSelection, SelectedGaze, select_gaze, side_lengths
from gaze_insight.gaze.strokes import draw_stroke
from gaze_insight.types import BACKGROUND, FOREGROUND, IGNORE, ByteArray, Settings, Size

__all__ = ["PointLabel", "PointSettings", "gaze_to_points"]

_GRID = 32


class PointSettings(Settings):
    """How fixations become points. Distances are fractions of the image's longer side.

    Example:
        >>> PointSettings(foreground=1).background
        5
    """

    gaze: GazeSelection = GazeSelection()
    foreground: int = Field(5, ge=1, le=100, description="points on what was looked at, at most")
    choice: Literal["clusters", "spread"] = Field(
        "clusters",
        description="clusters: the middle fixation of each duration-weighted cluster; spread: the longest "
        "fixation, then those far from each other",
    )
    background: int = Field(5, ge=0, le=100, description="points where nobody looked, at most")
    background_distance_frac: float = Field(
        0.15, gt=0, le=1, description="least distance of a background point from every fixation"
    )
    radius_frac: float = Field(0.02, ge=0, le=0.2, description="radius of the disc drawn for a point")


@dataclass(frozen=True, eq=False)
class PointLabel:
    """Points of one image, in ``image_unit``.

    Attributes:
        foreground: Positions, float64, shape (K, 2), as (x, y) in [0, 1].
        background: Likewise, shape (M, 2).
        radius_frac: Radius of a point's disc, as a fraction of the longer side.
        left_out: Reason to number of fixations that did not count.
    """

    foreground: Points
    background: Points
    radius_frac: float
    left_out: dict[str, int] = field(default_factory=dict)

    def rasterise(self, size: Size) -> ByteArray:
        """Draw the points as discs.

        Args:
            size: Height and width of the map in pixels, of the image or of any resized copy.

        Returns:
            uint8, shape (h, w): 1 on a foreground disc, 0 on a background disc, 255 elsewhere. Where both
            meet, foreground stays. A disc covers one pixel at least; no point at all gives 255 everywhere.

        Example:
            >>> label = PointLabel(np.array([[0.5, 0.5]]), np.zeros((0, 2)), 0.0)
            >>> label.rasterise(Size(3, 3)).tolist()
            [[255, 255, 255], [255, 1, 255], [255, 255, 255]]
        """
        drawn = np.full(size, IGNORE, np.uint8)
        radius = self.radius_frac * max(size)
        extent = np.array([size.width, size.height])
        for points, value in ((self.background, BACKGROUND), (self.foreground, FOREGROUND)):
            for point in points * extent:
                draw_stroke(drawn, point[None], radius, value)
        return drawn


def gaze_to_points(
    fixations: Fixations, image_size: Size, settings: PointSettings | None = None
) -> PointLabel:
    """Choose points that stand for a reading, and points that stand for what nobody looked at.

    Foreground points are fixations: by default the fixations that count are grouped by duration-weighted
    k-means, and of each cluster the fixation nearest to its weighted mean is taken, so that a point never
    lies where nobody looked. Background points stand for the part of the image that is at least
    `background_distance_frac` away from every fixation, outliers included: that part is grouped by k-means on
    a grid, and of each cluster the grid point nearest to its mean is taken.

    Args:
        fixations: The reading, in a frame that leads to ``image_unit``.
        image_size: Height and width of the image.
        settings: How to choose; None for the defaults.

    Returns:
        The points; fewer than asked for where fixations coincide or the background is small, and none of
        either kind for a reading without a fixation on the image.

    Raises:
        DataError: The frame does not say where on the image the fixations are.

    Example:
        >>> rows = [(0.2, 0.2, 300, 0), (0.25, 0.2, 300, 400), (0.28, 0.25, 300, 600), (0.3, 0.3, 300, 800)]
        >>> points = gaze_to_points(Fixations.from_rows(rows), Size(100, 100), PointSettings(background=1))
        >>> points.foreground.tolist(), len(points.background)
        ([[0.25, 0.2], [0.28, 0.25], [0.3, 0.3]], 1)
    """
    settings = settings or PointSettings()
    chosen = select_gaze(fixations, image_size, settings.gaze)
    sides = side_lengths(image_size)
    if len(chosen.fixations) == 0:
        nothing = np.zeros((0, 2))
        return PointLabel(nothing, nothing, settings.radius_frac, chosen.left_out)
    foreground = _foreground(chosen, settings) / sides
    background = _background(chosen, settings) / sides
    return PointLabel(foreground, background, settings.radius_frac, chosen.left_out)


def _foreground(chosen: SelectedGaze, settings: PointSettings) -> Points:
    points, weights = chosen.points, chosen.fixations.duration_ms
    if settings.choice == "spread":
        return points[farthest_points(points, settings.foreground, int(weights.argmax()))]
    return _middles(points, weights, settings.foreground)


def _background(chosen: SelectedGaze, settings: PointSettings) -> Points:
    if settings.background == 0:
        return np.zeros((0, 2))
    sides = side_lengths(chosen.image_size)
    steps = [(np.arange(count) + 0.5) / count for count in np.maximum(1, np.rint(_GRID * sides)).astype(int)]
    grid = np.stack(np.meshgrid(*steps), axis=-1).reshape(-1, 2) * sides
    looked = np.stack([chosen.everywhere.x, chosen.everywhere.y], axis=1) * sides
    nearest = np.min([np.hypot(*(grid - one).T) for one in looked], axis=0)
    far = grid[nearest >= settings.background_distance_frac]
    return _middles(far, np.ones(len(far)), settings.background)


def _middles(points: Points, weights: NDArray[np.float64], count: int) -> Points:
    """Of each cluster, the member nearest to its weighted mean."""
    group = weighted_clusters(points, weights, count)
    middles = np.zeros((group.max(initial=-1) + 1, 2))
    for one in range(len(middles)):
        members = points[group == one]
        mean = np.average(members, axis=0, weights=weights[group == one])
        middles[one] = members[np.hypot(*(members - mean).T).argmin()]
    return middles
