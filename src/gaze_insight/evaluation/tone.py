"""Between stored values and light: the sRGB transfer curve, and luma."""

from __future__ import annotations

import numpy as np

from gaze_insight.types import ByteArray, FloatArray

__all__ = ["from_linear", "luma", "to_linear", "to_unit"]

_STORED = np.arange(256) / 255
_LIGHT = np.where(_STORED <= 0.04045, _STORED / 12.92, ((_STORED + 0.055) / 1.055) ** 2.4).astype(np.float32)

_FINE = 65535
_FINE_LIGHT = np.arange(_FINE + 1) / _FINE
_DISPLAY = np.where(
    _FINE_LIGHT <= 0.0031308, 12.92 * _FINE_LIGHT, 1.055 * _FINE_LIGHT ** (1 / 2.4) - 0.055
).astype(np.float32)


def to_unit(image: ByteArray) -> FloatArray:
    """Return display values in [0, 1].

    Args:
        image: Any shape, uint8.

    Returns:
        float32 of the same shape.

    Example:
        >>> to_unit(np.array([0, 255], np.uint8)).tolist()
        [0.0, 1.0]
    """
    return image.astype(np.float32) / np.float32(255)


def to_linear(image: ByteArray) -> FloatArray:
    """Turn stored values into light (sRGB, IEC 61966-2-1).

    Args:
        image: Any shape, uint8.

    Returns:
        Light in [0, 1], float32 of the same shape.

    Example:
        >>> to_linear(np.array([0, 188, 255], np.uint8)).round(2).tolist()
        [0.0, 0.5, 1.0]
    """
    return _LIGHT[image]


def from_linear(light: FloatArray) -> FloatArray:
    """Turn light into display values, the inverse of `to_linear` within 0.03 of a stored value.

    Args:
        light: Any shape; what lies outside [0, 1] is clipped.

    Returns:
        Display values in [0, 1], float32 of the same shape.

    Example:
        >>> (255 * from_linear(np.array([0.0, 0.5, 2.0]))).round().tolist()
        [0.0, 188.0, 255.0]
    """
    return _DISPLAY[np.rint(np.clip(light, 0, 1) * _FINE).astype(np.uint16)]


def luma(shown: FloatArray) -> FloatArray:
    """Return the luma of display values (ITU-R BT.601): 0.299 R + 0.587 G + 0.114 B.

    Args:
        shown: (H, W, 3).

    Returns:
        (H, W).

    Example:
        >>> luma(np.ones((1, 1, 3), np.float32)).round(4).tolist()
        [[1.0]]
    """
    return np.asarray(shown @ np.array([0.299, 0.587, 0.114], shown.dtype))
