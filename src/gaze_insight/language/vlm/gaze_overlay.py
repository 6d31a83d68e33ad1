"""Where the reader looked, drawn on the image or cut out of it, for a model that is shown pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from gaze_insight.errors import DataError
from gaze_insight.types import ByteArray, Settings, Size

if TYPE_CHECKING:
    from gaze_insight.gaze.fixations import Fixations

__all__ = ["GazeBox", "GazeCropSettings", "crop_to_gaze", "draw_gaze", "gaze_box"]

_RING = (0, 255, 255)
_HALO = (10, 12, 16)
_SHIFT = 4


class GazeCropSettings(Settings):
    """How much of the image is kept around the gaze.

    Example:
        >>> GazeCropSettings().time_frac
        0.9
    """

    time_frac: float = Field(
        0.9, gt=0, le=1, description="share of the looking time kept along each side, cut at both ends alike"
    )
    margin_frac: float = Field(
        0.1, ge=0, le=1, description="added on every side, as a fraction of the image's longer side"
    )
    smallest_frac: float = Field(
        0.25, gt=0, le=1, description="least width and height, as a fraction of the image's"
    )


class GazeBox(NamedTuple):
    """A part of an image: rows ``top`` to ``bottom - 1`` and columns ``left`` to ``right - 1``, in pixels."""

    top: int
    left: int
    bottom: int
    right: int


def draw_gaze(rgb: ByteArray, fixations: Fixations, *, image_size: Size | None = None) -> ByteArray:
    """Draw a ring around each place where the reader's eye rested.

    Nothing is filled, so that what was looked at stays visible. A ring's area grows with the fixation's
    duration: its radius is ``s sqrt(duration / 300 ms)`` with ``s`` 2.6 % of the longer side, kept between
    1 % and 7 % of that side. Rings are cyan, which tissue is not, on a dark rim. Fixations off the image are
    not drawn.

    Args:
        rgb: The image or a resized copy of it, ``(H, W, 3)`` uint8; it is not changed.
        fixations: Where the reader looked, in a frame that converts to ``image_unit``.
        image_size: Size of the image that the fixations refer to; None for that of `rgb`.

    Returns:
        A picture of the same shape, uint8.

    Raises:
        DataError: No fixation lies on the image, or they cannot be placed on it.

    Example:
        >>> from gaze_insight.gaze.fixations import Fixations
        >>> plain = np.zeros((400, 800, 3), np.uint8)
        >>> drawn = draw_gaze(plain, Fixations.from_rows([(0.5, 0.5, 300, 0)]))
        >>> drawn.shape, bool(drawn.any()), bool(plain.any()), drawn[200, 400].tolist()
        ((400, 800, 3), True, False, [0, 0, 0])
    """
    height, width = rgb.shape[:2]
    shown = _on_image(fixations, image_size or Size(height, width))
    centres = np.stack([shown.x * width, shown.y * height], axis=1) - 0.5
    longer = max(height, width)
    radii = np.clip(0.026 * np.sqrt(shown.duration_ms / 300), 0.01, 0.07) * longer
    thickness = max(1, round(longer / 330))
    drawn = rgb.copy()
    for colour, extra in ((_HALO, max(1, thickness // 2) * 2), (_RING, 0)):
        for centre, radius in zip(_fixed_point(centres), _fixed_point(radii), strict=True):
            place = (int(centre[0]), int(centre[1]))
            cv2.circle(drawn, place, int(radius), colour, thickness + extra, cv2.LINE_AA, _SHIFT)
    return drawn


def gaze_box(fixations: Fixations, image_size: Size, settings: GazeCropSettings | None = None) -> GazeBox:
    """Find the part of the image that holds most of the looking time.

    Along each side apart: from the position below which ``(1 - time_frac) / 2`` of the looking time lies to
    the one above which as much lies, widened by the margin and to the smallest side, moved (not cut) where
    it would leave the image.

    Args:
        fixations: Where the reader looked, in a frame that converts to ``image_unit``; those off the image
            are left out.
        image_size: Height and width of the image.
        settings: How much is kept.

    Returns:
        The part, at least 1 px a side and within the image.

    Raises:
        DataError: No fixation lies on the image, or they cannot be placed on it.

    Example:
        >>> from gaze_insight.gaze.fixations import Fixations
        >>> gaze_box(Fixations.from_rows([(0.5, 0.1, 300, 0)]), Size(100, 200))
        GazeBox(top=0, left=75, bottom=40, right=125)
    """
    settings = settings or GazeCropSettings()
    shown = _on_image(fixations, image_size)
    margin_px = settings.margin_frac * max(image_size)
    (top, bottom), (left, right) = (
        _span(places * side, shown.duration_ms, side, margin_px, settings)
        for places, side in ((shown.y, image_size.height), (shown.x, image_size.width))
    )
    return GazeBox(top, left, bottom, right)


def crop_to_gaze(rgb: ByteArray, fixations: Fixations, settings: GazeCropSettings | None = None) -> ByteArray:
    """Cut out the part of the image that holds most of the looking time.

    Args:
        rgb: The image, ``(H, W, 3)`` uint8; it is not changed.
        fixations: As for `gaze_box`.
        settings: How much is kept.

    Returns:
        A copy of that part, ``(h, w, 3)`` uint8.

    Raises:
        DataError: As for `gaze_box`.

    Example:
        >>> from gaze_insight.gaze.fixations import Fixations
        >>> image = np.zeros((100, 200, 3), np.uint8)
        >>> crop_to_gaze(image, Fixations.from_rows([(0.5, 0.5, 300, 0)])).shape
        (40, 50, 3)
    """
    box = gaze_box(fixations, Size(*rgb.shape[:2]), settings)
    return rgb[box.top : box.bottom, box.left : box.right].copy()


def _on_image(fixations: Fixations, image_size: Size) -> Fixations:
    unit = fixations.to_frame("image_unit", image_size=image_size)
    unit = unit.select(unit.inside)
    if len(unit) == 0:
        raise DataError(
            "the prompt shows where the reader looked, and no fixation lies on this image",
            remedy="check the recording, or choose a prompt that shows the image alone, such as paper",
        )
    return unit


def _fixed_point(values: NDArray[np.float64]) -> NDArray[np.int32]:
    return np.rint(values * (1 << _SHIFT)).astype(np.int32)


def _span(
    places_px: NDArray[np.float64],
    duration_ms: NDArray[np.float64],
    side_px: int,
    margin_px: float,
    settings: GazeCropSettings,
) -> tuple[int, int]:
    """Give the first pixel and the one after the last along one side."""
    order = np.argsort(places_px, kind="stable")
    spent = np.cumsum(duration_ms[order]) / duration_ms.sum()
    tail = (1 - settings.time_frac) / 2
    last = len(order) - 1
    low = float(places_px[order][min(int(np.searchsorted(spent, tail, side="right")), last)])
    high = float(places_px[order][min(int(np.searchsorted(spent, 1 - tail - 1e-12, side="left")), last)])
    middle = (low + high) / 2
    length = min(max(high - low + 2 * margin_px, settings.smallest_frac * side_px, 1.0), float(side_px))
    first = min(max(middle - length / 2, 0.0), side_px - length)
    return int(first + 1e-9), min(int(np.ceil(first + length - 1e-9)), side_px)
