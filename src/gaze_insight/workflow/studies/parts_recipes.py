"""What `study parts` compares: the settings, the parts beside the vote, and published recipes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from gaze_insight.pseudomask.look_again import LookAgainSettings
from gaze_insight.pseudomask.parts import PARTS, PartSettings, part_names
from gaze_insight.pseudomask.recipe import PseudoMaskSettings
from gaze_insight.workflow.studies.parts_scoring import reference_levels
from gaze_insight.workflow.studies.scoring import StudySettings

__all__ = ["PartsSettings", "Role", "other_parts", "reference_recipes", "roles_of"]

Role = Literal["voter", "alone", "vote", "reference"]
"""A part of the vote, another part, the vote itself, or a published recipe."""


class PartsSettings(StudySettings):
    """What is compared.

    Example:
        >>> PartsSettings().area_edges_frac
        (0.06, 0.2)
    """

    area_edges_frac: tuple[float, ...] = Field(
        (0.06, 0.2), description="borders of the size strata: share of the image that the true mask covers"
    )
    grey: bool = Field(False, description="take the colour out of the images first")
    reference: Literal["gazemedseg_kvasir", "gazemedseg_prostate", "none"] = Field(
        "gazemedseg_kvasir", description="published recipe to compare with, at both of its levels"
    )
    left_out: float = Field(0.2, gt=0, lt=1, description="share of cases left out by the quality score")
    look_again: LookAgainSettings = Field(LookAgainSettings(), description="what another look costs")


def other_parts(labels: PseudoMaskSettings) -> dict[str, PartSettings]:
    """Return the registered parts that a vote does not have, with their defaults.

    Args:
        labels: The recipe of the vote.

    Returns:
        Name to settings.

    Example:
        >>> list(other_parts(PseudoMaskSettings()))
        ['heat', 'prior', 'crf']
    """
    voting = {part.kind for part in labels.parts}
    return {name: PARTS[name].settings_type(kind=name) for name in PARTS if name not in voting}


def reference_recipes(settings: PartsSettings) -> dict[str, PseudoMaskSettings]:
    """Return the published recipes to compare with.

    Args:
        settings: Says which.

    Returns:
        Name to recipe, perhaps none.

    Example:
        >>> list(reference_recipes(PartsSettings()))
        ['gazemedseg']
    """
    known = {
        "gazemedseg_kvasir": PseudoMaskSettings.gazemedseg_kvasir,
        "gazemedseg_prostate": PseudoMaskSettings.gazemedseg_prostate,
    }
    return {} if settings.reference == "none" else {"gazemedseg": known[settings.reference]()}


def roles_of(
    labels: PseudoMaskSettings,
    alone: Mapping[str, PartSettings],
    references: Mapping[str, PseudoMaskSettings],
) -> dict[str, Role]:
    """Name every way to label, in the order in which they are shown.

    Args:
        labels: The recipe of the vote.
        alone: From `other_parts`.
        references: From `reference_recipes`.

    Returns:
        Name to role: parts of the vote and other parts in the registry's order, the vote, the references.

    Example:
        >>> roles_of(PseudoMaskSettings(), {}, reference_recipes(PartsSettings()))["gazemedseg_0.3"]
        'reference'
    """
    voters = part_names(labels.parts)
    order = [name for kind in PARTS for name in (*(v for v in voters if _kind(v) == kind), kind)]
    order = [name for name in dict.fromkeys([*order, *voters]) if name in voters or name in alone]
    roles: dict[str, Role] = {name: "voter" if name in voters else "alone" for name in order}
    roles["vote"] = "vote"
    for name, recipe in references.items():
        roles |= {f"{name}_{level:g}": "reference" for level in reference_levels(recipe)}
    return roles


def _kind(name: str) -> str:
    stem, _, number = name.rpartition("_")
    return stem if number.isdigit() else name
