"""How each region fares for a finding: its usual weight, the attention in it, and the boxes over it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from pydantic import Field

from gaze_insight.chest.findings import findings_named
from gaze_insight.chest.priors import FindingPrior
from gaze_insight.chest.regions import BoxFrac, RegionSet, RegionSetName, box_mask, given_region_boxes
from gaze_insight.cohort.chest_facts import ChestBox
from gaze_insight.errors import DataError
from gaze_insight.types import FloatArray, Settings, Size

__all__ = ["Confidence", "GroundingSettings", "RegionScore", "focus_of", "score_regions"]

Confidence = Literal["probability", "above_threshold"]

_FINE = Size(64, 64)


class GroundingSettings(Settings):
    """How regions are scored, and when the attention map counts as evidence.

    Example:
        >>> GroundingSettings().beta
        1.0
    """

    regions: RegionSetName = Field("egd17", description="set of regions that a report may name")
    beta: float = Field(1.0, ge=0, description="how much attention adds to the prior; 0: the prior alone")
    mass: Literal["lift", "share"] = Field(
        "lift",
        description="attention of a region: its mass relative to its area (lift; 1 for an even map), or "
        "its share of the whole mass (share; large regions gain)",
    )
    top_regions: int = Field(2, ge=1, le=10, description="regions that a sentence may name")
    least_lift: float = Field(
        1.25, ge=1, description="a region is seen by the map if its mass exceeds this multiple of its area"
    )
    least_focus: float = Field(
        0.02,
        ge=0,
        le=1,
        description="below this focus (1 minus the map's normalised entropy) the map counts as even",
    )
    side_margin: float = Field(
        0.15,
        ge=0,
        lt=0.5,
        description="a side is named if it holds more than 0.5 plus this of both sides' lift",
    )
    confidence: Confidence = Field(
        "probability", description="weight of a keyword: p, or (p - threshold) / (1 - threshold)"
    )


@dataclass(frozen=True)
class RegionScore:
    """How one region fares for one finding.

    Args:
        name: The region.
        score: In [0, 1]; over all regions they sum to 1.
        prior: Its usual weight, in [0, 1].
        mass: Share of the attention within it, in [0, 1].
        lift: That share divided by the region's share of the image; 1 for an even map.
        coverage: Share of the finding's given boxes that lies in it; None without such boxes.
        box: Where it was taken to lie.
        given: Whether that box came with the image; else it is the usual one.

    Example:
        >>> RegionScore("trachea", 0.4, 1.0, 0.1, 2.5, None, (0.4, 0.0, 0.5, 0.3), False).lift
        2.5
    """

    name: str
    score: float
    prior: float
    mass: float
    lift: float
    coverage: float | None
    box: BoxFrac
    given: bool

    def to_json(self) -> dict[str, Any]:
        """Give plain values, numbers with four digits.

        Example:
            >>> score = RegionScore("trachea", 0.4, 1.0, 0.1, 2.5, None, (0.4, 0.0, 0.5, 0.3), False)
            >>> score.to_json()["box"]
            [0.4, 0.0, 0.5, 0.3]
        """
        return {
            "name": self.name,
            "score": round(self.score, 4),
            "prior": round(self.prior, 4),
            "mass": round(self.mass, 4),
            "lift": round(self.lift, 4),
            "coverage": None if self.coverage is None else round(self.coverage, 4),
            "box": [round(edge, 4) for edge in self.box],
            "box_given": self.given,
        }


def focus_of(attention: FloatArray) -> float:
    r"""Compute how far a map is from even: $1 - H(P) / \log n$ for $n$ cells.

    Args:
        attention: Shape (h, w), >= 0, of any sum.

    Returns:
        0 for an even map, an empty one or a single cell; 1 for a map with all its mass in one of many cells.

    Raises:
        DataError: The map is not two-dimensional, has no cell, or a negative, infinite or NaN value.

    Example:
        >>> focus_of(np.ones((4, 4))), focus_of(np.eye(1, 16).reshape(4, 4))
        (0.0, 1.0)
    """
    if attention.ndim != 2 or attention.size == 0:
        raise DataError(f"expected an attention map of shape (h, w), found {attention.shape}")
    if not np.isfinite(attention).all() or (attention < 0).any():
        raise DataError("expected an attention map of finite values of 0 or more")
    total = float(attention.sum(dtype=np.float64))
    if total <= 0 or attention.size == 1:
        return 0.0
    part = attention.astype(np.float64) / total
    part = part[part > 0]
    return float(max(0.0, 1.0 + (part * np.log(part)).sum() / np.log(attention.size)))


def score_regions(
    usual: FindingPrior,
    attention: FloatArray | None,
    boxes: Sequence[ChestBox],
    finding: str,
    settings: GroundingSettings,
) -> tuple[RegionScore, ...]:
    r"""Score every region of the set: $s(r) \propto \mathrm{prior}(r)\,(1 + \beta\,l_r)$.

    Args:
        usual: What is usual for the finding.
        attention: Shape (h, w), >= 0, of any sum; None or an empty map counts as even.
        boxes: Given with the image.
        finding: The finding; its own boxes give the coverage.
        settings: How scores are made.

    Returns:
        All regions, best first; the scores sum to 1, or are all 0 where the set has none of the usual ones.

    Example:
        >>> from gaze_insight.chest.priors import prior_of
        >>> scores = score_regions(prior_of("Edema"), None, (), "Edema", GroundingSettings())
        >>> len(scores), round(sum(one.score for one in scores), 6)
        (17, 1.0)
    """
    known = RegionSet(settings.regions)
    given, _ = given_region_boxes(boxes)
    own = [one for one in boxes if one.kind == "finding" and finding in findings_named(one.name)]
    grid = _FINE if attention is None else Size(*attention.shape)
    masks = known.masks(grid, given).astype(np.float64)
    areas = masks.mean(axis=(1, 2))
    mass = areas.copy()
    if attention is not None and attention.sum() > 0:
        part = attention.astype(np.float64) / attention.sum(dtype=np.float64)
        mass = (masks * part).sum(axis=(1, 2))
    lift = np.divide(mass, areas, out=np.zeros_like(mass), where=areas > 0)
    weights = np.array(list(usual.weights(known).values()))
    raw = weights * (1.0 + settings.beta * (lift if settings.mass == "lift" else mass))
    covered = _coverage(own, known, given)
    total = raw.sum()
    raw = raw / total if total > 0 else raw
    places = known.boxes(given)
    found = [
        RegionScore(
            name,
            float(raw[at]),
            float(weights[at]),
            float(min(1.0, mass[at])),
            float(lift[at]),
            None if covered is None else covered[at],
            places[name],
            name in given,
        )
        for at, name in enumerate(known.names)
    ]
    return tuple(sorted(found, key=lambda one: -one.score))


def _coverage(own: Sequence[ChestBox], known: RegionSet, given: Mapping[str, BoxFrac]) -> list[float] | None:
    """Share of the finding's boxes within each region, on a fine grid; None without boxes."""
    if not own:
        return None
    united = np.max([box_mask((o.x0, o.y0, o.x1, o.y1), _FINE, o.shape) for o in own], axis=0)
    total = float(united.sum())
    if total <= 0:
        return None
    return [float((mask * united).sum() / total) for mask in known.masks(_FINE, given)]
