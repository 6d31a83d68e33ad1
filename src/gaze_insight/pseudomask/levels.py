"""From a soft foreground to labels of two levels: sparse for the teacher, comprehensive for the student."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from gaze_insight.errors import DataError
from gaze_insight.types import BACKGROUND, FOREGROUND, IGNORE, ByteArray, FloatArray, Settings

__all__ = ["LevelSettings", "PseudoMask", "make_levels", "trust_map"]


class LevelSettings(Settings):
    """How a soft foreground becomes labels of two levels.

    ``trust`` labels in the sparse mask what all parts agree on (see `trust_map`). ``thresholds`` cuts the
    soft foreground itself, as the papers do: 0.5 and 0.3 are theirs for Kvasir-SEG (`papers`); the
    background's threshold is ours, since the papers call every pixel below 0.5 background.

    Example:
        >>> LevelSettings(sparse_background=0.6)  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        pydantic_core._pydantic_core.ValidationError: 1 validation error for LevelSettings
          Value error, sparse_background <= comprehensive <= sparse_foreground must hold, found 0.6, ...
    """

    sparse: Literal["trust", "thresholds"] = Field("trust", description="what the sparse mask is cut from")
    least_trust: float = Field(
        0.5, ge=0, lt=1, description="with sparse=trust: trust from which a pixel is labelled"
    )
    sparse_foreground: float = Field(
        0.5, gt=0, le=1, description="with sparse=thresholds: foreground from here up"
    )
    sparse_background: float = Field(
        0.1, gt=0, le=1, description="with sparse=thresholds: background below this"
    )
    comprehensive: float = Field(
        0.45, gt=0, le=1, description="foreground of the comprehensive mask from here up"
    )

    @classmethod
    def papers(cls, sparse: float = 0.5, comprehensive: float = 0.3) -> LevelSettings:
        """Return the papers' thresholds: 0.5 and 0.3 for Kvasir-SEG, 0.4 and 0.2 for NCI-ISBI.

        Args:
            sparse: Foreground of the sparse mask from here up.
            comprehensive: Foreground of the comprehensive mask from here up.

        Returns:
            Levels cut by thresholds.

        Example:
            >>> LevelSettings.papers().comprehensive
            0.3
        """
        return cls(sparse="thresholds", sparse_foreground=sparse, comprehensive=comprehensive)

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
        trust: (h, w) float32 in [0, 1]: how sure the least sure part is of the label (see `trust_map`).
        parts: Name to (h, w) float16, the soft mask of each part that was voted from.
        features: What tells of the mask's quality (see `expected_dice`); empty where fewer than two parts
            voted.

    Raises:
        DataError: The maps differ in shape.

    Example:
        >>> mask = make_levels(np.array([[0.9, 0.4, 0.2, 0.0]]), settings=LevelSettings.papers())
        >>> mask.sparse, mask.comprehensive, mask.sparse_share
        (array([[  1, 255, 255,   0]], dtype=uint8), array([[1, 1, 0, 0]], dtype=uint8), 0.5)
    """

    soft: NDArray[np.float32]
    sparse: ByteArray
    comprehensive: ByteArray
    trust: NDArray[np.float32]
    parts: Mapping[str, NDArray[np.float16]] = field(default_factory=dict)
    features: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        shapes = [self.soft.shape, self.sparse.shape, self.comprehensive.shape, self.trust.shape]
        shapes += [part.shape for part in self.parts.values()]
        if len(set(shapes)) > 1:
            raise DataError(f"all maps of a pseudo-mask must have one shape, found {shapes}")

    @property
    def sparse_share(self) -> float:
        """Fraction of pixels that the sparse mask labels, in [0, 1]; 0 for a mask without pixels."""
        return float(np.mean(self.sparse != IGNORE)) if self.sparse.size else 0.0


def trust_map(votes: Sequence[FloatArray], soft: FloatArray) -> NDArray[np.float32]:
    r"""Say for each pixel how sure the least sure voter is of the vote's label.

    $t(x) = \max(0, \min_k (2 P_k(y_x) - 1))$ with $y_x$ the label by ``soft >= 0.5`` and $P_k(y_x)$ the
    probability that voter $k$ gives to it: 1 where all are certain, 0 where one of them contradicts.

    Args:
        votes: Soft foregrounds, each (h, w) in [0, 1]; without one, trust is that of `soft` alone.
        soft: (h, w), what they were joined to.

    Returns:
        (h, w) float32 in [0, 1].

    Example:
        >>> one, other = np.array([[0.9, 0.9, 0.0]]), np.array([[0.8, 0.2, 0.1]])
        >>> trust_map([one, other], np.array([[0.85, 0.6, 0.1]]))
        array([[0.6, 0. , 0.8]], dtype=float32)
    """
    foreground = soft >= 0.5
    trust = np.abs(2 * soft - 1)
    for vote in votes:
        trust = np.minimum(trust, np.where(foreground, 2 * vote - 1, 1 - 2 * vote))
    return np.maximum(trust, 0).astype(np.float32)


def make_levels(
    soft: FloatArray, trust: FloatArray | None = None, settings: LevelSettings | None = None
) -> PseudoMask:
    """Cut a soft foreground into the sparse and the comprehensive mask.

    With ``thresholds`` their order guarantees that the sparse foreground lies within the comprehensive
    foreground, and the sparse background within the comprehensive background; with ``trust`` the same holds
    where ``comprehensive`` is about 0.5.

    Args:
        soft: (h, w) foreground in [0, 1].
        trust: (h, w) in [0, 1]; None for that of `soft` alone, ``|2 soft - 1|``.
        settings: The levels; None for the defaults.

    Returns:
        The pseudo-mask, without parts. A ``soft`` that is zero everywhere means that nobody looked at the
        image: nothing is known, so every sparse pixel is unknown, trust is 0 and the comprehensive mask is
        background.

    Raises:
        DataError: ``soft`` is not a (h, w) array of values in [0, 1], or ``trust`` has another shape.

    Example:
        >>> make_levels(np.zeros((1, 2))).sparse
        array([[255, 255]], dtype=uint8)
        >>> make_levels(np.array([[0.9, 0.6, 0.1]]), np.array([[0.8, 0.0, 0.7]])).sparse
        array([[  1, 255,   0]], dtype=uint8)
    """
    settings = settings or LevelSettings()
    if soft.ndim != 2 or (soft.size and not (np.min(soft) >= 0 and np.max(soft) <= 1)):
        raise DataError(
            f"soft must be (h, w) with values in [0, 1], found shape {soft.shape} or values outside"
        )
    trust = trust_map([], soft) if trust is None else trust
    if trust.shape != soft.shape:
        raise DataError(f"trust must be {soft.shape} as soft is, found {trust.shape}")
    sparse = np.full(soft.shape, IGNORE, dtype=np.uint8)
    comprehensive = np.where(soft >= settings.comprehensive, FOREGROUND, BACKGROUND).astype(np.uint8)
    if not np.any(soft > 0):
        trust = np.zeros_like(trust)
    elif settings.sparse == "trust":
        sure = trust >= settings.least_trust
        sparse[sure] = np.where(soft >= 0.5, FOREGROUND, BACKGROUND)[sure]
    else:
        sparse[soft < settings.sparse_background] = BACKGROUND
        sparse[soft >= settings.sparse_foreground] = FOREGROUND
    return PseudoMask(soft.astype(np.float32), sparse, comprehensive, trust.astype(np.float32))
