"""How good the labels of a cohort can be expected to be, and which cases are worth another look."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from gaze_insight.cohort.case import Case
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.pseudomask.expected_dice import Calibration, ExpectedDice, expected_dice
from gaze_insight.pseudomask.look_again import LabelledCase, LookAgain, LookAgainSettings, look_again_list
from gaze_insight.pseudomask.recipe import PseudoMaskSettings
from gaze_insight.types import Progress, silent
from gaze_insight.workflow.labelling import load_pseudo_mask

__all__ = ["LabelQuality", "ScoredLabel", "has_one_opinion", "score_labels"]

_MS_PER_S = 1000.0


@dataclass(frozen=True)
class ScoredLabel:
    """What is known of one label without a true mask.

    Attributes:
        id: The case.
        expected: Its expected Dice; None where the recipe has fewer than two different parts.
        features: What it was told from.
        seconds: What its reading took, from the first fixation's start to the last one's end.
        area_frac: Share of the image that the label calls lesion.
        trusted_share: Share of pixels that the sparse mask labels.
    """

    id: str
    expected: ExpectedDice | None
    features: Mapping[str, float]
    seconds: float
    area_frac: float
    trusted_share: float


@dataclass(frozen=True)
class LabelQuality:
    """The labels of a cohort.

    Attributes:
        labels: One row a case with gaze, in the cohort's order.
        look_again: Cases worth another look, the best first.
    """

    labels: list[ScoredLabel] = field(default_factory=list)
    look_again: list[LookAgain] = field(default_factory=list)

    @property
    def expected_mean(self) -> float | None:
        """Mean expected Dice over the cases; None where none has one."""
        known = [row.expected.mean for row in self.labels if row.expected is not None]
        return float(np.mean(known)) if known else None


def has_one_opinion(settings: PseudoMaskSettings) -> bool:
    """Tell whether all parts of a recipe are the same, so that their agreement says nothing.

    Args:
        settings: The recipe.

    Returns:
        Whether it has fewer than two parts that differ in more than their weight.

    Example:
        >>> grabcut = {"kind": "grabcut"}
        >>> has_one_opinion(PseudoMaskSettings.model_validate({"parts": [grabcut, {**grabcut, "weight": 2}]}))
        True
    """
    return len({part.model_dump_json(exclude={"weight"}) for part in settings.parts}) < 2


def score_labels(
    cohort: Cohort,
    settings: PseudoMaskSettings | None = None,
    *,
    cases: Iterable[Case] | None = None,
    calibration: Calibration | None = None,
    look_again: LookAgainSettings | None = None,
    progress: Progress = silent,
) -> LabelQuality:
    """Score the labels of a cohort, and list what is worth another look.

    Args:
        cohort: The cohort.
        settings: The recipe of the labels; missing ones are made.
        cases: The cases; None for all. Those without gaze are left out.
        calibration: How features become an expected Dice; None for the shipped one.
        look_again: What another look costs.
        progress: Receives progress in cases.

    Returns:
        The scores and the list.

    Raises:
        DataError: An image cannot be read.
    """
    settings = settings or PseudoMaskSettings()
    chosen = list(cohort.cases.values() if cases is None else cases)
    labels, silent_parts = [], has_one_opinion(settings)
    for done, case in enumerate(chosen, start=1):
        mask = load_pseudo_mask(cohort, case, settings)
        if mask is not None:
            fixations = Fixations.empty() if case.fixations is None else case.fixations
            labels.append(
                ScoredLabel(
                    id=case.id,
                    expected=None if silent_parts else expected_dice(mask.features, calibration),
                    features=mask.features,
                    seconds=fixations.span_ms / _MS_PER_S,
                    area_frac=float(mask.comprehensive.mean()),
                    trusted_share=mask.sparse_share,
                )
            )
        progress("scoring labels", done, len(chosen))
    known = [
        LabelledCase(row.id, row.expected, row.features["log_hull"], row.seconds)
        for row in labels
        if row.expected is not None
    ]
    return LabelQuality(labels, look_again_list(known, look_again))
