"""Which cases are worth another look of an expert, by what it is expected to bring for each second."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import Field

from gaze_insight.gaze.annotation_time import PAPER_SECONDS
from gaze_insight.pseudomask.expected_dice import ExpectedDice
from gaze_insight.types import Settings

__all__ = ["LabelledCase", "LookAgain", "LookAgainSettings", "look_again_list"]


class LookAgainSettings(Settings):
    """What another look costs and brings.

    Example:
        >>> round(LookAgainSettings().drawing_s, 1)
        74.8
    """

    drawing_s: float = Field(
        PAPER_SECONDS["mask"],
        gt=0,
        description="seconds to draw a mask; the paper's 18.7 h for 900 images, not measured here",
    )
    drawn_dice: float = Field(1.0, gt=0, le=1, description="Dice of a drawn mask")
    similar: int = Field(
        50, ge=1, description="cases of similar size that say what a new reading brings and takes"
    )


@dataclass(frozen=True)
class LabelledCase:
    """What is known of a case's label.

    Attributes:
        id: The case.
        expected: Its expected Dice.
        log_hull: ln of the radius of its fixations' hull.
        seconds: What its reading took.
    """

    id: str
    expected: ExpectedDice
    log_hull: float
    seconds: float


@dataclass(frozen=True)
class LookAgain:
    """A case, what to do with it, and what that is expected to bring.

    Attributes:
        id: The case.
        action: ``look``: record a new reading; ``draw``: draw the mask.
        expected: Expected Dice now.
        gain: Expected rise of its Dice, above 0.
        seconds: Expected cost in an expert's seconds.
    """

    id: str
    action: Literal["look", "draw"]
    expected: ExpectedDice
    gain: float
    seconds: float

    @property
    def gain_per_s(self) -> float:
        """Expected rise of Dice for each second."""
        return self.gain / self.seconds


def look_again_list(
    cases: Sequence[LabelledCase], settings: LookAgainSettings | None = None
) -> list[LookAgain]:
    """Order cases by the expected gain of a second look, per second.

    A new reading is expected to bring a case to the mean expected Dice of the cases whose fixations cover an
    area of similar size, in the median time of their readings; a drawn mask to ``drawn_dice`` in
    ``drawing_s``. Each case is listed with the action that brings more for a second.

    Args:
        cases: All labelled cases.
        settings: Costs; None for the defaults.

    Returns:
        Cases with a positive gain, the best first; empty for no cases.

    Example:
        >>> poor, good = ExpectedDice(0.5, 0.3, 0.7), ExpectedDice(0.9, 0.8, 0.95)
        >>> listed = look_again_list([LabelledCase("a", poor, -2, 8), LabelledCase("b", good, -2, 8)])
        >>> [(row.id, row.action, round(row.gain, 2)) for row in listed]
        [('a', 'look', 0.2), ('b', 'draw', 0.1)]
    """
    settings = settings or LookAgainSettings()
    if not cases:
        return []
    size = np.array([case.log_hull for case in cases])
    dice = np.array([case.expected.mean for case in cases])
    seconds = np.array([case.seconds for case in cases])
    listed = []
    for index, case in enumerate(cases):
        near = np.argsort(np.abs(size - size[index]), kind="stable")[: settings.similar]
        looks: Mapping[Literal["look", "draw"], tuple[float, float]] = {
            "look": (float(dice[near].mean()) - dice[index], max(float(np.median(seconds[near])), 1e-3)),
            "draw": (settings.drawn_dice - dice[index], settings.drawing_s),
        }
        action = max(looks, key=lambda one: looks[one][0] / looks[one][1])
        gain, cost = looks[action]
        if gain > 0:
            listed.append(LookAgain(case.id, action, case.expected, float(gain), cost))
    return sorted(listed, key=lambda row: (-row.gain_per_s, row.id))
