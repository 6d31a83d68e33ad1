"""Whether the regions that a report names hold what is there: a box of the finding, or where one looked."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from gaze_insight.chest.grounding import Grounding
from gaze_insight.chest.region_scores import RegionScore
from gaze_insight.errors import DataError

__all__ = ["Point", "RegionAgreement", "region_agreement"]

Point = tuple[float, float]
"""x and y as fractions of the image's width and height."""

_SAME = 1e-9


@dataclass(frozen=True)
class RegionAgreement:
    """How the regions of one grounding agree with the true places.

    Args:
        first: Whether the first region holds one of the places; the mean over regions that are equally good.
        named: Whether any of the named regions does.
        area_frac: Share of the image that the first region covers: the larger, the easier to hold something.
        side: Whether the named side is the true one: 1 or 0; NaN where none is named.

    Example:
        >>> RegionAgreement(1.0, 1.0, 0.1, 1.0).first
        1.0
    """

    first: float
    named: float
    area_frac: float
    side: float


def region_agreement(grounding: Grounding, places: Sequence[Point]) -> RegionAgreement:
    """Hold the regions of a grounding against true places.

    Regions that rest on the prior are equally good on both sides; then `first` is the mean over them, so that
    no side is won by chance. A place right of the image's middle is on the patient's left.

    Args:
        grounding: What `gaze_insight.chest.grounding.ground` found.
        places: Centres of the finding's boxes, or the peak of the gaze; at least one.

    Returns:
        The agreement; `first`, `named` and `area_frac` are NaN where the grounding names no region.

    Raises:
        DataError: There is no place.

    Example:
        >>> from gaze_insight.chest.grounding import ground
        >>> region_agreement(ground("Pleural Effusion", None), [(0.85, 0.8)]).first
        0.5
    """
    if not places:
        raise DataError("expected at least one place, found none")
    side = _side(grounding, places)
    if not grounding.regions:
        return RegionAgreement(math.nan, math.nan, math.nan, side)
    best = _best(grounding)
    return RegionAgreement(
        sum(_holds(one, places) for one in best) / len(best),
        max(_holds(one, places) for one in grounding.regions),
        sum((one.box[2] - one.box[0]) * (one.box[3] - one.box[1]) for one in best) / len(best),
        side,
    )


def _best(grounding: Grounding) -> list[RegionScore]:
    if grounding.provenance != "prior":
        return [grounding.regions[0]]
    return [one for one in grounding.scores if one.score >= grounding.scores[0].score - _SAME]


def _holds(region: RegionScore, places: Sequence[Point]) -> float:
    x0, y0, x1, y1 = region.box
    return float(any(x0 <= x <= x1 and y0 <= y <= y1 for x, y in places))


def _side(grounding: Grounding, places: Sequence[Point]) -> float:
    sides = {"left" if x > 0.5 else "right" for x, _ in places}
    if grounding.side is None:
        return math.nan
    true = sides.pop() if len(sides) == 1 else "bilateral"
    return float(grounding.side == true)
