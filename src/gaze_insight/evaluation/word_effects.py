"""How far a prediction moves when the words do."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gaze_insight.evaluation.overlap import dice
from gaze_insight.language.vocabulary import LOCATIONS, NOT_VISIBLE
from gaze_insight.types import BoolArray, FloatArray

__all__ = ["WordEffect", "centre_of_mass", "word_effect"]

_NEAREST = 0.05
_FAINTEST = 1e-6


@dataclass(frozen=True)
class WordEffect:
    """What changed words did to a probability map.

    Args:
        moved: Mean absolute change of probability over the image, in [0, 1].
        area_change: Change of mean probability, in [-1, 1]: above 0 the predicted area grows.
        dice: Dice of the two predictions; 1 where no pixel changes sides.
        truth_change: Dice with the true mask after less that before; NaN without a true mask.
        towards: How far the probability's centre of mass went towards the named place, in image sides; NaN
            where no place is named, or the centre was there already.
        place_change: Change of mean probability within the named place, in [-1, 1]; NaN likewise.
    """

    moved: float
    area_change: float
    dice: float
    truth_change: float
    towards: float
    place_change: float


def centre_of_mass(prob: FloatArray) -> tuple[float, float] | None:
    """Find the centre of mass of a probability map.

    Args:
        prob: (h, w) in [0, 1].

    Returns:
        x and y as fractions of the image's sides; None where there is next to no mass.

    Example:
        >>> centre_of_mass(np.eye(2)[:1])
        (0.25, 0.5)
    """
    total = float(prob.sum(dtype=np.float64))
    if total <= _FAINTEST * prob.size:
        return None
    height, width = prob.shape
    x = float(prob.sum(axis=0, dtype=np.float64) @ (np.arange(width) + 0.5)) / (total * width)
    y = float(prob.sum(axis=1, dtype=np.float64) @ (np.arange(height) + 0.5)) / (total * height)
    return x, y


def word_effect(
    before: FloatArray,
    after: FloatArray,
    *,
    threshold: float = 0.5,
    place: str | None = None,
    truth: BoolArray | None = None,
) -> WordEffect:
    r"""Compare the predictions with the words as they are and with changed words.

    With centres of mass :math:`c_0, c_1` and the middle m of the named cell of the 3 x 3 grid, the centre
    went :math:`(c_1 - c_0) \cdot (m - c_0) / |m - c_0|` towards it.

    Args:
        before: (h, w) in [0, 1], with the words as they are.
        after: (h, w) in [0, 1], with changed words.
        threshold: A pixel is predicted where the probability is above it.
        place: The place that the changed words name, one of `LOCATIONS`; None for no place.
        truth: (h, w) bool, the true mask at this size; None where not known.

    Returns:
        The effect.

    Example:
        >>> left, right = np.zeros((6, 6)), np.zeros((6, 6))
        >>> left[2:4, :2], right[2:4, 4:] = 1, 1
        >>> effect = word_effect(left, right, place="middle right")
        >>> effect.dice, round(effect.towards, 3), effect.place_change
        (0.0, 0.667, 1.0)
    """
    masks = np.asarray(before > threshold), np.asarray(after > threshold)
    difference = after.astype(np.float64) - before
    towards = place_change = truth_change = float("nan")
    if truth is not None:
        truth_change = dice(masks[1], truth) - dice(masks[0], truth)
    if place is not None and place != NOT_VISIBLE:
        towards, place_change = _towards(before, after, difference, place)
    return WordEffect(
        moved=float(np.abs(difference).mean()),
        area_change=float(difference.mean()),
        dice=dice(*masks),
        truth_change=truth_change,
        towards=towards,
        place_change=place_change,
    )


def _towards(
    before: FloatArray, after: FloatArray, difference: FloatArray, place: str
) -> tuple[float, float]:
    row, column = divmod(LOCATIONS.index(place), 3)
    height, width = difference.shape
    rows = slice(round(row * height / 3), round((row + 1) * height / 3))
    columns = slice(round(column * width / 3), round((column + 1) * width / 3))
    gain = float(difference[rows, columns].mean())
    first, second = centre_of_mass(before), centre_of_mass(after)
    if first is None or second is None:
        return float("nan"), gain
    way = np.array([(column + 0.5) / 3, (row + 0.5) / 3]) - first
    length = float(np.hypot(*way))
    if length < _NEAREST:
        return float("nan"), gain
    return float((np.array(second) - first) @ way / length), gain
