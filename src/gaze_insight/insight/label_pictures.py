"""Pictures of one case's labels: each part, the vote, what is trusted, and the gaze that it came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gaze_insight.gaze.fixations import Fixations
from gaze_insight.insight.panels import Tile
from gaze_insight.insight.pictures import (
    data_uri,
    gaze_tile,
    heat_tile,
    labels_tile,
    outline_tile,
    probability_tile,
)
from gaze_insight.types import IGNORE, BoolArray, ByteArray, FloatArray

__all__ = ["LABEL_COLOURS", "LabelledPicture", "part_tiles", "part_title", "thumbnail_tiles"]

LABEL_COLOURS = (
    ("prediction", "called lesion"),
    ("truth", "the expert's outline, where known"),
    ("lesion", "surely lesion"),
    ("background", "surely background"),
    ("first", "first look"),
    ("last", "last look"),
)
"""Colour to meaning, for the legend."""

_TITLES = {
    "heat": "Heat map",
    "prior": "Gaze prior",
    "crf": "Dense CRF",
    "appearance": "Appearance",
    "grabcut": "GrabCut",
    "random_walk": "Random walk",
    "vote": "The vote",
}
_THUMBNAIL_PX = 200


@dataclass(frozen=True, eq=False)
class LabelledPicture:
    """A case with its labels.

    Args:
        id: The case.
        image: RGB, (H, W, 3) uint8.
        fixations: Where the annotator looked, or None.
        soft: The vote, (h, w) in [0, 1].
        sparse: (h, w) uint8 in {0, 1, 255}.
        trust: (h, w) in [0, 1].
        parts: Name to soft mask of each part, (h, w).
        truth: True mask, (H, W) bool, where known.
        level: Foreground of the vote and its parts from here up.
        values: Name of a part (or "vote") to a number to write beside it, such as its Dice.
    """

    id: str
    image: ByteArray
    fixations: Fixations | None
    soft: FloatArray
    sparse: ByteArray
    trust: FloatArray
    parts: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    truth: BoolArray | None = None
    level: float = 0.5
    values: Mapping[str, float] = field(default_factory=dict)


def part_title(name: str) -> str:
    """Name a part in plain words.

    Args:
        name: As the pseudo-mask names it.

    Returns:
        Words; a name that is not known with its underscores as spaces.

    Example:
        >>> part_title("random_walk"), part_title("grabcut_2"), part_title("my_part")
        ('Random walk', 'GrabCut 2', 'My part')
    """
    stem, _, number = name.rpartition("_")
    if number.isdigit() and stem in _TITLES:
        return f"{_TITLES[stem]} {number}"
    return _TITLES.get(name, name.replace("_", " ").capitalize())


def part_tiles(case: LabelledPicture) -> list[Tile]:
    """Show image and gaze, each part, the vote, what is trusted, and where the parts doubt.

    Args:
        case: The case.

    Returns:
        Five tiles and one for each part.

    Example:
        >>> flat = np.zeros((4, 4), np.float32)
        >>> case = LabelledPicture("a", np.zeros((4, 4, 3), np.uint8), None, flat, flat.astype("u1"), flat)
        >>> [tile.title for tile in part_tiles(case)]
        ['Image', 'Where the clinician looked', 'The vote', 'Trusted pixels', 'Doubt']
    """
    seen = "With the expert's outline" if case.truth is not None else "As recorded"
    gaze = case.fixations or Fixations.empty()
    looked = f"{len(gaze)} fixations, {gaze.span_ms / 1000:.1f} s"
    tiles = [
        Tile("Image", seen, f"{case.id}: the image", data_uri(outline_tile(case.image, case.truth))),
        Tile(
            "Where the clinician looked",
            looked,
            f"{case.id}: {looked}",
            data_uri(gaze_tile(case.image, gaze)),
        ),
    ]
    for name, soft in (*case.parts.items(), ("vote", case.soft)):
        title, value = part_title(name), case.values.get(name)
        text = "" if value is None else f"Dice {value:.2f}"
        if name == "vote" and value is None:
            text = f"Lesion: {100 * float((case.soft >= case.level).mean()):.1f} % of the image"
        picture = probability_tile(case.image, np.asarray(soft), case.truth, threshold=case.level)
        tiles.append(Tile(title, text, f"{case.id}: mask by {title.lower()}", data_uri(picture)))
    return [*tiles, _trusted(case), _doubt(case)]


def thumbnail_tiles(case: LabelledPicture) -> list[Tile]:
    """Show, small, the vote's outline, what is trusted, and the fixations.

    Args:
        case: The case.

    Returns:
        Three tiles.

    Example:
        >>> flat = np.zeros((4, 4), np.float32)
        >>> case = LabelledPicture("a", np.zeros((4, 4, 3), np.uint8), None, flat, flat.astype("u1"), flat)
        >>> [tile.title for tile in thumbnail_tiles(case)]
        ['Vote', 'Trusted', 'Gaze']
    """
    binary = (np.asarray(case.soft) >= case.level).astype(np.float32)
    pictures: Sequence[tuple[str, str, ByteArray]] = (
        ("Vote", "outline of the vote", probability_tile(case.image, binary, long_side_px=_THUMBNAIL_PX)),
        ("Trusted", "sure lesion and background", labels_tile(case.image, case.sparse, _THUMBNAIL_PX)),
        ("Gaze", "fixations", gaze_tile(case.image, case.fixations or Fixations.empty(), _THUMBNAIL_PX)),
    )
    return [Tile(title, "", f"{case.id}: {alt}", data_uri(tile)) for title, alt, tile in pictures]


def _trusted(case: LabelledPicture) -> Tile:
    known = 100 * float((case.sparse != IGNORE).mean())
    return Tile(
        "Trusted pixels",
        f"{known:.0f} % labelled, the rest left open",
        f"{case.id}: sure lesion and background pixels, {known:.0f} percent",
        data_uri(labels_tile(case.image, case.sparse)),
    )


def _doubt(case: LabelledPicture) -> Tile:
    return Tile(
        "Doubt",
        "1 − trust; bright: the parts or the gaze disagree",
        f"{case.id}: where trust is low",
        data_uri(heat_tile(case.image, 1 - np.asarray(case.trust, dtype=np.float32))),
    )
