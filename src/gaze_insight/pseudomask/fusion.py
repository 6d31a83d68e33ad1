"""What the network sees joined with where the reader looked: gaze-assisted prediction of one image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator
from scipy.special import expit, logit

from gaze_insight.errors import DataError
from gaze_insight.pseudomask.fusion_features import FUSION_FEATURES, fusion_features
from gaze_insight.pseudomask.levels import PseudoMask
from gaze_insight.types import FloatArray, Settings, Size

__all__ = [
    "FUSION_FEATURES",
    "LEAST_OTHERS",
    "REASONS",
    "Fused",
    "FusionCalibration",
    "Gate",
    "JointRule",
    "Reason",
    "fuse",
    "fusion_features",
    "joint_logit",
    "shipped_fusion",
]

LEAST_OTHERS = 5
"""Other images of a recording from which its agreement is told."""

_FARTHEST_SD = 3.0
_LITTLE = 0.1

Reason = Literal["fused", "little_gaze", "no_gaze", "nothing_looked_at"]
REASONS: Mapping[Reason, str] = {
    "fused": "image and gaze joined",
    "little_gaze": "the gaze does not look like one of this image's lesion; nearly the image alone",
    "no_gaze": "no gaze was recorded for this image; the image alone",
    "nothing_looked_at": "no fixation lies on the image; the image alone",
}
"""Why an image was predicted as it was."""


class JointRule(Settings):
    """How image and gaze are joined where the gaze is to be believed.

    ``joint = network_weight * logit(network) + gaze_weight * logit(vote) + bias``.

    Example:
        >>> JointRule().gaze_weight
        1.0
    """

    network_weight: float = Field(0.7, gt=0, description="weight of the network's logit")
    gaze_weight: float = Field(1.0, gt=0, description="weight of the logit of the gaze vote")
    bias: float = Field(0.1, description="logit added: the vote alone is cut at 0.45 for the same reason")
    largest_network_logit: float = Field(6.0, gt=0, description="network logits are cut to +- this")
    largest_gaze_logit: float = Field(3.9, gt=0, description="logits of the vote are cut to +- this")


class Gate(Settings):
    """How far gaze is believed: a logistic function of features that need no true mask.

    ``share = sigmoid(intercept + sum_j weight_j clip((f_j - mean_j) / sd_j, -3, 3))``; a feature that is not
    known (NaN) counts as its mean.

    Example:
        >>> gate = Gate(features=("agreement",), mean=(0.5,), sd=(0.25,), weight=(2.0,), intercept=0.0)
        >>> round(gate.share({"agreement": 0.75}), 3), gate.share({"agreement": float("nan")})
        (0.881, 0.5)
    """

    features: tuple[str, ...] = Field(min_length=1)
    mean: tuple[float, ...]
    sd: tuple[float, ...]
    weight: tuple[float, ...]
    intercept: float

    @model_validator(mode="after")
    def _fits(self) -> Gate:
        lengths = {len(self.features), len(self.mean), len(self.sd), len(self.weight)}
        if len(lengths) > 1:
            raise ValueError(f"features, mean, sd and weight must be of one length, found {sorted(lengths)}")
        if min(self.sd) <= 0:
            raise ValueError(f"sd must be above 0, found {min(self.sd)}")
        return self

    def share(self, features: Mapping[str, float]) -> float:
        """Return the share of the joint rule, in [0, 1].

        Args:
            features: A value for each of the gate's features.

        Raises:
            DataError: A feature is missing.
        """
        missing = [name for name in self.features if name not in features]
        if missing:
            raise DataError(
                f"the fusion's gate needs the feature {missing[0]!r}, found {', '.join(features) or 'none'}"
            )
        values = np.array([features[name] for name in self.features], dtype=np.float64)
        standard = np.nan_to_num((values - self.mean) / self.sd, nan=0.0, posinf=3.0, neginf=-3.0)
        score = self.intercept + np.array(self.weight) @ np.clip(standard, -_FARTHEST_SD, _FARTHEST_SD)
        return float(expit(score))


class FusionCalibration(Settings):
    """When to believe which: the joint rule, and the gates that say how far it counts.

    Example:
        >>> shipped_fusion().joint.gaze_weight
        1.0
    """

    joint: JointRule = JointRule()
    alone: Gate = Field(description="used where nothing is known of the recording")
    recording: Gate | None = Field(
        None, description="used where the recording's agreement is known; it reads recording_agreement too"
    )
    cases: int = Field(ge=1, description="images it was fitted on")
    measured: dict[str, float] = Field(default_factory=dict, description="cross-fitted mean Dice of the fit")
    source: str = Field("", description="what it was fitted on, and how")


@dataclass(frozen=True, eq=False)
class Fused:
    """An image as the network saw it and the reader looked at it.

    Args:
        probability: (H, W) float32 in [0, 1], on the network's grid.
        gaze_share: How far gaze was believed, in [0, 1]; at 0 the probability is the network's own.
        features: What the share was told from (see `FUSION_FEATURES`); empty without gaze.
        reason: Why it is so; `REASONS` says it in words.
    """

    probability: FloatArray
    gaze_share: float = 0.0
    features: Mapping[str, float] = field(default_factory=dict)
    reason: Reason = "no_gaze"


@lru_cache(maxsize=1)
def shipped_fusion() -> FusionCalibration:
    """Return the calibration that comes with the package; its `source` says what it was fitted on.

    Example:
        >>> shipped_fusion().recording.features[-1]
        'recording_agreement'
    """
    text = files("gaze_insight.pseudomask").joinpath("fusion.json").read_text(encoding="utf-8")
    return FusionCalibration.model_validate_json(text)


def fuse(
    network: FloatArray,
    gaze: PseudoMask | None,
    calibration: FusionCalibration | None = None,
    *,
    recording_agreement: float | None = None,
) -> Fused:
    r"""Join what the network sees with where the reader of this image looked.

    With $z$ the network's logit, $v$ the vote's, $j = \alpha z + \beta v + \delta$ the joint rule and
    $g \in [0, 1]$ the gate's share, the fused logit is $(1 - g) z + g j$: with $g = 0$ the image alone.
    The gate reads features that need no true mask, so gaze that does not fit image and network counts less.

    Args:
        network: (H, W) foreground probability in [0, 1], of the image alone.
        gaze: The pseudo-mask of this image's own gaze, on any grid; None where nobody looked.
        calibration: When to believe which; None for the shipped one.
        recording_agreement: Mean `agreement` (see `FUSION_FEATURES`) of other images of the same recording,
            at least `LEAST_OTHERS`. It tells a recording that is shifted or joined to the wrong images from
            one odd case. None where it is not known.

    Returns:
        The fused probability on the network's grid, the share and its reason. Without gaze, or with a
        pseudo-mask of no fixation on the image, the network's probability unchanged.

    Raises:
        DataError: `network` is not (H, W) with values in [0, 1], or `recording_agreement` not in [0, 1].

    Example:
        >>> from gaze_insight.pseudomask.levels import make_levels
        >>> network = np.full((4, 4), 0.3, np.float32)
        >>> vote = make_levels(np.pad(np.full((2, 2), 0.9), 1))
        >>> sure = Gate(features=("agreement",), mean=(0,), sd=(1,), weight=(0,), intercept=50)
        >>> fused = fuse(network, vote, FusionCalibration(alone=sure, cases=1))
        >>> (fused.probability > 0.5).astype(int)[1].tolist(), fused.gaze_share, fused.reason
        ([0, 1, 1, 0], 1.0, 'fused')
        >>> fuse(network, None).reason
        'no_gaze'
    """
    _check(network, recording_agreement)
    if gaze is None:
        return Fused(network.astype(np.float32))
    if network.size == 0 or not np.any(gaze.soft > 0):
        return Fused(network.astype(np.float32), reason="nothing_looked_at")
    chosen = calibration or shipped_fusion()
    features = fusion_features(network, gaze)
    gate = chosen.alone
    if recording_agreement is not None and chosen.recording is not None:
        gate, features = chosen.recording, features | {"recording_agreement": recording_agreement}
    share = gate.share(features)
    own, joint = _logits(network, gaze.soft, chosen.joint)
    fused = expit(own + np.float32(share) * (joint - own)).astype(np.float32, copy=False)
    return Fused(fused, share, features, "fused" if share >= _LITTLE else "little_gaze")


def joint_logit(network: FloatArray, soft: FloatArray, rule: JointRule | None = None) -> NDArray[np.float32]:
    """Join image and gaze as where the gaze is to be believed.

    Args:
        network: (H, W) foreground probability in [0, 1].
        soft: The gaze vote, (h, w) in [0, 1]; brought to (H, W) bilinearly.
        rule: The joint rule; None for the defaults.

    Returns:
        (H, W) float32 logits.

    Example:
        >>> joint_logit(np.array([[0.5]]), np.array([[0.5]])).round(3)
        array([[0.1]], dtype=float32)
    """
    return _logits(network, soft, rule or JointRule())[1]


def _logits(
    network: FloatArray, soft: FloatArray, rule: JointRule
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Logits of the network, cut, and of the joint rule; both (H, W) float32."""
    size, vote = Size(*network.shape), np.asarray(soft, dtype=np.float32)
    if vote.shape != network.shape:
        vote = cv2.resize(vote, (size.width, size.height), interpolation=cv2.INTER_LINEAR)
    own, given = (
        np.clip(logit(values.astype(np.float32)), np.float32(-limit), np.float32(limit))
        for values, limit in ((network, rule.largest_network_logit), (vote, rule.largest_gaze_logit))
    )
    joint = np.float32(rule.network_weight) * own + np.float32(rule.gaze_weight) * given
    joint += np.float32(rule.bias)
    return own.astype(np.float32, copy=False), joint.astype(np.float32, copy=False)


def _check(network: FloatArray, agreement: float | None) -> None:
    if network.ndim != 2 or (network.size and not (np.min(network) >= 0 and np.max(network) <= 1)):
        raise DataError(
            f"the network's probability must be (H, W) with values in [0, 1], found shape {network.shape} or "
            "values outside"
        )
    if agreement is not None and not 0 <= agreement <= 1:
        raise DataError(f"recording_agreement must lie in [0, 1], found {agreement}")
