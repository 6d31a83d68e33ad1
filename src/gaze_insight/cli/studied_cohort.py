"""Which cohort and which split a study of a run looks at."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from gaze_insight.types import Split

__all__ = ["SplitOrAll", "Studied", "choose_studied"]

SplitOrAll = Literal["train", "val", "test", "all"]


class Studied(NamedTuple):
    """A cohort's folder and a split of it.

    Attributes:
        folder: The cohort's folder.
        split: The split; None for all cases.
        own: Whether it is the cohort that the run learned from.
    """

    folder: Path
    split: Split | None
    own: bool


def choose_studied(
    run: Path, cohort: Path | None, split: SplitOrAll | None, default: Split = "test"
) -> Studied:
    """Choose the run's own cohort and a default split of it, or all of another cohort, unless told otherwise.

    Args:
        run: The run's folder.
        cohort: Another cohort; None for the run's own.
        split: Which cases; None for the default.
        default: The split of the run's own cohort that is taken by default.

    Returns:
        The choice.

    Raises:
        DataError: The folder holds no run.
    """
    from gaze_insight.config.run_folder import RunFolder

    place = Path(RunFolder(run).plan()["cohort_folder"])
    own = cohort is None or cohort.resolve() == place
    which = split or (default if own else "all")
    return Studied(place if cohort is None else cohort, None if which == "all" else which, own)
