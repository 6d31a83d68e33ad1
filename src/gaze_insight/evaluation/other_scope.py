"""The look of another endoscope: white balance, saturation, vignette, sharpening, combing, black corners."""

from __future__ import annotations

import cv2
import numpy as np

from gaze_insight.evaluation.tone import from_linear, luma, to_linear
from gaze_insight.types import BoolArray, ByteArray, FloatArray, Size

__all__ = ["field_of_view", "other_scope"]

_GAINS_STOPS = (-0.35, 0.1, 0.45)
_SATURATION_LOST = 0.4
_CORNER_LIGHT_LOST = 0.75
_SHARPEN, _SHARPEN_FRAC = 1.5, 0.004
_COMB_FRAC, _LINES = 0.008, 576
_CORNER_FRAC = 0.16


def other_scope(image: ByteArray, strength: float) -> FloatArray:
    """Show an image as another endoscope would have; nothing moves on the whole.

    At strength 1, in this order; smaller strengths have that share of each:

    1. vignette: light falls as ``1 - 0.75 r^2``, r = 1 in the corners;
    2. white balance: red -0.35, green +0.1, blue +0.45 stops;
    3. saturation: 40 % of the distance of each channel from luma is lost;
    4. sharpening: 1.5 times the difference from the image blurred by 0.4 % of the longer side is added;
    5. interlacing: of 576 lines (fewer where the image has fewer) every other one stands 0.4 % of the width
       to the right, the rest as far to the left, as two fields of a moving picture do;
    6. field of view: corners of 16 % of the shorter side are black (see `field_of_view`).

    Args:
        image: (H, W, 3) uint8, RGB.
        strength: From 0 (the image itself) to 1.

    Returns:
        Display values, (H, W, 3) float32, which may leave [0, 1].

    Example:
        >>> shown = other_scope(np.full((60, 80, 3), 120, np.uint8), 1.0)
        >>> float(shown[0, 0].max()), bool(shown[30, 40, 2] > shown[30, 40, 0])
        (0.0, True)
    """
    size = Size(*image.shape[:2])
    gains = 2.0 ** (strength * np.array(_GAINS_STOPS))
    light = to_linear(image) * _vignette(size, strength)[..., None] * gains.astype(np.float32)
    shown = from_linear(light)
    grey = luma(shown)[..., None]
    shown = shown + np.float32(strength * _SATURATION_LOST) * (grey - shown)
    blurred = cv2.GaussianBlur(shown, (0, 0), max(0.3, _SHARPEN_FRAC * max(size)))
    shown = np.clip(shown + np.float32(strength * _SHARPEN) * (shown - blurred), 0, 1)
    shown = _combed(shown, strength * _COMB_FRAC * size.width)
    return np.asarray(shown * field_of_view(size, strength)[..., None], np.float32)


def field_of_view(size: Size, strength: float) -> BoolArray:
    """Say which pixels the other endoscope shows: an octagon with black corners.

    Args:
        size: Height and width in pixels.
        strength: From 0 (everything) to 1 (corners of 16 % of the shorter side along each edge are cut).

    Returns:
        (H, W) bool, True where the image is seen.

    Example:
        >>> field_of_view(Size(100, 100), 1.0)[0].sum(), bool(field_of_view(Size(100, 100), 0.0).all())
        (np.int64(68), True)
    """
    corner_px = strength * _CORNER_FRAC * min(size)
    down = np.minimum(np.arange(size.height) + 0.5, size.height - np.arange(size.height) - 0.5)
    across = np.minimum(np.arange(size.width) + 0.5, size.width - np.arange(size.width) - 0.5)
    return np.asarray(down[:, None] + across[None] > corner_px)


def _vignette(size: Size, strength: float) -> FloatArray:
    down = (np.arange(size.height) + 0.5) / size.height * 2 - 1
    across = (np.arange(size.width) + 0.5) / size.width * 2 - 1
    squared = (down[:, None] ** 2 + across[None] ** 2) / 2
    return np.asarray(1 - strength * _CORNER_LIGHT_LOST * squared, np.float32)


def _combed(shown: FloatArray, apart_px: float) -> FloatArray:
    height, width = shown.shape[:2]
    lines = np.arange(height) * min(height, _LINES) // height
    moved = [
        cv2.warpAffine(
            shown,
            np.array([[1, 0, shift], [0, 1, 0]], np.float32),
            (width, height),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        for shift in (-apart_px / 2, apart_px / 2)
    ]
    return np.asarray(np.where((lines % 2 == 1)[:, None, None], moved[1], moved[0]))
