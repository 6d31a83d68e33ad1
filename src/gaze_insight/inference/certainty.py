"""What can be promised of a prediction without a true mask: its Dice, a safe mask, when to ask a human."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.special import expit, logit

from gaze_insight.errors import DataError
from gaze_insight.inference.safe_mask import GrowingMask, entry_levels, mask_at
from gaze_insight.pseudomask.expected_dice import Calibration, ExpectedDice, expected_dice
from gaze_insight.types import BoolArray, FloatArray, Settings

__all__ = [
    "CERTAINTY_FEATURES",
    "Certainty",
    "HeadUncertainty",
    "SafeRule",
    "Uncertainty",
    "certainty_features",
    "judge",
    "outline_band",
    "small_logits",
    "temper",
]

CERTAINTY_FEATURES = ("inside", "border_entropy", "self_dice", "largest_part", "log_area")
"""Names of what :func:`certainty_features` returns."""

_GRID_PX = 160
_LEAST_AREA_FRAC = 3e-4
_LEAST_PROBABILITY = 1e-7
_DICE_CLIP = 0.02


class SafeRule(Settings):
    """A level of the growing mask that keeps a promise for new cases of the same kind.

    The promise of "missed" is that on average at most `alpha` of a lesion lies outside the mask; that of
    "contains" is that at least 1 - `beta` of the lesion lies inside in at least 1 - `alpha` of cases.
    """

    promise: str = Field(description="missed or contains")
    alpha: float = Field(gt=0, lt=1)
    beta: float = Field(ge=0, lt=1, description="share of a lesion that may be outside; 0 for missed")
    level: int = Field(ge=0, description="level of the growing mask")
    whole_image: bool = Field(description="no smaller mask keeps the promise")
    enough: bool = Field(description="whether there were enough cases for any smaller mask")
    bound: float = Field(ge=0, le=1, description="what the rule guarantees: (sum of losses + 1) / (n + 1)")
    cases: int = Field(ge=1, description="cases, or patients where they are known")


class HeadUncertainty(Settings):
    """What was fitted for one output of a run."""

    temperature: float = Field(gt=0, description="log odds are divided by it")
    threshold: float = Field(gt=0, lt=1, description="a pixel is predicted where the probability is above")
    dice: Calibration | None = Field(None, description="expected Dice; None with too few cases")
    growing: GrowingMask = GrowingMask()
    missed: SafeRule
    contains: SafeRule
    keep_frac: float = Field(gt=0, le=1, description="share of the fitted cases that is not sent to a human")
    least: float = Field(description="below this confidence a human is asked")
    cases: int = Field(ge=1)
    notes: tuple[str, ...] = ()


class Uncertainty(Settings):
    """Everything that `calibrate` fitted for a run; the content of ``uncertainty.json``."""

    heads: dict[str, HeadUncertainty]
    cohort: str
    own_cohort: bool = Field(description="whether that is the cohort that the run learned from")
    split: str
    weights: str = Field(description="SHA-256 of the weights it belongs to")
    prediction: dict[str, object] = Field(description="how the network was asked")
    images: tuple[str, ...] = Field(description="SHA-256 of the images it was fitted on")
    settings: dict[str, object] = Field(description="the settings of the fit")


@dataclass(frozen=True, eq=False)
class Certainty:
    """What is promised of one prediction.

    Attributes:
        expected: Expected Dice with its interval, or None where too few cases were fitted on.
        confidence: What cases are ordered by: the expected Dice, or the mean probability inside the mask.
        ask_human: Whether the prediction should not be used without a human.
        reason: Why; empty where it may be used.
        missed: Mask that misses little on average, (H, W).
        contains: Mask that contains most of the lesion, (H, W).
        features: What was looked at.
    """

    expected: ExpectedDice | None
    confidence: float
    ask_human: bool
    reason: str
    missed: BoolArray
    contains: BoolArray
    features: Mapping[str, float]


def temper(prob: FloatArray, temperature: float) -> NDArray[np.float32]:
    r"""Divide the log odds of probabilities by a temperature: $\sigma(\operatorname{logit}(p) / T)$.

    Guo et al., On Calibration of Modern Neural Networks, ICML 2017. Above 1 probabilities become less sure,
    below 1 surer; the mask at threshold 0.5 stays as it is.

    Args:
        prob: Probabilities in [0, 1], any shape.
        temperature: Above 0.

    Returns:
        Probabilities, of the same shape.

    Example:
        >>> temper(np.array([0.5, 0.8]), 0.5).round(3).tolist()
        [0.5, 0.9409999847412109]
    """
    odds = logit(np.clip(prob.astype(np.float64), _LEAST_PROBABILITY, 1 - _LEAST_PROBABILITY))
    return np.asarray(expit(odds / temperature), dtype=np.float32)


def small_logits(prob: FloatArray) -> NDArray[np.float32]:
    """Bring probabilities to log odds on a small grid, so that features do not hang on the image's size.

    Args:
        prob: (H, W) in [0, 1].

    Returns:
        Log odds, averaged over areas, the longer side at most 160.

    Example:
        >>> small_logits(np.full((320, 200), 0.5)).shape
        (160, 100)
    """
    odds = logit(np.clip(prob.astype(np.float32), _LEAST_PROBABILITY, 1 - _LEAST_PROBABILITY))
    shrink = min(1.0, _GRID_PX / max(prob.shape))
    size = max(1, round(prob.shape[1] * shrink)), max(1, round(prob.shape[0] * shrink))
    return np.asarray(cv2.resize(odds, size, interpolation=cv2.INTER_AREA), dtype=np.float32)


def certainty_features(
    logits: FloatArray, temperature: float = 1.0, threshold: float = 0.5
) -> dict[str, float]:
    r"""Measure a prediction without a true mask.

    With $p$ the tempered probability and $m$ the predicted mask: ``inside`` is the mean of $p$ in $m$;
    ``border_entropy`` the mean entropy of $p$ in bits within 1.8 % of the diagonal of the outline;
    ``self_dice`` the log odds of $2\sum pm / (\sum p + \sum m)$, the Dice that $p$ expects of $m$;
    ``largest_part`` the share of $m$ in its largest component; ``log_area`` the log of its area's share.

    Args:
        logits: Log odds, (h, w), from :func:`small_logits`.
        temperature: Divides them.
        threshold: A pixel is predicted where the untempered probability is above it.

    Returns:
        The features; a prediction without a pixel has the worst of each.

    Example:
        >>> sure = np.where(np.eye(8, k=0) > 0, 9.0, -9.0)
        >>> round(certainty_features(sure)["inside"], 3)
        1.0
    """
    mask = logits > logit(threshold)
    prob = expit(logits.astype(np.float64) / temperature)
    area = int(mask.sum())
    log_area = math.log(area / mask.size + _LEAST_AREA_FRAC)
    if area == 0:
        return dict(zip(CERTAINTY_FEATURES, (0.0, 1.0, float(logit(_DICE_CLIP)), 0.0, log_area), strict=True))
    region = mask.astype(np.uint8)
    sizes = cv2.connectedComponentsWithStats(region)[2][1:, cv2.CC_STAT_AREA]
    own = 2 * float(prob[mask].sum()) / (float(prob.sum()) + area)
    values = (
        float(prob[mask].mean()),
        float(_entropy_bits(prob)[outline_band(mask) | mask.all()].mean()),
        float(logit(np.clip(own, _DICE_CLIP, 1 - _DICE_CLIP))),
        float(sizes.max() / area),
        log_area,
    )
    return dict(zip(CERTAINTY_FEATURES, values, strict=True))


def outline_band(mask: BoolArray, width_frac: float = 0.018) -> BoolArray:
    """Mark the pixels near the outline of a predicted mask, where probabilities are hardest.

    Args:
        mask: Predicted mask, (H, W).
        width_frac: Distance from the outline on either side, as a share of the image's diagonal; at least
            one pixel.

    Returns:
        (H, W) bool; no pixel where the mask is empty or full.

    Example:
        >>> half = np.zeros((4, 8), bool)
        >>> half[:, :4] = True
        >>> outline_band(half)[0].tolist()
        [False, False, False, True, True, False, False, False]
    """
    if not mask.any() or mask.all():
        return np.zeros(mask.shape, dtype=np.bool_)
    region = mask.astype(np.uint8)
    inner = cv2.distanceTransform(region, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    outer = cv2.distanceTransform(1 - region, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.asarray(inner + outer <= max(1.0, width_frac * float(np.hypot(*mask.shape))))


def _entropy_bits(prob: NDArray[np.float64]) -> NDArray[np.float64]:
    clipped = np.clip(prob, 1e-12, 1 - 1e-12)
    return np.asarray(-(clipped * np.log2(clipped) + (1 - clipped) * np.log2(1 - clipped)))


def judge(prob: FloatArray, fitted: HeadUncertainty, extra: Mapping[str, float] | None = None) -> Certainty:
    """Say what can be promised of a prediction.

    Args:
        prob: Foreground probability as the network gave it, (H, W) in [0, 1], not tempered.
        fitted: What was fitted for this output.
        extra: Further features that the fit used, as those of the gaze.

    Returns:
        The promises.

    Raises:
        DataError: A feature of the fit is missing, or the probabilities are none.
    """
    features = {
        **certainty_features(small_logits(prob), fitted.temperature, fitted.threshold),
        **(extra or {}),
    }
    expected = None if fitted.dice is None else expected_dice(features, fitted.dice)
    confidence = features["inside"] if expected is None else expected.mean
    if not math.isfinite(confidence):
        raise DataError("the prediction holds values that are not numbers")
    levels = entry_levels(prob, fitted.threshold, fitted.growing)
    reason = ""
    if not bool((levels == 0).any()):
        reason = "nothing was predicted"
    elif confidence < fitted.least:
        what = "expected Dice" if expected is not None else "mean probability inside the mask"
        reason = f"{what} {confidence:.2f} is below {fitted.least:.2f}"
    return Certainty(
        expected=expected,
        confidence=confidence,
        ask_human=bool(reason),
        reason=reason,
        missed=mask_at(levels, fitted.missed.level),
        contains=mask_at(levels, fitted.contains.level),
        features=features,
    )
