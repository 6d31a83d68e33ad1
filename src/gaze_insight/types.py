"""Names, sizes and the settings base that every room of the package may use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

__all__ = [
    "BACKGROUND",
    "FOREGROUND",
    "IGNORE",
    "BoolArray",
    "ByteArray",
    "FloatArray",
    "Frame",
    "Progress",
    "Settings",
    "Size",
    "Split",
    "silent",
]

Frame = Literal["image_unit", "image_px", "screen_px", "degrees"]
"""What a coordinate is: a fraction of the image's sides, image pixels, screen pixels, or degrees."""

Split = Literal["train", "val", "test"]

FloatArray = NDArray[np.floating[Any]]
ByteArray = NDArray[np.uint8]
BoolArray = NDArray[np.bool_]

BACKGROUND = 0
FOREGROUND = 1
IGNORE = 255
"""Label of a pixel about which nothing is known; no loss and no metric counts it."""


class Size(NamedTuple):
    """Height and width in pixels, in this order."""

    height: int
    width: int


class Settings(BaseModel):
    """Base of all settings: complete, frozen, and closed to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


Progress = Callable[[str, int, int], None]
"""Receives (what is being done, how many are done, how many in all)."""


def silent(what: str, done: int, total: int) -> None:
    """Ignore progress: the default where nobody watches.

    Args:
        what: The activity.
        done: Items finished.
        total: Items in all.

    Example:
        >>> silent("labelling", 1, 2)
    """
