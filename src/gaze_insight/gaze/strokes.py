"""Strokes drawn into label maps, exactly: a pixel belongs to a stroke where its centre is near enough."""

from __future__ import annotations

import numpy as np

from gaze_insight.gaze.clusters import Points
from gaze_insight.types import ByteArray

__all__ = ["draw_stroke"]


def draw_stroke(drawn: ByteArray, line: Points, radius: float, value: int) -> None:
    """Draw a polyline with round ends into a label map, in place.

    Covered are the pixels whose centres lie at most `radius` from the line, and those that hold its corners,
    so that a stroke never vanishes. With a radius of at least 0.5 the pixels of a line touch each other.

    Args:
        drawn: The map, uint8, shape (H, W); it is changed.
        line: Corners in pixels of the map (``image_px``), float64, shape (N, 2), as (x, y); one corner makes
            a disc, none nothing. Corners off the map are moved to its nearest pixel.
        radius: Half the stroke's width in pixels, at least 0.
        value: What to write.

    Example:
        >>> drawn = np.zeros((3, 6), np.uint8)
        >>> draw_stroke(drawn, np.array([[1.5, 1.5], [3.5, 1.5]]), 0.5, 1)
        >>> drawn.tolist()
        [[0, 0, 0, 0, 0, 0], [0, 1, 1, 1, 0, 0], [0, 0, 0, 0, 0, 0]]
    """
    extent = np.array(drawn.shape[::-1])
    columns, rows = np.clip(line.astype(int), 0, extent - 1).T
    drawn[rows, columns] = value
    ends = line[1:] if len(line) > 1 else line
    for start, end in zip(line, ends, strict=False):
        low = np.clip(np.floor(np.minimum(start, end) - radius).astype(int), 0, extent)
        high = np.clip(np.ceil(np.maximum(start, end) + radius).astype(int), 0, extent)
        x = np.arange(low[0], high[0])[None] + 0.5 - start[0]
        y = np.arange(low[1], high[1])[:, None] + 0.5 - start[1]
        step = end - start
        length = float(step @ step)
        along = np.clip((x * step[0] + y * step[1]) / length, 0, 1) if length > 0 else np.zeros(1)
        near = (x - along * step[0]) ** 2 + (y - along * step[1]) ** 2 <= radius**2 + 1e-9
        drawn[low[1] : high[1], low[0] : high[0]][near] = value
