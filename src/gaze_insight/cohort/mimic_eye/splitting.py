"""Splits of radiographs: the published one where there is one, and never a patient on two sides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gaze_insight.cohort.case import Case
from gaze_insight.cohort.datasets.published_splits import describe_splits
from gaze_insight.cohort.mimic_eye.account import Account
from gaze_insight.cohort.splits import SplitSettings, make_splits, split_from_files
from gaze_insight.errors import DataError
from gaze_insight.types import Split

__all__ = ["ChosenSplits", "split_radiographs"]

_NAMES: dict[str, Split] = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validate": "val",
    "validation": "val",
    "test": "test",
}


@dataclass(frozen=True)
class ChosenSplits:
    """The splits, and where they come from.

    Args:
        splits: Ids of each split.
        facts: Where they come from, as plain values.
        unknown_ids: Ids of split files that are not among the cases.
        unsplit: Cases without a split.

    Example:
        >>> ChosenSplits({}, {}).unsplit
        ()
    """

    splits: Mapping[Split, tuple[str, ...]]
    facts: str | dict[str, Any]
    unknown_ids: tuple[str, ...] = ()
    unsplit: tuple[str, ...] = ()


def split_radiographs(
    cases: Mapping[str, Case],
    published: Mapping[str, str | None],
    how: Path | SplitSettings | None,
    account: Account,
) -> ChosenSplits:
    """Split by patient.

    Radiographs of different people look alike in small: `SplitSettings.near_duplicate_ncc` would join most
    of them, so it counts only where it is set explicitly.

    Args:
        cases: The cases.
        published: The published split of each case, where there is one.
        how: Folder of split files, or settings, or None: the published split if there is one, unless it has
            a patient on two sides (that is noted); else splits are made.
        account: Told of problems.

    Returns:
        The splits.

    Raises:
        DataError: A published split or a split file is bad, or a split stays empty.

    Example:
        >>> case = Case("a", Path("a.jpg"), patient="9")
        >>> split_radiographs({"a": case}, {"a": "validate"}, None, Account()).splits["val"]
        ('a',)
    """
    if isinstance(how, Path):
        stated = split_from_files(how, cases)
        account.problems += _torn(cases, stated.splits)
        return ChosenSplits(stated.splits, describe_splits(how), stated.unknown_ids, stated.unsplit)
    if how is None and any(published.values()):
        chosen = _published(published)
        torn = _torn(cases, chosen)
        if not torn:
            placed = {one for ids in chosen.values() for one in ids}
            unsplit = tuple(one for one in cases if one not in placed)
            return ChosenSplits(chosen, {"published": True}, (), unsplit)
        account.note(f"the published split is not used: {torn[0]}")
    settings = SplitSettings() if how is None else how
    if "near_duplicate_ncc" not in settings.model_fields_set:
        settings = settings.model_copy(update={"near_duplicate_ncc": None})
    return ChosenSplits(make_splits(cases, settings), describe_splits(settings))


def _published(published: Mapping[str, str | None]) -> dict[Split, tuple[str, ...]]:
    chosen: dict[Split, list[str]] = {"train": [], "val": [], "test": []}
    for one, name in published.items():
        if not name:
            continue
        if name.lower() not in _NAMES:
            raise DataError(
                f"expected the split of {one} to be train, validate or test, found {name!r}",
                remedy="make splits of your own (--splits)",
            )
        chosen[_NAMES[name.lower()]].append(one)
    return {name: tuple(ids) for name, ids in chosen.items()}


def _torn(cases: Mapping[str, Case], splits: Mapping[Split, tuple[str, ...]]) -> list[str]:
    """A sentence where patients stand in two splits."""
    where: dict[str, set[str]] = {}
    for split, ids in splits.items():
        for one in ids:
            patient = cases[one].patient
            if patient is not None:
                where.setdefault(patient, set()).add(split)
    torn = sorted(patient for patient, found in where.items() if len(found) > 1)
    if not torn:
        return []
    return [f"{len(torn)} patients stand in two splits, the first is {torn[0]}"]
