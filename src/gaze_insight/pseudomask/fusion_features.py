"""What tells, without a true mask, whether the gaze on an image can be believed beside a network."""

from __future__ import annotations

import math

import numpy as np

from gaze_insight.pseudomask.evidence import fitted
from gaze_insight.pseudomask.levels import PseudoMask
from gaze_insight.types import BoolArray, FloatArray, Size

__all__ = ["FUSION_FEATURES", "RECORDING_AGREEMENT", "fusion_features"]

RECORDING_AGREEMENT = "recording_agreement"
"""The feature that tells of the whole recording: mean agreement of its other images."""

_OF_LABELS = (
    "agreement",
    "prior_agreement",
    "certainty",
    "outlier_share",
    "looked_inside",
    "colour_step",
    "log_count",
    "log_hull",
)

FUSION_FEATURES = {
    "agreement": "soft Dice of network p and vote v: 2 sum min(p, v) / (sum p + sum v)",
    "vote_in_network": "sum p v / sum v: how much of the vote the network sees too",
    "network_in_vote": "sum p v / sum p: how much of what the network sees was looked at",
    "log_area_ratio": "ln of the network's area over the vote's",
    "area_mismatch": "|log_area_ratio|",
    "network_self": "soft Dice of the network with its own mask: what it expects of itself",
    "vote_self": "the same of the vote",
    "network_sure": "mean |2p - 1| over the pixels that either calls foreground",
    "network_most": "the network's largest probability",
    "log_network_area": "ln of the network's share of the image",
    "trust": "mean trust within the vote's mask",
    **{f"label_{name}": f"{name} of the pseudo-mask; NaN where it has no features" for name in _OF_LABELS},
}
"""Feature to what it is; all on the pseudo-mask's grid."""

_LEAST_AREA = 1e-4


def fusion_features(network: FloatArray, gaze: PseudoMask) -> dict[str, float]:
    """Measure how network and gaze fit together, and how good the gaze looks.

    Args:
        network: (H, W) foreground probability in [0, 1]; brought to the pseudo-mask's grid by pixel areas.
        gaze: The pseudo-mask of the same image's gaze.

    Returns:
        A number for each of `FUSION_FEATURES`. Where neither sees anything they agree by 0: nothing speaks
        for the gaze.

    Example:
        >>> from gaze_insight.pseudomask.levels import make_levels
        >>> found = fusion_features(np.array([[1.0, 0.0]]), make_levels(np.array([[1.0, 1.0]])))
        >>> found["agreement"], found["vote_in_network"], found["network_in_vote"]  # 2 * 1 / 3, 1 / 2, 1 / 1
        (0.6666666666666666, 0.5, 1.0)
    """
    vote = gaze.soft.astype(np.float64)
    own = fitted(network.astype(np.float32), Size(*vote.shape)).astype(np.float64)
    seen, voted = own >= 0.5, vote >= 0.5
    either = seen | voted
    both, area, voted_area = float((own * vote).sum()), float(own.sum()), float(vote.sum())
    shares = [max(total / max(vote.size, 1), _LEAST_AREA) for total in (area, voted_area)]
    ratio = math.log(shares[0] / shares[1])
    found = {
        "agreement": _share(2 * float(np.minimum(own, vote).sum()), area + voted_area),
        "vote_in_network": _share(both, voted_area),
        "network_in_vote": _share(both, area),
        "log_area_ratio": ratio,
        "area_mismatch": abs(ratio),
        "network_self": _with_itself(own, seen),
        "vote_self": _with_itself(vote, voted),
        "network_sure": float(np.abs(2 * own[either] - 1).mean()) if either.any() else 1.0,
        "network_most": float(own.max(initial=0.0)),
        "log_network_area": math.log(shares[0]),
        "trust": float(gaze.trust[voted].mean()) if voted.any() else 0.0,
    }
    return found | {f"label_{name}": float(gaze.features.get(name, math.nan)) for name in _OF_LABELS}


def _with_itself(soft: FloatArray, mask: BoolArray) -> float:
    return _share(2 * float(soft[mask].sum()), float(soft.sum()) + float(mask.sum()))


def _share(part: float, whole: float) -> float:
    return part / whole if whole > 0 else 0.0
