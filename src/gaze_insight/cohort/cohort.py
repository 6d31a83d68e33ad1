"""The one carrier of cases: opened from a folder, saved to it, and split."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, get_args

from gaze_insight.cohort.artefacts import ArtefactStore
from gaze_insight.cohort.case import Case
from gaze_insight.cohort.import_report import ImportReport
from gaze_insight.cohort.manifest import MANIFEST, read_manifest, write_manifest
from gaze_insight.errors import DataError, SettingsError
from gaze_insight.language.schema import Description
from gaze_insight.types import Split

__all__ = ["Cohort"]


@dataclass(frozen=True, eq=False)
class Cohort:
    """A named set of cases with its splits, the account of its import, and a store for what is derived.

    On disk a cohort is a folder: ``cohort.yaml`` (facts, splits, report), ``cases.jsonl`` (one case a line,
    fixations included) and ``derived/``. Images and masks are referenced, not copied.

    Args:
        name: The cohort's name.
        folder: Where it lives on disk, or will.
        cases: Case by id, in a fixed order.
        splits: Ids of each split; no id stands in two.
        report: What the import found.
        source: How the files were read: data set, table, columns, frame, options; plain values.
        root: Folder that image paths are stored relative to; None keeps them absolute.

    Raises:
        DataError: A split names an unknown id, or an id stands in two splits.

    Example:
        >>> case = Case(id="a", image_path=Path("a.png"))
        >>> cohort = Cohort("two", Path("two"), {"a": case}, {"train": ("a",)})
        >>> [one.id for one in cohort.subset("train")], cohort.subset("test")
        (['a'], [])
    """

    name: str
    folder: Path
    cases: Mapping[str, Case]
    splits: Mapping[Split, tuple[str, ...]] = field(default_factory=dict)
    report: ImportReport = field(default_factory=ImportReport)
    source: Mapping[str, Any] = field(default_factory=dict)
    root: Path | None = None

    def __post_init__(self) -> None:
        seen: dict[str, str] = {}
        for split, ids in self.splits.items():
            if split not in get_args(Split):
                raise DataError(f"unknown split {split!r}; known: {', '.join(get_args(Split))}")
            for one in ids:
                if one not in self.cases:
                    raise DataError(f"split {split!r} of cohort {self.name!r} names the unknown case {one!r}")
                if one in seen:
                    raise DataError(
                        f"case {one!r} of cohort {self.name!r} stands in {seen[one]!r} and in {split!r}",
                        remedy="a case may stand in one split only, once",
                    )
                seen[one] = split

    def __len__(self) -> int:
        return len(self.cases)

    @classmethod
    def open(cls, folder: str | Path) -> Cohort:
        """Open a cohort from disk, with its descriptions where there are any.

        Args:
            folder: The cohort's folder, or its ``cohort.yaml``.

        Returns:
            The cohort; no pixel has been read.

        Raises:
            DataError: There is no cohort, or its files are damaged; the message names file and line.

        Example:
            >>> Cohort.open("nowhere")
            Traceback (most recent call last):
            ...
            gaze_insight.errors.DataError: nowhere/cohort.yaml: there is no cohort here
              -> make one with 'gaze-insight import', or check the path
        """
        parts = read_manifest(Path(folder))
        try:
            return cls(**parts)
        except DataError as error:
            manifest = parts["folder"] / MANIFEST
            raise DataError(error.message, path=manifest, remedy=error.remedy) from error

    def save(self) -> None:
        """Write ``cohort.yaml`` and ``cases.jsonl``; each file is either the old one or the whole new one.

        Descriptions are written to ``derived/descriptions.jsonl`` where any case has one.

        Raises:
            DataError: The folder cannot be written to.

        Example:
            >>> import tempfile
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     Cohort("empty", Path(folder), {}).save()
            ...     len(Cohort.open(folder))
            0
        """
        write_manifest(self)

    @cached_property
    def derived(self) -> ArtefactStore:
        """The store of heat maps, pseudo-masks and whatever else is made from this cohort."""
        return ArtefactStore(self.folder / "derived")

    def subset(self, split: Split) -> list[Case]:
        """List the cases of a split, in the split's order.

        Args:
            split: ``train``, ``val`` or ``test``.

        Returns:
            The cases; an empty list where the cohort has no such split.

        Raises:
            SettingsError: There is no split of that name.

        Example:
            >>> Cohort("empty", Path("empty"), {}).subset("val")
            []
        """
        if split not in get_args(Split):
            raise SettingsError(f"unknown split {split!r}; known: {', '.join(get_args(Split))}")
        return [self.cases[one] for one in self.splits.get(split, ())]

    def with_splits(self, splits: Mapping[Split, tuple[str, ...]]) -> Cohort:
        """Return the same cohort with other splits.

        Args:
            splits: Ids of each split.

        Returns:
            A new cohort; this one is unchanged and nothing is saved.

        Raises:
            DataError: An id is unknown or stands in two splits.

        Example:
            >>> Cohort("empty", Path("empty"), {}).with_splits({"train": ("b",)})
            Traceback (most recent call last):
            ...
            gaze_insight.errors.DataError: split 'train' of cohort 'empty' names the unknown case 'b'
        """
        return replace(self, splits={split: tuple(ids) for split, ids in splits.items()})

    def with_descriptions(self, descriptions: Mapping[str, Description]) -> Cohort:
        """Return the same cohort with words for some of its cases; the others keep what they had.

        Args:
            descriptions: Description by case id; may be empty.

        Returns:
            A new cohort; this one is unchanged and nothing is saved.

        Raises:
            DataError: An id is unknown; the message counts them.

        Example:
            >>> len(Cohort("empty", Path("empty"), {}).with_descriptions({}))
            0
        """
        unknown = [one for one in descriptions if one not in self.cases]
        if unknown:
            raise DataError(
                f"{len(unknown)} described ids are not in cohort {self.name!r}, the first is {unknown[0]!r}",
                remedy="ids are the image files' names without their ending",
            )
        cases = {
            one: replace(case, description=descriptions[one]) if one in descriptions else case
            for one, case in self.cases.items()
        }
        return replace(self, cases=cases)
