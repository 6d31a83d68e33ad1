"""What tells of a pseudo-mask's quality without a true mask: agreement of its parts, and of gaze with it."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gaze_insight.pseudomask.evidence import Evidence
from gaze_insight.types import BoolArray

__all__ = ["FEATURES", "label_features"]

FEATURES = {
    "agreement": "mean Dice between the masks of two parts",
    "least_agreement": "smallest Dice between the masks of two parts",
    "prior_agreement": "Dice between the vote's mask and the gaze prior's",
    "certainty": "mean of |2p - 1| of the vote over the pixels that any part calls foreground",
    "log_area": "ln of the vote's share of the image",
    "log_hull": "ln of the radius of the fixations' hull, fraction of the longer side",
    "log_count": "ln of the number of fixations that count",
    "outlier_share": "share of fixations that were left out as outliers",
    "looked_inside": "share of looking time inside the vote's mask",
    "colour_step": "difference of mean CIELAB-like colour across the vote's boundary, in units of its spread",
}
"""Feature to what it is."""


def label_features(
    parts: Mapping[str, NDArray[Any]], soft: NDArray[np.float32], evidence: Evidence
) -> dict[str, float]:
    """Measure what needs no true mask.

    Args:
        parts: Soft mask of each part, (h, w) in [0, 1].
        soft: Their vote, (h, w).
        evidence: Image and gaze.

    Returns:
        A number for each of `FEATURES`; empty for fewer than two parts, which have nothing to agree on. Two
        masks without a pixel agree by 0, for where somebody looked, none is no label.

    Example:
        >>> sorted(FEATURES)[:3]
        ['agreement', 'certainty', 'colour_step']
    """
    if len(parts) < 2:
        return {}
    masks = [part >= 0.5 for part in parts.values()]
    mask = soft >= 0.5
    pairs = [_dice(one, other) for one, other in combinations(masks, 2)]
    union = np.logical_or.reduce(masks)
    selected = evidence.gaze
    counted = len(selected.fixations)
    on_image = max(1, len(selected.everywhere))
    return {
        "agreement": float(np.mean(pairs)),
        "least_agreement": float(min(pairs)),
        "prior_agreement": _dice(mask, evidence.prior >= 0.5),
        "certainty": float(np.abs(2 * soft[union] - 1).mean()) if union.any() else 0.0,
        "log_area": float(np.log(max(float(mask.mean()), 1 / mask.size))),
        "log_hull": float(np.log(evidence.radius_frac)),
        "log_count": float(np.log(counted)),
        "outlier_share": selected.left_out.get("outlier", 0) / on_image,
        "looked_inside": _looked_inside(mask, evidence),
        "colour_step": _colour_step(mask, evidence),
    }


def _dice(one: BoolArray, other: BoolArray) -> float:
    total = int(one.sum()) + int(other.sum())
    return 2 * int((one & other).sum()) / total if total else 0.0


def _looked_inside(mask: BoolArray, evidence: Evidence) -> float:
    gaze = evidence.gaze.fixations
    column = np.clip((gaze.x * mask.shape[1]).astype(int), 0, mask.shape[1] - 1)
    row = np.clip((gaze.y * mask.shape[0]).astype(int), 0, mask.shape[0] - 1)
    return float(np.average(mask[row, column], weights=gaze.duration_ms))


def _colour_step(mask: BoolArray, evidence: Evidence) -> float:
    near = ~mask & (evidence.distance > -(0.1 + evidence.radius_frac))
    if not mask.any() or not near.any():
        return 0.0
    inside, outside = evidence.image[mask].astype(np.float64), evidence.image[near].astype(np.float64)
    spread = np.sqrt((inside.var(axis=0) + outside.var(axis=0)) / 2) + 1.0
    return float(np.linalg.norm((inside.mean(axis=0) - outside.mean(axis=0)) / spread))
