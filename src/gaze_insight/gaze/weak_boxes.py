"""Gaze to boxes: the rectangle that was looked at."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from gaze_insight.gaze.clusters import Points, linked_groups
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.gaze.selection import GazeSelection, select_gaze, side_lengths
from gaze_insight.types import BACKGROUND, FOREGROUND, IGNORE, ByteArray, Settings, Size

__all__ = ["BoxLabel", "BoxSettings", "gaze_to_box"]

Inside = Literal["foreground", "unknown"]


class BoxSettings(Settings):
    """How fixations become boxes. Distances are fractions of the image's longer side.

    Example:
        >>> BoxSettings(cluster_gap_frac=0.2).inside
        'foreground'
    """

    gaze: GazeSelection = GazeSelection()
    trim_frac: float = Field(
        0.0,
        ge=0,
        lt=0.5,
        description="share of the looking time left outside on each of the four sides; 0 takes the extremes",
    )
    margin_frac: float = Field(
        0.04, ge=-0.2, le=0.5, description="added on each side; below 0 the box is made smaller"
    )
    least_side_frac: float = Field(0.03, gt=0, le=1, description="a box is at least this wide and high")
    cluster_gap_frac: float | None = Field(
        None,
        gt=0,
        le=1,
        description="fixations with a longer gap between them get boxes of their own; null makes one box",
    )
    least_cluster_share: float = Field(
        0.1, ge=0, lt=1, description="a cluster with a smaller share of the looking time gets no box"
    )
    inside: Inside = Field(
        "foreground",
        description="what the label map says inside a box; outside it says background. With unknown the map "
        "has no foreground, which only a method with a loss for boxes can learn from",
    )


@dataclass(frozen=True, eq=False)
class BoxLabel:
    """Boxes of one image, in ``image_unit``.

    Attributes:
        boxes: float64, shape (K, 4), as (left, top, right, bottom) in [0, 1], by first look.
        inside: What `rasterise` says inside a box.
        left_out: Reason to number of fixations that did not count; ``small_cluster`` are those of clusters
            that were looked at too briefly to get a box.
    """

    boxes: NDArray[np.float64]
    inside: Inside = "foreground"
    left_out: dict[str, int] = field(default_factory=dict)

    def rasterise(self, size: Size) -> ByteArray:
        """Draw the boxes filled.

        Args:
            size: Height and width of the map in pixels, of the image or of any resized copy.

        Returns:
            uint8, shape (h, w): 0 outside the boxes; inside 1, or 255 with ``inside="unknown"``. A pixel is
            inside where its centre is; a box covers one pixel at least. Without a box nothing is known: 255
            everywhere.

        Example:
            >>> BoxLabel(np.array([[0.25, 0.0, 0.75, 0.5]])).rasterise(Size(2, 4)).tolist()
            [[0, 1, 1, 0], [0, 0, 0, 0]]
        """
        if len(self.boxes) == 0:
            return np.full(size, IGNORE, np.uint8)
        drawn = np.full(size, BACKGROUND, np.uint8)
        value = FOREGROUND if self.inside == "foreground" else IGNORE
        for left, top, right, bottom in self.boxes:
            drawn[_covered(top, bottom, size.height), _covered(left, right, size.width)] = value
        return drawn


def gaze_to_box(fixations: Fixations, image_size: Size, settings: BoxSettings | None = None) -> BoxLabel:
    """Put a box around what was looked at: the bounding box of the fixations that count.

    With ``trim_frac`` q, a side stands at the duration-weighted quantile q (or 1 - q) of the positions, so
    that short glances beyond it do not move it. With ``cluster_gap_frac``, clusters of fixations get boxes of
    their own, for several lesions in one image. Boxes end at the image's edge.

    Args:
        fixations: The reading, in a frame that leads to ``image_unit``.
        image_size: Height and width of the image.
        settings: How; None for the defaults.

    Returns:
        The boxes; none for a reading without a fixation on the image.

    Raises:
        DataError: The frame does not say where on the image the fixations are.

    Example:
        >>> rows = [(0.5, 0.5, 300, 0), (0.2, 0.3, 300, 400), (0.4, 0.6, 300, 800), (0.3, 0.4, 300, 1200)]
        >>> label = gaze_to_box(Fixations.from_rows(rows), Size(50, 100), BoxSettings(margin_frac=0.1))
        >>> label.boxes.round(2).tolist()
        [[0.1, 0.1, 0.5, 0.8]]
    """
    settings = settings or BoxSettings()
    chosen = select_gaze(fixations, image_size, settings.gaze)
    points, weights = chosen.points, chosen.fixations.duration_ms
    sides = np.tile(side_lengths(image_size), 2)
    group = np.zeros(len(points), np.intp)
    if settings.cluster_gap_frac is not None:
        group = linked_groups(points, settings.cluster_gap_frac)
    boxes, small = [], 0
    for one in range(group.max(initial=-1) + 1):
        inside = group == one
        if weights[inside].sum() < settings.least_cluster_share * weights.sum():
            small += int(inside.sum())
            continue
        boxes.append(_around(points[inside], weights[inside], settings))
    placed = np.array(boxes).reshape(-1, 4) / sides
    left_out = {**chosen.left_out, "small_cluster": small}
    return BoxLabel(np.clip(placed, 0.0, 1.0), settings.inside, left_out)


def _around(points: Points, weights: NDArray[np.float64], settings: BoxSettings) -> NDArray[np.float64]:
    low = np.array([_quantile(axis, weights, settings.trim_frac) for axis in points.T])
    high = -np.array([_quantile(-axis, weights, settings.trim_frac) for axis in points.T])
    half = np.maximum((high - low) / 2 + settings.margin_frac, settings.least_side_frac / 2)
    return np.concatenate([(low + high) / 2 - half, (low + high) / 2 + half])


def _quantile(values: NDArray[np.float64], weights: NDArray[np.float64], share: float) -> float:
    """Return the smallest value that has more than a share of the weight at or below it."""
    order = np.argsort(values, kind="stable")
    below = np.cumsum(weights[order])
    at = int(np.searchsorted(below, share * below[-1], side="right"))
    return float(values[order[min(at, len(values) - 1)]])


def _covered(low: float, high: float, length: int) -> slice:
    """Pixels whose centres lie in [low, high) of a side; the one in the middle where there is none."""
    first, last = int(np.ceil(low * length - 0.5)), int(np.ceil(high * length - 0.5))
    if last > first:
        return slice(first, last)
    middle = min(int((low + high) / 2 * length), length - 1)
    return slice(middle, middle + 1)
