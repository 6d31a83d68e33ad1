"""Where the pseudo-masks that a training learns from come from: the gaze vote, or refined labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from gaze_insight.cohort.case import Case
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.errors import DataError
from gaze_insight.pseudomask.levels import PseudoMask
from gaze_insight.pseudomask.recipe import PseudoMaskSettings
from gaze_insight.pseudomask.stored import from_arrays
from gaze_insight.workflow.labelling import load_pseudo_mask, pseudo_mask_key

__all__ = ["REFINED_KIND", "LabelSource", "RefinedLabels", "VotedLabels"]

REFINED_KIND = "refined"
"""Kind of the refined pseudo-masks in a cohort's cache."""


class LabelSource(Protocol):
    """Gives the pseudo-mask of a case, and the key of what it is made of."""

    def key(self, case: Case) -> str:
        """Name the content of a case's pseudo-mask.

        Args:
            case: The case.

        Returns:
            A key that changes with everything the pseudo-mask depends on.
        """
        ...

    def load(self, case: Case) -> PseudoMask | None:
        """Read a case's pseudo-mask.

        Args:
            case: The case.

        Returns:
            The pseudo-mask; None for a case without gaze.
        """
        ...


@dataclass(frozen=True)
class VotedLabels:
    """The labels as gaze gives them.

    Args:
        cohort: The cohort.
        settings: The recipe.

    Example:
        >>> from pathlib import Path
        >>> nobody = Case(id="a", image_path=Path("a.png"))
        >>> VotedLabels(Cohort("one", Path("one"), {"a": nobody}), PseudoMaskSettings()).load(nobody) is None
        True
    """

    cohort: Cohort
    settings: PseudoMaskSettings

    def key(self, case: Case) -> str:
        """Name the content by image, fixations and recipe."""
        return pseudo_mask_key(self.cohort.derived, case, self.settings)

    def load(self, case: Case) -> PseudoMask | None:
        """Read the pseudo-mask from the cohort's cache, or make it."""
        return load_pseudo_mask(self.cohort, case, self.settings)


@dataclass(frozen=True)
class RefinedLabels:
    """The labels of some cases as a round of refinement left them; those of the others as gaze gives them.

    Args:
        voted: The labels before.
        keys: Case id to the key of its refined pseudo-mask in the cohort's cache.

    Example:
        >>> from pathlib import Path
        >>> case = Case(id="a", image_path=Path("a.png"))
        >>> voted = VotedLabels(Cohort("one", Path("one"), {"a": case}), PseudoMaskSettings())
        >>> RefinedLabels(voted, {"a": "0f3c"}).key(case)
        '0f3c'
    """

    voted: VotedLabels
    keys: Mapping[str, str]

    def key(self, case: Case) -> str:
        """Name the content; see `LabelSource.key`."""
        return self.keys[case.id] if case.id in self.keys else self.voted.key(case)

    def load(self, case: Case) -> PseudoMask | None:
        """Read the refined pseudo-mask.

        Raises:
            DataError: It is no longer in the cohort's cache.
        """
        if case.id not in self.keys:
            return self.voted.load(case)
        stored = self.voted.cohort.derived.get_arrays(REFINED_KIND, self.keys[case.id])
        if stored is None:
            raise DataError(
                f"the refined label of case {case.id!r} is not in the cache",
                path=self.voted.cohort.derived.path(REFINED_KIND, self.keys[case.id], ".npz"),
                remedy="go on with the run by train --resume; it makes the label again",
            )
        return from_arrays(stored)
