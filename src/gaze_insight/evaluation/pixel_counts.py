"""Pixels counted by their probability, so that many cases can be kept, summed and redrawn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from gaze_insight.errors import DataError
from gaze_insight.evaluation.overlap import require_mask_pair
from gaze_insight.types import BoolArray, FloatArray

__all__ = ["LOGITS", "Tally", "count_levels", "tally_at", "tally_pixels"]

_REACH, _PER_UNIT = 16, 64
LOGITS: NDArray[np.float64] = np.arange(-_REACH * _PER_UNIT, _REACH * _PER_UNIT + 1) / _PER_UNIT
"""Levels of log odds that pixels are counted at: -16 to 16 in steps of 1/64; (2049,)."""


@dataclass(frozen=True, eq=False)
class Tally:
    """Pixels by their probability.

    Attributes:
        prob: Probabilities, (K,) in [0, 1].
        pixels: Pixels with each, (K,), at least 0.
        lesion: Those of them that are lesion, (K,).
    """

    prob: NDArray[np.float64]
    pixels: NDArray[np.float64]
    lesion: NDArray[np.float64]


def tally_pixels(prob: FloatArray, truth: BoolArray) -> Tally:
    """Take each pixel for itself.

    Args:
        prob: Probabilities in [0, 1], any shape.
        truth: True mask, of the same shape.

    Returns:
        A tally of as many entries as pixels.

    Raises:
        DataError: Shapes differ, or a probability is outside [0, 1].

    Example:
        >>> tally_pixels(np.array([0.2, 0.8]), np.array([False, True])).lesion.tolist()
        [0.0, 1.0]
    """
    if prob.shape != truth.shape or not bool(((prob >= 0) & (prob <= 1)).all()):
        raise DataError(f"expected probabilities in [0, 1] of {truth.shape}, found shape {prob.shape}")
    flat = prob.astype(np.float64).ravel()
    return Tally(flat, np.ones(flat.shape), truth.astype(np.float64).ravel())


def count_levels(prob: FloatArray, truth: BoolArray, within: BoolArray | None = None) -> NDArray[np.int64]:
    """Count the pixels of a case at each of `LOGITS`, so that many cases can be kept and redrawn.

    A probability moves to the nearest level: by at most 0.002, and not in one direction.

    Args:
        prob: Probabilities, (H, W) in [0, 1].
        truth: True mask, (H, W) bool.
        within: Pixels to count, (H, W) bool; None for all.

    Returns:
        Pixels and lesion pixels at each level, (2049, 2).

    Raises:
        DataError: Shapes differ, or a probability is outside [0, 1].

    Example:
        >>> counts = count_levels(np.array([[0.5, 0.5]]), np.array([[True, False]]))
        >>> counts.sum(axis=0).tolist(), counts[1024].tolist()
        ([2, 1], [2, 1])
    """
    require_mask_pair(truth if within is None else within, truth)
    if prob.shape != truth.shape or not bool(((prob >= 0) & (prob <= 1)).all()):
        raise DataError(f"expected probabilities in [0, 1] of {truth.shape}, found shape {prob.shape}")
    chosen = np.ones(truth.shape, dtype=np.bool_) if within is None else within
    least = float(expit(-_REACH))
    odds = logit(np.clip(prob[chosen].astype(np.float64), least, 1 - least))
    place = np.clip(np.rint((odds + _REACH) * _PER_UNIT), 0, len(LOGITS) - 1).astype(np.intp)
    pixels = np.bincount(place, minlength=len(LOGITS))
    lesion = np.bincount(place[truth[chosen]], minlength=len(LOGITS))
    return np.stack([pixels, lesion], axis=1).astype(np.int64)


def tally_at(counts: NDArray[np.int64] | NDArray[np.float64], temperature: float = 1.0) -> Tally:
    """Turn counts at log odds into a tally of probabilities at a temperature.

    Args:
        counts: From :func:`count_levels`, (2049, 2), or a sum of such.
        temperature: Divides the log odds.

    Returns:
        The tally.

    Example:
        >>> counts = count_levels(np.array([[0.5]]), np.array([[True]]))
        >>> float(tally_at(counts, 2.0).prob[1024])
        0.5
    """
    table = counts.astype(np.float64)
    return Tally(np.asarray(expit(LOGITS / temperature)), table[:, 0], table[:, 1])
