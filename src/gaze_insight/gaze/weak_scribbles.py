"""Gaze to scribbles: the scan path as a stroke on the lesion, and a stroke around it on the background."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
from pydantic import Field

from gaze_insight.gaze.clusters import Points
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.gaze.selection import GazeSelection, select_gaze, side_lengths
from gaze_insight.gaze.strokes import draw_stroke
from gaze_insight.types import BACKGROUND, FOREGROUND, IGNORE, ByteArray, Settings, Size

__all__ = ["ScribbleLabel", "ScribbleSettings", "gaze_to_scribble"]

_CORNERS = 72


class ScribbleSettings(Settings):
    """How a scan path becomes scribbles. Distances are fractions of the image's longer side.

    Example:
        >>> ScribbleSettings(background_distance_frac=None).smoothing_rounds
        2
    """

    gaze: GazeSelection = GazeSelection()
    smoothing_rounds: int = Field(2, ge=0, le=5, description="how often the path's corners are cut")
    longest_jump_frac: float | None = Field(
        0.3, gt=0, description="a longer saccade lifts the pen; null draws all of them"
    )
    width_frac: float = Field(0.015, gt=0, le=0.2, description="width of the strokes")
    background_distance_frac: float | None = Field(
        0.15,
        gt=0,
        le=1,
        description="distance of the background stroke from the hull of the fixations; null draws none",
    )


@dataclass(frozen=True, eq=False)
class ScribbleLabel:
    """Strokes of one image, in ``image_unit``.

    Attributes:
        foreground: Polylines, each float64 of shape (N, 2), as (x, y) in [0, 1]; one of a single point is a
            dot.
        background: Likewise; the stroke around the lesion, in pieces where it leaves the image.
        width_frac: Width of a stroke, as a fraction of the longer side.
        left_out: Reason to number of fixations that did not count.
    """

    foreground: tuple[Points, ...]
    background: tuple[Points, ...]
    width_frac: float
    left_out: dict[str, int] = field(default_factory=dict)

    def rasterise(self, size: Size) -> ByteArray:
        """Draw the strokes.

        Args:
            size: Height and width of the map in pixels, of the image or of any resized copy.

        Returns:
            uint8, shape (h, w): 1 on a foreground stroke, 0 on a background stroke, 255 elsewhere. Where both
            meet, foreground stays. A stroke is one pixel wide at least; no stroke gives 255 everywhere.

        Example:
            >>> label = ScribbleLabel((np.array([[0.1, 0.5], [0.9, 0.5]]),), (), 0.01)
            >>> label.rasterise(Size(3, 4)).tolist()
            [[255, 255, 255, 255], [1, 1, 1, 1], [255, 255, 255, 255]]
        """
        drawn = np.full(size, IGNORE, np.uint8)
        radius = max(0.5, self.width_frac * max(size) / 2)
        extent = np.array([size.width, size.height])
        for lines, value in ((self.background, BACKGROUND), (self.foreground, FOREGROUND)):
            for line in lines:
                draw_stroke(drawn, line * extent, radius, value)
        return drawn


def gaze_to_scribble(
    fixations: Fixations, image_size: Size, settings: ScribbleSettings | None = None
) -> ScribbleLabel:
    """Draw the scan path as a stroke, and a stroke around it.

    The foreground stroke joins the fixations that count in the order of looking. Its corners are cut at a
    quarter and three quarters of each step (Chaikin, An algorithm for high-speed curve generation, 1974), so
    that it stays within the hull of the fixations. The background stroke runs at a fixed distance around the
    convex hull of the fixations that count; what lies off the image is left out.

    Args:
        fixations: The reading, in a frame that leads to ``image_unit``.
        image_size: Height and width of the image.
        settings: How; None for the defaults.

    Returns:
        The strokes; none for a reading without a fixation on the image.

    Raises:
        DataError: The frame does not say where on the image the fixations are.

    Example:
        >>> rows = [(0.5, 0.5, 300, 0), (0.4, 0.4, 300, 400), (0.6, 0.4, 300, 800), (0.6, 0.6, 300, 1200)]
        >>> label = gaze_to_scribble(Fixations.from_rows(rows), Size(100, 100))
        >>> [len(line) for line in label.foreground], label.foreground[0][0].tolist()
        ([6], [0.4, 0.4])
    """
    settings = settings or ScribbleSettings()
    chosen = select_gaze(fixations, image_size, settings.gaze)
    points, sides = chosen.points, side_lengths(image_size)
    if len(points) == 0:
        return ScribbleLabel((), (), settings.width_frac, chosen.left_out)
    path = [_smooth(piece, settings.smoothing_rounds) / sides for piece in _pieces(points, settings)]
    ring: list[Points] = []
    if settings.background_distance_frac is not None:
        ring = _inside(_ring(points, settings.background_distance_frac) / sides)
    return ScribbleLabel(tuple(path), tuple(ring), settings.width_frac, chosen.left_out)


def _pieces(points: Points, settings: ScribbleSettings) -> list[Points]:
    if settings.longest_jump_frac is None:
        return [points]
    steps = np.hypot(*np.diff(points, axis=0).T)
    return np.split(points, np.flatnonzero(steps > settings.longest_jump_frac) + 1)


def _smooth(line: Points, rounds: int) -> Points:
    for _ in range(rounds if len(line) > 2 else 0):
        near, far = 0.75 * line[:-1] + 0.25 * line[1:], 0.25 * line[:-1] + 0.75 * line[1:]
        cut = np.stack([near, far], axis=1).reshape(-1, 2)[1:-1]
        line = np.concatenate([line[:1], cut, line[-1:]])
    return line


def _ring(points: Points, distance: float) -> Points:
    """Trace the hull of the discs around the points, closed, in steps of at most a tenth of the distance."""
    angle = np.linspace(0, 2 * np.pi, _CORNERS, endpoint=False)
    disc = distance * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    around = (points[:, None] + disc[None]).reshape(-1, 2)
    hull = cv2.convexHull(around.astype(np.float32))[:, 0].astype(np.float64)
    closed = np.concatenate([hull, hull[:1]])
    steps = np.hypot(*np.diff(closed, axis=0).T)
    along = np.concatenate([[0.0], np.cumsum(steps)])
    at = np.linspace(0, along[-1], int(np.ceil(along[-1] / (0.1 * distance))) + 1)
    return np.stack([np.interp(at, along, axis) for axis in closed.T], axis=1)


def _inside(line: Points) -> list[Points]:
    """Cut a closed line into its pieces on the image."""
    on = np.all((line >= 0) & (line <= 1), axis=1)
    if on.all():
        return [line]
    start = int(np.argmin(on))
    turned = np.roll(line[:-1], -start, axis=0)
    inside = np.roll(on[:-1], -start)
    pieces = np.split(turned, np.flatnonzero(np.diff(inside.astype(int))) + 1)
    kept = np.split(inside, np.flatnonzero(np.diff(inside.astype(int))) + 1)
    return [piece for piece, mark in zip(pieces, kept, strict=True) if mark[0] and len(piece) > 1]
