"""Checking the words against the picture: what of a description the pseudo-mask and the gaze bear out."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gaze_insight.language.schema import LOCATIONS, Description
from gaze_insight.language.word_evidence import CheckedField, CheckSettings, WordEvidence, gather_evidence
from gaze_insight.types import ByteArray, FloatArray

if TYPE_CHECKING:
    from gaze_insight.gaze.fixations import Fixations

__all__ = ["WordCheck", "check_against", "check_description", "word_weight"]

_SMALLEST_FRAC = 1e-4
_OPPOSITE = {"clear", "ambiguous"}


@dataclass(frozen=True)
class WordCheck:
    """How far a description is borne out; agreements lie in [0, 1] and are None where nothing can tell.

    Args:
        location_agreement: Of the named cell with the cells of the label and of the gaze.
        area_agreement: Of the area with the label's.
        boundary_agreement: Of the boundary with the measured one.
        gaze_share: Share of the looking time on the named cell; None without gaze or without a cell.
        hallucination: 0 where nothing speaks against the words, towards 1 where they contradict the picture.
            An index, not a probability.
        reasons: A sentence for each field that is wrong, or why nothing could be checked.
        wrong: The fields that are wrong, the heaviest first.
        checked: Whether there was anything to hold the words against; without, the score is 0.
    """

    location_agreement: float | None
    area_agreement: float | None
    boundary_agreement: float | None
    gaze_share: float | None
    hallucination: float
    reasons: tuple[str, ...] = ()
    wrong: tuple[CheckedField, ...] = ()
    checked: bool = True

    def agreement(self, field: CheckedField) -> float | None:
        """Give the agreement of a field.

        Args:
            field: Its name in a description.

        Returns:
            In [0, 1]; None where nothing can tell.

        Example:
            >>> WordCheck(0.9, 0.4, None, None, 0.5).agreement("area_percentage")
            0.4
        """
        found = {
            "location": self.location_agreement,
            "area_percentage": self.area_agreement,
            "boundary": self.boundary_agreement,
        }
        return found[field]


def check_description(
    description: Description,
    soft: FloatArray,
    fixations: Fixations | None = None,
    image: ByteArray | None = None,
    settings: CheckSettings | None = None,
) -> WordCheck:
    """Hold a description against a pseudo-mask, the gaze and the image; see `check_against` for the formula.

    Args:
        description: The words.
        soft: ``(h, w)`` probability of the lesion in [0, 1], made from gaze.
        fixations: Where the reader looked; None if not known.
        image: ``(H, W, 3)`` uint8 RGB; None leaves the boundary unchecked.
        settings: Tolerances and weights; None for the defaults.

    Returns:
        The check. An empty label without gaze bears out nothing and contradicts nothing: score 0,
        ``checked`` False.

    Raises:
        DataError: The arrays have another shape or type, or ``soft`` leaves [0, 1].

    Example:
        >>> soft = np.zeros((30, 30))
        >>> soft[:10, :10] = 0.9
        >>> seen = Description.nothing_seen("x").model_copy(update={"area_percentage": 11.0})
        >>> right, wrong = (seen.model_copy(update={"location": at}) for at in ("upper left", "lower right"))
        >>> [round(check_description(words, soft).hallucination, 2) for words in (right, wrong)]
        [0.0, 0.9]
        >>> check_description(wrong, soft).wrong
        ('location',)
    """
    settings = settings or CheckSettings()
    return check_against(description, gather_evidence(soft, fixations, image, settings), settings)


def check_against(
    description: Description, evidence: WordEvidence, settings: CheckSettings | None = None
) -> WordCheck:
    r"""Hold a description against evidence that was gathered before.

    Location: with $m_k$ the share of a mass in cell $k$ and
    $K(c, k) = \kappa(|\Delta row|)\,\kappa(|\Delta column|)$, $\kappa = (1, q, 0)$ for a distance of 0, 1, 2
    cells and $q$ the ``neighbour_credit``, a named cell $c$ agrees by
    $s(c) = \sum_k K(c, k) m_k / \max_j \sum_k K(j, k) m_k$; once for the label's mass and once for the
    gaze's. The greater counts: a place that either bears out is no hallucination, for a label may be wrong.

    Area: with $d$ the distance of $\ln a$ from the interval $[\ln(a_{sure} / t), \ln(a_{likely}\,t)]$, where
    $t$ is ``area_tolerance``, the agreement is $\exp(-(d / \ln f)^2 / 2)$, $f$ the ``area_factor``.

    Boundary: 1 where the thresholds or near ones name it; 0 for clear against ambiguous, which exclude one
    another; 1/2 for irregular against either, since an irregular outline may be sharp or not.

    Score: $h = 1 - \prod_f (1 - w_f (1 - s_f))$ over the fields that can be checked (noisy or: contradictions
    add up, and none alone exceeds its weight $w_f$). For words that see nothing, $h$ is how sure the label
    is of a lesion (``presence``): the hallucination of an absence.

    Args:
        description: The words.
        evidence: What label, gaze and image say, gathered with the same settings.
        settings: Tolerances and weights; None for the defaults.

    Returns:
        The check.

    Example:
        >>> evidence = WordEvidence(label_cells=(1.0, *[0.0] * 8), area_frac=0.1, presence=0.8)
        >>> check_against(Description.nothing_seen("x"), evidence).hallucination
        0.8
    """
    settings = settings or CheckSettings()
    if not evidence.checkable:
        reason = "nothing to check against: no gaze on the image and an empty label"
        return WordCheck(None, None, None, None, 0.0, (reason,), checked=False)
    if not description.visible:
        return _absence(evidence, settings)
    cell = LOCATIONS.index(description.location)
    agreements: dict[CheckedField, float | None] = {
        "location": _location(cell, evidence, settings),
        "area_percentage": _area(description.area_percentage / 100, evidence, settings),
        "boundary": _boundary(description.boundary, evidence),
    }
    weights = settings.weights
    believed = math.prod(
        1 - weights[name] * (1 - value) for name, value in agreements.items() if value is not None
    )
    wrong = tuple(
        name for name, value in agreements.items() if value is not None and value < settings.wrong_below
    )
    return WordCheck(
        agreements["location"],
        agreements["area_percentage"],
        agreements["boundary"],
        None if evidence.gaze_cells is None else evidence.gaze_cells[cell],
        min(max(1 - believed, 0.0), 1.0),
        tuple(_reason(name, description, cell, evidence) for name in wrong),
        wrong,
    )


def word_weight(check: WordCheck, settings: CheckSettings | None = None) -> float:
    """Say how much a case's words may count in training: ``max(floor, 1 - hallucination)``.

    Args:
        check: The check of its words; those that could not be checked keep the weight 1.
        settings: Has the floor; None for the defaults.

    Returns:
        The weight, in [floor, 1].

    Example:
        >>> word_weight(WordCheck(0.1, 1.0, None, 0.0, 0.75), CheckSettings(floor=0.3))
        0.3
    """
    settings = settings or CheckSettings()
    return max(settings.floor, 1.0 - check.hallucination)


def _absence(evidence: WordEvidence, settings: CheckSettings) -> WordCheck:
    missed = evidence.presence
    wrong: tuple[CheckedField, ...] = ("location",) if 1 - missed < settings.wrong_below else ()
    reasons: tuple[str, ...] = ()
    if wrong:
        reasons = (f"location: the words see nothing; the gaze points at a lesion, {evidence.place}",)
    return WordCheck(1 - missed, None, None, None, missed, reasons, wrong)


def _location(cell: int, evidence: WordEvidence, settings: CheckSettings) -> float | None:
    known = [cells for cells in (evidence.label_cells, evidence.gaze_cells) if cells is not None]
    return max((_cell_agreement(cell, cells, settings.neighbour_credit) for cells in known), default=None)


def _cell_agreement(cell: int, cells: tuple[float, ...], neighbour_credit: float) -> float:
    along = np.eye(3) + neighbour_credit * (np.eye(3, k=1) + np.eye(3, k=-1))
    near = along @ np.asarray(cells).reshape(3, 3) @ along
    return float(min(near.flat[cell] / near.max(), 1.0))


def _area(area_frac: float, evidence: WordEvidence, settings: CheckSettings) -> float | None:
    if evidence.label_cells is None:
        return None
    said = math.log(max(area_frac, _SMALLEST_FRAC))
    low, high = (
        math.log(max(value, _SMALLEST_FRAC))
        for value in (
            evidence.sure_area_frac / settings.area_tolerance,
            evidence.likely_area_frac * settings.area_tolerance,
        )
    )
    beyond = max(low - said, said - high, 0.0)
    return math.exp(-0.5 * (beyond / math.log(settings.area_factor)) ** 2)


def _boundary(said: str, evidence: WordEvidence) -> float | None:
    if evidence.boundary is None:
        return None
    if said in evidence.boundaries:
        return 1.0
    return 0.0 if {said, evidence.boundary} == _OPPOSITE else 0.5


def _percent(value: float) -> str:
    return f"{100 * value:.0f} %" if value >= 0.095 or value < 0.0005 else f"{100 * value:.1f} %"


def _reason(name: CheckedField, said: Description, cell: int, evidence: WordEvidence) -> str:
    if name == "boundary":
        return f"boundary: the words say {said.boundary}, the image shows {evidence.boundary}"
    if name == "area_percentage":
        low, high = _percent(evidence.sure_area_frac), _percent(evidence.likely_area_frac)
        return f"area: the words say {said.area_percentage:g} %, the label covers {low} to {high}"
    parts = []
    for cells, what in ((evidence.label_cells, "of the label"), (evidence.gaze_cells, "of the looking time")):
        if cells is not None:
            place = LOCATIONS[int(np.argmax(cells))]
            parts.append(f"{_percent(cells[cell])} {what} (most, {_percent(max(cells))}: {place})")
    return f"location: the words say {said.location}; there lie {' and '.join(parts)}"
