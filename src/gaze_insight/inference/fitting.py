"""Images to a network's size; no torch is needed for it."""

from __future__ import annotations

import cv2
import numpy as np

from gaze_insight.types import ByteArray, Size

__all__ = ["fit_image"]


def fit_image(image: ByteArray, size: Size) -> ByteArray:
    """Resize an image to the network's size, averaging over areas where it shrinks.

    Args:
        image: (H, W, 3) uint8.
        size: Height and width in pixels.

    Returns:
        (size.height, size.width, 3) uint8.

    Example:
        >>> fit_image(np.zeros((30, 40, 3), np.uint8), Size(16, 16)).shape
        (16, 16, 3)
    """
    shrinks = size.height <= image.shape[0] and size.width <= image.shape[1]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (size.width, size.height), interpolation=method), np.uint8)
