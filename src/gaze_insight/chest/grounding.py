"""From a finding and an attention map to regions: what is usual, what the map adds, and what decided."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from gaze_insight.chest.priors import FindingPrior, prior_of
from gaze_insight.chest.region_scores import (
    Confidence,
    GroundingSettings,
    RegionScore,
    focus_of,
    score_regions,
)
from gaze_insight.chest.regions import RegionSet, Side
from gaze_insight.cohort.chest_facts import ChestBox
from gaze_insight.errors import DataError
from gaze_insight.types import FloatArray

__all__ = [
    "Grounding",
    "NamedSide",
    "Provenance",
    "confidence_weight",
    "ground",
]

Provenance = Literal["prior", "attention", "box"]
"""What a region rests on: what is usual, the attention map, or a given box of the finding."""

NamedSide = Literal["left", "right", "bilateral"]


@dataclass(frozen=True)
class Grounding:
    """Where a finding is said to be, and why.

    Args:
        finding: The finding.
        provenance: What the named regions rest on; None where there is nothing to name.
        regions: The named regions, best first.
        side: The side to name; None where nothing shows one.
        scores: All regions with a score above 0, best first.
        usual: The region that the prior alone would name first, without side; empty for an unknown finding.
        focus: How far the map is from even: 1 minus its entropy over the largest one; None without a map.
        why: The rule that decided, in words.

    Example:
        >>> ground("Pneumothorax", None).provenance
        'prior'
    """

    finding: str
    provenance: Provenance | None
    regions: tuple[RegionScore, ...]
    side: NamedSide | None
    scores: tuple[RegionScore, ...] = ()
    usual: str = ""
    focus: float | None = None
    why: str = ""

    def to_json(self) -> dict[str, Any]:
        """Give plain values.

        Example:
            >>> ground("Pneumothorax", None).to_json()["side"] is None
            True
        """
        return {
            "provenance": self.provenance,
            "regions": [one.to_json() for one in self.regions],
            "side": self.side,
            "usual_region": self.usual,
            "focus": None if self.focus is None else round(self.focus, 4),
            "why": self.why,
        }


def confidence_weight(probability: float, threshold: float, how: Confidence = "probability") -> float:
    r"""Compute the weight of a keyword: $p$, or $\frac{p - \theta}{1 - \theta}$ (0 below the threshold).

    Args:
        probability: $p$ in [0, 1].
        threshold: $\theta$ in [0, 1].
        how: Which of the two.

    Returns:
        In [0, 1].

    Raises:
        DataError: A number is not in [0, 1].

    Example:
        >>> confidence_weight(0.75, 0.5), confidence_weight(0.75, 0.5, "above_threshold")
        (0.75, 0.5)
    """
    if not (0 <= probability <= 1 and 0 <= threshold <= 1):
        raise DataError(
            f"expected a probability and a threshold in [0, 1], found {probability} and {threshold}"
        )
    if how == "probability":
        return float(probability)
    room = 1.0 - threshold
    return max(0.0, float(probability - threshold) / room) if room > 0 else float(probability >= threshold)


def ground(
    finding: str,
    attention: FloatArray | None,
    *,
    boxes: Sequence[ChestBox] = (),
    prior: FindingPrior | None = None,
    settings: GroundingSettings | None = None,
) -> Grounding:
    r"""Score the regions for a finding and say what the named ones rest on.

    With the map $P$ (sum 1) and region $r$ of area share $a_r$: mass $m_r = \sum_{ij \in r} P_{ij}$, lift
    $l_r = m_r / a_r$, and $s(r|c) \propto \mathrm{prior}_c(r)\,(1 + \beta\,l_r)$ (or $m_r$ in place of $l_r$;
    `GroundingSettings.mass`). An even map has $l_r = 1$ everywhere and leaves the prior as it is. The form is
    our reading of "confidence-weighted keywords mapped to regions"; the paper's own is not public.

    What decides, in this order:

    - ``box``: boxes of the finding are given. Regions are ranked by prior times the share of the boxes within
      them, and the prior is left out if it knows none of the regions there.
    - ``attention``: the map is not even (`least_focus`) and, among the best `top_regions` by score, at least
      one has a lift of `least_lift` or more. Only such regions are named, and of a region and its part the
      part if it is the brighter.
    - ``prior``: else. No side is named, since nothing shows one.

    A side is left or right where this side's best region holds more than 0.5 + `side_margin` of the lift of
    both sides' best regions, and bilateral where neither does and both are seen by the map (or lie under the
    boxes); otherwise none, as where a region of the midline holds more. Findings of the midline never get
    one.

    Args:
        finding: Its canonical name.
        attention: Shape (h, w), >= 0, over the whole image, of any sum; None without a map.
        boxes: Given with the image: those of regions replace the usual ones, those of this finding decide.
        prior: What is usual; None for the package's entry.
        settings: How scores are made.

    Returns:
        The grounding.

    Raises:
        DataError: The map is not two-dimensional, is empty, or has a negative, infinite or NaN value.

    Example:
        >>> import numpy as np
        >>> spot = np.zeros((10, 10)); spot[7, 8] = 1.0
        >>> found = ground("Pleural Effusion", spot)
        >>> found.regions[0].name, found.side, found.provenance
        ('left costophrenic angle', 'left', 'attention')
        >>> ground("Pleural Effusion", np.ones((10, 10))).provenance
        'prior'
    """
    chosen = settings or GroundingSettings()
    usual = prior or prior_of(finding)
    known = RegionSet(chosen.regions)
    focus = None if attention is None else focus_of(attention)
    scores = score_regions(usual, attention, boxes, finding, chosen)
    typical = _typical(usual)
    if any(one.coverage for one in scores):
        return _by_box(finding, usual, known, scores, chosen, typical, focus)
    return _by_map(finding, usual, known, scores, chosen, typical, focus)


def _typical(usual: FindingPrior) -> str:
    if not usual.known or not usual.regions:
        return ""
    return max(usual.regions, key=lambda base: usual.regions[base])


def _by_box(
    finding: str,
    usual: FindingPrior,
    known: RegionSet,
    scores: Sequence[RegionScore],
    settings: GroundingSettings,
    typical: str,
    focus: float | None,
) -> Grounding:
    inside = [one for one in scores if one.coverage]
    expected = [one for one in inside if one.prior > 0]
    best = sorted(expected or inside, key=lambda one: -(one.coverage or 0.0) * (one.prior or 1.0))
    side = _side(usual, known, {one.name: one.coverage or 0.0 for one in best}, 0.0, settings)
    named = _of_side(best, known, side)
    named = tuple(one for one in named if not _has_part(one, named, known, _half_as_covered))
    named = named[: settings.top_regions]
    why = "a box of the finding is given there"
    if not expected:
        why += ", though it is not usual there"
    return Grounding(finding, "box", named, side, _positive(scores), typical, focus, why)


def _by_map(
    finding: str,
    usual: FindingPrior,
    known: RegionSet,
    scores: Sequence[RegionScore],
    settings: GroundingSettings,
    typical: str,
    focus: float | None,
) -> Grounding:
    likely = _positive(scores)
    top = likely[: max(settings.top_regions, 1)]
    if focus is None or focus < settings.least_focus:
        why = "there is no attention map" if focus is None else "the attention map is nearly even"
    elif not any(one.lift >= settings.least_lift for one in top):
        why = "attention does not stand out in the usual regions"
    else:
        seen = {one.name: one.lift for one in likely}
        side = _side(usual, known, seen, settings.least_lift, settings)
        lit = [one for one in likely if one.lift >= settings.least_lift]
        named = _of_side(lit, known, side)
        named = tuple(one for one in named if not _has_part(one, named, known, _brighter))
        named = named[: settings.top_regions]
        why = "attention stands out there"
        return Grounding(finding, "attention", named, side, likely, typical, focus, why)
    if not usual.known:
        return Grounding(finding, None, (), None, likely, typical, focus, why)
    return Grounding(
        finding, "prior", _most_usual(likely, known, typical, settings), None, likely, typical, focus, why
    )


def _most_usual(
    scores: Sequence[RegionScore], known: RegionSet, typical: str, settings: GroundingSettings
) -> tuple[RegionScore, ...]:
    """The regions of the highest prior: a map that shows no place does not choose among them."""
    usual = sorted(scores, key=lambda one: (-one.prior, known[one.name].base != typical))
    return tuple(usual[: settings.top_regions])


def _positive(scores: Sequence[RegionScore]) -> tuple[RegionScore, ...]:
    return tuple(one for one in scores if one.score > 0)


def _side(
    usual: FindingPrior,
    known: RegionSet,
    evidence: Mapping[str, float],
    least: float,
    settings: GroundingSettings,
) -> NamedSide | None:
    """The side that the evidence shows, by the best region of each."""
    if usual.laterality == "midline":
        return None
    best: dict[Side, float] = {"left": 0.0, "right": 0.0, "midline": 0.0}
    for name, value in evidence.items():
        side = known[name].side
        best[side] = max(best[side], value)
    left, right = best["left"], best["right"]
    if left + right <= 0 or max(left, right) < max(least, best["midline"]):
        return None
    share = left / (left + right)
    if share > 0.5 + settings.side_margin:
        return "left"
    if share < 0.5 - settings.side_margin:
        return "right"
    return "bilateral" if min(left, right) >= least else None


def _has_part(
    whole: RegionScore,
    regions: Sequence[RegionScore],
    known: RegionSet,
    better: Callable[[RegionScore, RegionScore], bool],
) -> bool:
    """Whether a region within this one says more precisely where."""
    parts = known[whole.name].parts
    return any(one.name in parts and better(one, whole) for one in regions)


def _brighter(part: RegionScore, whole: RegionScore) -> bool:
    return part.lift > whole.lift


def _half_as_covered(part: RegionScore, whole: RegionScore) -> bool:
    return (part.coverage or 0.0) >= 0.5 * (whole.coverage or 0.0)


def _of_side(
    regions: Sequence[RegionScore], known: RegionSet, side: NamedSide | None
) -> tuple[RegionScore, ...]:
    """Leave out the regions of the side that is not meant; for both sides, begin with the best of each."""
    if side == "bilateral":
        firsts = [next((r for r in regions if known[r.name].side == one), None) for one in ("left", "right")]
        pair = sorted((r for r in firsts if r is not None), key=regions.index)
        return (*pair, *(r for r in regions if r not in pair))
    if side is None:
        return tuple(regions)
    kept = tuple(one for one in regions if known[one.name].side in (side, "midline"))
    return kept or tuple(regions)
