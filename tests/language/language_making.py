"""Descriptions and pictures made for the tests of this room."""

from __future__ import annotations

from typing import Any

import numpy as np

from gaze_insight.language.schema import Description


def make_description(**changes: Any) -> Description:
    values: dict[str, Any] = {
        "location": "upper left",
        "boundary": "clear",
        "shape": "oval",
        "texture": "smooth",
        "brightness": "brighter",
        "area_percentage": 12.3,
        "confidence": "high",
        "source": "measured",
    }
    return Description(**(values | changes))


def make_blob(
    height: int = 96,
    width: int = 128,
    *,
    row: float = 0.5,
    column: float = 0.5,
    radii: tuple[float, float] = (14.0, 14.0),
    lightness: tuple[int, int] = (180, 90),
    blur: float = 0.0,
) -> tuple[np.ndarray, np.ndarray]:
    """An ellipse on a flat ground: the image, and the probability that is 0.95 inside and 0.02 outside."""
    rows, columns = np.mgrid[:height, :width]
    distance = np.hypot((rows + 0.5 - row * height) / radii[0], (columns + 0.5 - column * width) / radii[1])
    inside = distance <= 1
    edge = inside.astype(float) if blur == 0 else 1 / (1 + np.exp((distance - 1) / blur))
    grey = lightness[1] + (lightness[0] - lightness[1]) * edge
    image = np.repeat(grey.round().astype(np.uint8)[..., None], 3, axis=2)
    return image, np.where(inside, 0.95, 0.02).astype(np.float32)
