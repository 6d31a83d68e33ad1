"""What is known of a chest radiograph besides its pixels: labels, boxes, readings, words, report."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

from gaze_insight.errors import DataError
from gaze_insight.gaze.fixations import Fixations

__all__ = ["BoxKind", "ChestBox", "ChestFacts", "ChestReading", "SpokenWord"]

BoxKind = Literal["region", "finding"]
"""What a box encloses: a part of the anatomy, or what is abnormal."""

_LARGEST_CERTAINTY = 5


@dataclass(frozen=True)
class ChestBox:
    """A box around a region of the anatomy or around a finding, in fractions of the image's sides.

    Args:
        name: Region or finding, in the words of its source.
        kind: What it encloses.
        x0: Left edge, as a fraction of the image's width from the left.
        y0: Upper edge, as a fraction of the image's height from the top.
        x1: Right edge, at least `x0`.
        y1: Lower edge, at least `y0`.
        shape: The whole box, or the ellipse inscribed in it (as REFLACX marks findings).
        certainty: The reader's certainty, 1 (unlikely) to 5 (consistent with), where one was given.
        reading: Id of the reading it was drawn in; None where it belongs to the image.

    Raises:
        DataError: An edge is not finite, the edges are in the wrong order, or the certainty is not in 1..5.

    Example:
        >>> ChestBox("left lung", "region", 0.5, 0.1, 0.9, 0.8).area_frac
        0.28
    """

    name: str
    kind: BoxKind
    x0: float
    y0: float
    x1: float
    y1: float
    shape: Literal["box", "ellipse"] = "box"
    certainty: int | None = None
    reading: str | None = None

    def __post_init__(self) -> None:
        if self.kind not in get_args(BoxKind):
            raise DataError(f"unknown kind of box {self.kind!r}; known: {', '.join(get_args(BoxKind))}")
        edges = (self.x0, self.y0, self.x1, self.y1)
        if not all(map(math.isfinite, edges)) or self.x1 < self.x0 or self.y1 < self.y0:
            raise DataError(f"expected finite x0 <= x1 and y0 <= y1 for the box {self.name!r}, found {edges}")
        if self.certainty is not None and not 1 <= self.certainty <= _LARGEST_CERTAINTY:
            raise DataError(f"expected a certainty from 1 to 5 for {self.name!r}, found {self.certainty}")

    @property
    def area_frac(self) -> float:
        """Share of the image that the box covers, ellipses counted as their boxes."""
        return round((self.x1 - self.x0) * (self.y1 - self.y0), 12)


@dataclass(frozen=True)
class SpokenWord:
    """A word of a dictated report with its time on the clock of the reading's fixations.

    Args:
        text: The word, or a sign of punctuation.
        start_ms: When it begins; may be slightly negative.
        end_ms: When it ends.

    Example:
        >>> SpokenWord("effusion", 1200.0, 1650.0).text
        'effusion'
    """

    text: str
    start_ms: float
    end_ms: float


@dataclass(frozen=True, eq=False)
class ChestReading:
    """One reader's look at one radiograph, with what was said meanwhile.

    Args:
        id: Name of the reading, unique in its image.
        source: The data set it comes from: ``reflacx``, ``egd``, ``simulated`` or the like.
        reader: Who looked, where known.
        fixations: The fixations on the image, in the frame ``image_unit``; those off the image are counted in
            `dropped` instead. None where the recording was discarded or never made.
        certainties: Finding, in the words of its source, to the certainty 0 (absent) to 5 (consistent with);
            None: the reader was not offered this finding, which is not the same as absent.
        transcript: What was dictated; None where nothing is known of it.
        words: The same word by word with times; empty where unknown.
        degree_frac: One degree of visual angle as a fraction of the image's width and height, where known.
        trust: Share of the recorded dwell time that is valid and on the image, in [0, 1].
        dropped: What of the recording was not used, by reason, such as ``{"off the image": 12}``.

    Raises:
        DataError: The trust is not in [0, 1], a certainty not in 0..5, or the fixations are in another frame.

    Example:
        >>> reading = ChestReading("P300R000001", "reflacx", certainties={"Edema": 4, "Hernia": None})
        >>> reading.fixations is None, reading.certainties["Hernia"] is None
        (True, True)
    """

    id: str
    source: str
    reader: str | None = None
    fixations: Fixations | None = None
    certainties: Mapping[str, int | None] = field(default_factory=dict)
    transcript: str | None = None
    words: tuple[SpokenWord, ...] = ()
    degree_frac: tuple[float, float] | None = None
    trust: float = 1.0
    dropped: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0 <= self.trust <= 1:
            raise DataError(f"the trust of reading {self.id!r} must be in [0, 1], found {self.trust}")
        for name, value in self.certainties.items():
            if value is not None and not 0 <= value <= _LARGEST_CERTAINTY:
                raise DataError(f"expected a certainty from 0 to 5 for {name!r}, found {value}")
        if self.fixations is not None and self.fixations.frame != "image_unit":
            raise DataError(f"expected fixations in the frame image_unit, found {self.fixations.frame}")


@dataclass(frozen=True, eq=False)
class ChestFacts:
    """All that is known of one frontal radiograph besides its pixels; every part may be missing.

    Values are kept as published. What counts as positive is decided later, by a label policy.

    Args:
        labels: Source (``chexpert``, ``negbio``, ``egd``, ``nih``, ``mesh``) to finding, in its words, to
            1 (positive), 0 (negative), -1 (uncertain) or None (not mentioned).
        boxes: Boxes of regions and findings.
        readings: One a reader, in the order of their ids.
        report: The text of the radiology report.
        study: The study that the image belongs to.
        view: The view position, such as ``PA`` or ``AP``.

    Raises:
        DataError: A label is none of 1, 0, -1 and None, or two readings share an id.

    Example:
        >>> facts = ChestFacts(labels={"chexpert": {"Edema": -1, "Fracture": None}})
        >>> facts.first_look() is None, facts.labels["chexpert"]["Edema"]
        (True, -1)
    """

    labels: Mapping[str, Mapping[str, int | None]] = field(default_factory=dict)
    boxes: tuple[ChestBox, ...] = ()
    readings: tuple[ChestReading, ...] = ()
    report: str | None = None
    study: str | None = None
    view: str | None = None

    def __post_init__(self) -> None:
        for source, values in self.labels.items():
            for name, value in values.items():
                if value not in (1, 0, -1, None):
                    raise DataError(f"expected 1, 0, -1 or none for {name!r} of {source}, found {value!r}")
        ids = [reading.id for reading in self.readings]
        if len(set(ids)) < len(ids):
            raise DataError(f"two readings of one image share an id: {', '.join(sorted(ids))}")

    def looks(self) -> tuple[ChestReading, ...]:
        """List the readings in which something of the image was looked at.

        Returns:
            Readings with at least one fixation; empty where nobody looked.

        Example:
            >>> ChestFacts().looks()
            ()
        """
        return tuple(one for one in self.readings if one.fixations is not None and len(one.fixations))

    def first_look(self) -> Fixations | None:
        """Give the fixations of the first reading that has any; None where nobody looked.

        Example:
            >>> ChestFacts().first_look() is None
            True
        """
        return next((one.fixations for one in self.looks()), None)

    def with_readings(self, readings: tuple[ChestReading, ...]) -> ChestFacts:
        """Give the same facts with other readings.

        Args:
            readings: The readings.

        Returns:
            New facts; these are unchanged.

        Example:
            >>> len(ChestFacts().with_readings((ChestReading("a", "egd"),)).readings)
            1
        """
        return replace(self, readings=readings)
