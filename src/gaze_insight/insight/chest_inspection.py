"""What the page of `inspect` says of chest radiographs besides their gaze."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gaze_insight.gaze.readers.left_out import count_words

__all__ = ["ChestInspection", "ChestSplitRow", "FindingRow", "LabelTable", "ReadingRow"]


@dataclass(frozen=True)
class ReadingRow:
    """The readings of one source.

    Args:
        source: ``reflacx``, ``egd``, ``simulated`` or the like.
        readings: How many.
        images: Images with at least one.
        readers: Readers that are known by name; 0 where none is.
        most: Largest number of readings of one image.
        looked: Readings with fixations.
        fixations: Fixations on the images.
        hours: Dwell time on the images in hours.
        dwell_off_image: Mean share of a reading's recorded dwell time that is not valid or not on the image
            (1 - trust), over readings with fixations; None where there is none.
        low_trust: Readings with fixations of which less than half of the dwell time is on the image.
        dropped: What of the recordings was not used, by reason.
        spoken: Readings with a transcript.
        timed: Readings whose words have times.

    Example:
        >>> ReadingRow("egd", 3, 3, 0, 1, 3, 90, 0.01, 0.1, 0).dropped
        {}
    """

    source: str
    readings: int
    images: int
    readers: int
    most: int
    looked: int
    fixations: int
    hours: float
    dwell_off_image: float | None
    low_trust: int
    dropped: Mapping[str, int] = field(default_factory=dict)
    spoken: int = 0
    timed: int = 0

    @property
    def not_used(self) -> list[str]:
        """What was dropped, in words."""
        return [count_words(reason, count) for reason, count in self.dropped.items() if count]


@dataclass(frozen=True)
class ChestSplitRow:
    """What the images of one split have.

    Args:
        name: The split, or ``no split``.
        patients: Patients, as far as they are known.
        cases: Images.
        has: What an image may have, to how many have it.

    Example:
        >>> ChestSplitRow("train", 2, 3, {"gaze": 3}).has["gaze"]
        3
    """

    name: str
    patients: int
    cases: int
    has: Mapping[str, int]


@dataclass(frozen=True)
class FindingRow:
    """One finding in a table of labels.

    Args:
        finding: Its name.
        states: How it stands before any policy, to the number of images.
        policies: Policy (``U-Ones``, ``U-Zeros``, ``U-Ignore``) to positive, negative and unknown images.

    Example:
        >>> FindingRow("Edema", {"positive": 2}, {"U-Ones": (2, 0, 0)}).states["positive"]
        2
    """

    finding: str
    states: Mapping[str, int]
    policies: Mapping[str, tuple[int, int, int]]


@dataclass(frozen=True)
class LabelTable:
    """The labels of one source.

    Args:
        source: ``auto``, or a source by name.
        labelled: Where the labels come from, to the number of images; ``none`` for those without.
        rows: One a finding.

    Example:
        >>> LabelTable("nih", {"nih": 3}, ()).labelled
        {'nih': 3}
    """

    source: str
    labelled: Mapping[str, int]
    rows: Sequence[FindingRow]


@dataclass(frozen=True)
class ChestInspection:
    """What is known of a cohort of chest radiographs.

    Args:
        cases: Images in all.
        labelled: Images with labels of any source.
        with_gaze: Images with at least one look.
        readings: One row a source.
        splits: One row a split.
        labels: One table a source, ``auto`` first.

    Example:
        >>> ChestInspection(2, 1, 0).labels
        ()
    """

    cases: int
    labelled: int
    with_gaze: int
    readings: Sequence[ReadingRow] = ()
    splits: Sequence[ChestSplitRow] = ()
    labels: Sequence[LabelTable] = ()
