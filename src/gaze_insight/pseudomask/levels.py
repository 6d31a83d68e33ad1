"""From a soft foreground to labels of two levels: sparse for the teacher, comprehensive for the student."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from gaze_insight.errors import DataError
from gaze_insight.types import BACKGROUND, FOREGROUND, IGNORE, ByteArray, FloatArray, Settings

__all__ = ["LevelSettings", "PseudoMask", "make_levels"]


class LevelSettings(Settings):
    """Thresholds of the soft foreground, in the order background <= comprehensive <= foreground.

    0.5 and 0.3 are the papers' for Kvasir-SEG; the background's is ours, since the papers call every pixel
    below 0.5 background.

    Example:
        >>> LevelSettings(sparse_background=0.4)  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        pydantic_core._pydantic_core.ValidationError: 1 validation error for LevelSettings
          Value error, sparse_background <= comprehensive <= sparse_foreground must hold, found 0.4, ...
    """

    sparse_foreground: float = Field(
        0.5, gt=0, le=1, description="Foreground of the sparse mask from here up"
    )
    sparse_background: float = Field(0.1, gt=0, le=1, description="Background of the sparse mask below this")
    comprehensive: float = Field(
        0.3, gt=0, le=1, description="Foreground of the comprehensive mask from here up"
    )

    @model_validator(mode="after")
    def _in_order(self) -> LevelSettings:
        if not self.sparse_background <= self.comprehensive <= self.sparse_foreground:
            raise ValueError(
                "sparse_background <= comprehensive <= sparse_foreground must hold, found "
                f"{self.sparse_background}, {self.comprehensive}, {self.sparse_foreground}"
            )
        return self


@dataclass(frozen=True, eq=False)
class PseudoMask:
    """What gaze says about an image: a soft foreground and labels of two levels, on one (h, w) grid.

    Args:
        soft: (h, w) float32 foreground in [0, 1].
        sparse: (h, w) uint8: 1 surely foreground, 0 surely background, 255 unknown.
        comprehensive: (h, w) uint8: 1 foreground, 0 background; every pixel is labelled.

    Raises:
        DataError: The three differ in shape.

    Example:
        >>> mask = make_levels(np.array([[0.9, 0.4, 0.2, 0.0]]))
        >>> mask.sparse, mask.comprehensive, mask.sparse_share
        (array([[  1, 255, 255,   0]], dtype=uint8), array([[1, 1, 0, 0]], dtype=uint8), 0.5)
    """

    soft: NDArray[np.float32]
    sparse: ByteArray
    comprehensive: ByteArray

    def __post_init__(self) -> None:
        shapes = [self.soft.shape, self.sparse.shape, self.comprehensive.shape]
        if len(set(shapes)) > 1:
            raise DataError(f"soft, sparse and comprehensive must have one shape, found {shapes}")

    @property
    def sparse_share(self) -> float:
        """Fraction of pixels that the sparse mask labels, in [0, 1]; 0 for a mask without pixels."""
        return float(np.mean(self.sparse != IGNORE)) if self.sparse.size else 0.0


def make_levels(soft: FloatArray, settings: LevelSettings | None = None) -> PseudoMask:
    """Cut a soft foreground into the sparse and the comprehensive mask.

    The thresholds' order guarantees that the sparse foreground lies within the comprehensive foreground, and
    the sparse background within the comprehensive background.

    Args:
        soft: (h, w) foreground in [0, 1].
        settings: The thresholds; None for the papers'.

    Returns:
        The pseudo-mask. A ``soft`` that is zero everywhere means that nobody looked at the image: nothing is
        known, so every sparse pixel is unknown and the comprehensive mask is background.

    Raises:
        DataError: ``soft`` is not a (h, w) array of values in [0, 1].

    Example:
        >>> make_levels(np.zeros((1, 2))).sparse
        array([[255, 255]], dtype=uint8)
    """
    settings = settings or LevelSettings()
    if soft.ndim != 2 or (soft.size and not (np.min(soft) >= 0 and np.max(soft) <= 1)):
        raise DataError(
            f"soft must be (h, w) with values in [0, 1], found shape {soft.shape} or values outside"
        )
    sparse = np.full(soft.shape, IGNORE, dtype=np.uint8)
    if np.any(soft > 0):
        sparse[soft < settings.sparse_background] = BACKGROUND
        sparse[soft >= settings.sparse_foreground] = FOREGROUND
    comprehensive = np.where(soft >= settings.comprehensive, FOREGROUND, BACKGROUND).astype(np.uint8)
    return PseudoMask(soft.astype(np.float32), sparse, comprehensive)
