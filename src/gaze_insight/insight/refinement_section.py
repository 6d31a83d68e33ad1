"""The part of a report that shows what refinement by rounds did to the labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gaze_insight.gaze.fixations import Fixations
from gaze_insight.insight.panels import Tile
from gaze_insight.insight.pictures import agreement_tile, data_uri, gaze_tile, probability_tile
from gaze_insight.types import ByteArray, FloatArray

__all__ = ["RefinedPicture", "RefinementSection", "refinement_tiles", "refinement_values"]

_COLOURS = (
    ("prediction", "called lesion; under 'What changed': added"),
    ("both", "as before"),
    ("truth", "taken away"),
    ("first", "first look"),
    ("last", "last look"),
)


@dataclass(frozen=True, eq=False)
class RefinedPicture:
    """A training case before and after refinement.

    Args:
        id: The case.
        rank: Why it is shown, in a word or two.
        image: RGB, (H, W, 3) uint8.
        fixations: Where the annotator looked, or None.
        before: The vote, (h, w) in [0, 1].
        network: What the network said that did not learn from the label, (h, w) in [0, 1].
        after: The refined soft mask, (h, w) in [0, 1].
        level: Foreground from here up.
        dice: Dice of the label before and after.
        trust: Mean trust before and after.
    """

    id: str
    rank: str
    image: ByteArray
    fixations: Fixations | None
    before: FloatArray
    network: FloatArray
    after: FloatArray
    level: float
    dice: float
    trust: tuple[float, float]


@dataclass(frozen=True)
class RefinementSection:
    """What the report says of the rounds.

    Args:
        rounds: A row a round, as in ``plan.json``.
        folds: How many parts the training cases were cut in.
        pictures: A few cases.
        missing: Cases that could not be shown, for their labels are no longer in the cache.
    """

    rounds: Sequence[Mapping[str, Any]]
    folds: int
    pictures: Sequence[RefinedPicture] = ()
    missing: int = 0


def refinement_tiles(case: RefinedPicture) -> list[Tile]:
    """Show gaze and the label before, what the network said, the label after, and what changed.

    Args:
        case: The case.

    Returns:
        Four tiles.

    Example:
        >>> flat = np.zeros((4, 4), np.float32)
        >>> image = np.zeros((4, 4, 3), np.uint8)
        >>> case = RefinedPicture("a", "typical", image, None, flat, flat, flat, 0.5, 1.0, (0.0, 0.0))
        >>> [tile.title for tile in refinement_tiles(case)]
        ['Label from gaze', 'Network', 'Refined label', 'What changed']
    """
    gaze, level = case.fixations or Fixations.empty(), case.level
    before, after = case.before >= level, case.after >= level

    def soft(values: FloatArray, threshold: float, image: ByteArray = case.image) -> str:
        return data_uri(probability_tile(image, values, threshold=threshold))

    share = 100 * float(np.mean(before != after))
    return [
        Tile(
            "Label from gaze",
            f"{len(gaze)} fixations",
            f"{case.id}: label from gaze, over {len(gaze)} fixations drawn as circles",
            soft(case.before, level, gaze_tile(case.image, gaze)),
        ),
        Tile(
            "Network",
            "Trained on other cases",
            f"{case.id}: prediction of a network that never saw the case",
            soft(case.network, 0.5),
        ),
        Tile("Refined label", "Both joined", f"{case.id}: refined label", soft(case.after, level)),
        Tile(
            "What changed",
            f"{share:.1f} % of the pixels",
            f"{case.id}: where the label changed, {share:.1f} percent of the pixels",
            data_uri(agreement_tile(case.image, after, before)),
        ),
    ]


def refinement_values(section: RefinementSection | None) -> dict[str, Any] | None:
    """Turn the section into what its template shows.

    Args:
        section: The section; None for a run without rounds.

    Returns:
        The template's values, or None.

    Example:
        >>> refinement_values(None) is None
        True
    """
    if section is None:
        return None
    return {
        "rounds": section.rounds,
        "folds": section.folds,
        "missing": section.missing,
        "colours": _COLOURS,
        "cases": [
            {
                "id": case.id,
                "rank": case.rank,
                "line": f"Dice of the label before and after {case.dice:.2f}, "
                f"mean trust {case.trust[0]:.2f} and {case.trust[1]:.2f}",
                "tiles": refinement_tiles(case),
            }
            for case in section.pictures
        ],
    }
