"""Positions that are fractions of a surface: of the whole screen, or of the image itself."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gaze_insight.errors import DataError
from gaze_insight.gaze.readers.reading import ReadingContext
from gaze_insight.types import Frame

__all__ = ["Surface", "on_surface"]

Surface = Literal["screen", "image"]
"""What the fractions are of."""

_Vector = NDArray[np.float64]


def on_surface(
    x: ArrayLike, y: ArrayLike, surface: Surface, context: ReadingContext, path: Path
) -> tuple[_Vector, _Vector, Frame]:
    """Express fractions of a surface in a frame.

    ``image``: they are fractions of the image as they stand. ``screen``: times the screen's size in pixels.

    Args:
        x: Horizontal fractions, shape (N,), 0 at the left edge; NaN stays.
        y: Vertical fractions, shape (N,), 0 at the upper edge.
        surface: What they are fractions of.
        context: The geometry, which knows the screen's size.
        path: The file, for messages.

    Returns:
        Horizontal and vertical positions, shape (N,) each, and their frame.

    Raises:
        DataError: The screen's size is unknown.

    Example:
        >>> on_surface([0.5], [0.25], "image", ReadingContext(), Path("g.csv"))[2]
        'image_unit'
    """
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if surface == "image":
        return x, y, "image_unit"
    size = None if context.geometry is None else context.geometry.screen_size_px
    if size is None:
        raise DataError(
            "the positions are fractions of the screen, and unknown is the screen's size in pixels",
            path=path,
            remedy="state screen_size_px in a geometry file, or surface: image where the image filled it",
        )
    return x * size.width, y * size.height, "screen_px"
