"""A prediction drawn on its image: outlines, and where the reader looked."""

from __future__ import annotations

import cv2
import numpy as np

from gaze_insight.gaze.fixations import Fixations
from gaze_insight.types import BoolArray, ByteArray

__all__ = ["overlay"]

_OUTLINE = (255, 210, 0)
_ALONE = (120, 200, 255)
_LOOKED = (255, 90, 200)
_LONGEST_MS = 1000.0


def overlay(
    image: ByteArray,
    mask: BoolArray,
    *,
    alone: BoolArray | None = None,
    fixations: Fixations | None = None,
) -> ByteArray:
    """Draw a mask's outline on an image, and what it was made from where gaze took part.

    The mask is yellow, the mask of the image alone light blue below it, and each fixation a pink
    ring whose area grows with its duration up to one second. Fixations off the image are not drawn.

    Args:
        image: (H, W, 3) uint8, RGB.
        mask: (H, W) bool.
        alone: (H, W) bool, the mask of the image alone; None draws none.
        fixations: The reading, in a frame that leads to ``image_unit``; None draws none.

    Returns:
        (H, W, 3) uint8; a mask without pixels leaves the image as it is.

    Example:
        >>> drawn = overlay(np.zeros((20, 20, 3), np.uint8), np.eye(20, dtype=bool))
        >>> bool(drawn.any())
        True
    """
    drawn = image.copy()
    thickness = max(1, round(max(image.shape[:2]) / 250))
    if alone is not None:
        _outline(drawn, alone, _ALONE, thickness)
    _outline(drawn, mask, _OUTLINE, thickness)
    if fixations is not None:
        _rings(drawn, fixations, thickness)
    return drawn


def _outline(drawn: ByteArray, mask: BoolArray, colour: tuple[int, int, int], thickness: int) -> None:
    outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(drawn, outlines, -1, colour, thickness)


def _rings(drawn: ByteArray, fixations: Fixations, thickness: int) -> None:
    height, width = drawn.shape[:2]
    on = fixations.to_frame("image_unit").select(fixations.inside)
    largest = max(height, width) / 40
    for x, y, duration_ms in zip(on.x, on.y, on.duration_ms, strict=True):
        radius = max(2, round(largest * float(np.sqrt(min(duration_ms, _LONGEST_MS) / _LONGEST_MS))))
        place = (min(int(x * width), width - 1), min(int(y * height), height - 1))
        cv2.circle(drawn, place, radius, _LOOKED, thickness, cv2.LINE_AA)
