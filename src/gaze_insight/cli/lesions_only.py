"""Which verbs are for one lesion an image, and what they say of chest radiographs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gaze_insight.errors import SettingsError

if TYPE_CHECKING:
    from gaze_insight.cohort.cohort import Cohort

__all__ = ["open_for_lesions", "refuse_radiographs"]


def open_for_lesions(folder: Path, verb: str) -> Cohort:
    """Open a cohort for a command that takes gaze for the outline of one lesion.

    Args:
        folder: The cohort's folder.
        verb: The command, for the message.

    Returns:
        The cohort.

    Raises:
        DataError: There is no cohort.
        SettingsError: It holds chest radiographs.
    """
    from gaze_insight.cohort.cohort import Cohort

    cohort = Cohort.open(folder)
    refuse_radiographs(
        cohort,
        f"'{verb}' takes gaze for the outline of one lesion; the readers of a radiograph look everywhere",
        f"nothing of it is needed: gaze-insight train {folder}",
    )
    return cohort


def refuse_radiographs(cohort: Cohort, why: str, remedy: str) -> None:
    """Refuse a cohort of chest radiographs.

    Args:
        cohort: The cohort.
        why: Why they cannot be used.
        remedy: What to do instead.

    Raises:
        SettingsError: The cohort holds chest radiographs.

    Example:
        >>> from gaze_insight.cohort.cohort import Cohort
        >>> refuse_radiographs(Cohort("empty", Path("empty"), {}), "no", "none")
    """
    count = sum(case.chest is not None for case in cohort.cases.values())
    if count:
        raise SettingsError(f"{count} cases of {cohort.name!r} are chest radiographs: {why}", remedy=remedy)
