"""Pictures and chart of words that were checked: what they say drawn beside the label and the gaze."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import matplotlib as mpl
import numpy as np
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from gaze_insight.gaze.fixations import Fixations
from gaze_insight.insight.chart_style import SERIES, STYLE, as_svg, blank_figure
from gaze_insight.insight.panels import Tile
from gaze_insight.insight.pictures import COLOURS, data_uri, gaze_tile, outline_tile, probability_tile
from gaze_insight.language.schema import LOCATIONS, Description
from gaze_insight.types import BoolArray, ByteArray, FloatArray

__all__ = ["CHECK_COLOURS", "CheckedPicture", "check_tiles", "said_tile", "score_chart"]

CHECK_COLOURS = (
    ("lesion", "what the words say: the named cell, and a disc of the named area"),
    ("prediction", "the label made from gaze"),
    ("truth", "the expert's outline, where known"),
    ("first", "first look"),
    ("last", "last look"),
)
"""Colour to meaning, for the legend."""

_LINE: tuple[int, int, int] = (235, 235, 235)
_DARK: tuple[int, int, int] = (10, 12, 16)


@dataclass(frozen=True, eq=False)
class CheckedPicture:
    """A case with its words and what they are held against.

    Args:
        id: The case.
        image: RGB, (H, W, 3) uint8.
        description: The words.
        soft: Probability of the lesion, (h, w) in [0, 1].
        fixations: Where the reader looked, or None.
        truth: True mask, (H, W) bool, where known.
        level: The label is foreground from here up.
    """

    id: str
    image: ByteArray
    description: Description
    soft: FloatArray
    fixations: Fixations | None = None
    truth: BoolArray | None = None
    level: float = 0.5


def said_tile(tile: ByteArray, description: Description) -> ByteArray:
    """Draw what words say onto a picture: a 3 x 3 grid, the named cell, and a disc of the named area.

    The disc has the area that the words give, as a share of the picture, and stands at the middle of the
    cell; what of it would lie off the picture is cut off. Words that see nothing draw the grid alone.

    Args:
        tile: RGB, (H, W, 3) uint8; it is not changed.
        description: The words.

    Returns:
        RGB picture, uint8, of the same size.

    Example:
        >>> seen = Description.nothing_seen("x").model_copy(update={"location": "upper left"})
        >>> drawn = said_tile(np.zeros((90, 90, 3), np.uint8), seen)
        >>> bool(drawn[0:5, 0:30].max() > drawn[40:50, 40:50].max())
        True
    """
    height, width = tile.shape[:2]
    grid = tile.copy()
    for third in (1, 2):
        cv2.line(grid, (third * width // 3, 0), (third * width // 3, height), _LINE, 1, cv2.LINE_AA)
        cv2.line(grid, (0, third * height // 3), (width, third * height // 3), _LINE, 1, cv2.LINE_AA)
    drawn: ByteArray = cv2.addWeighted(grid, 0.45, tile, 0.55, 0)
    if not description.visible:
        return drawn
    row, column = divmod(LOCATIONS.index(description.location), 3)
    first = (column * width // 3 + 2, row * height // 3 + 2)
    last = ((column + 1) * width // 3 - 3, (row + 1) * height // 3 - 3)
    centre = (round((column + 0.5) * width / 3), round((row + 0.5) * height / 3))
    radius = max(round(math.sqrt(description.area_percentage / 100 * height * width / math.pi)), 2)
    for colour, thickness in ((_DARK, 5), (COLOURS["lesion"], 2)):
        cv2.rectangle(drawn, first, last, colour, thickness, cv2.LINE_AA)
        cv2.circle(drawn, centre, radius, colour, thickness, cv2.LINE_AA)
    return drawn


def check_tiles(case: CheckedPicture) -> list[Tile]:
    """Show the image, the gaze on it, and the words beside the label.

    Args:
        case: The case.

    Returns:
        Three tiles.

    Example:
        >>> words, flat = Description.nothing_seen("x"), np.zeros((4, 4), np.float32)
        >>> case = CheckedPicture("a", np.zeros((4, 4, 3), np.uint8), words, flat)
        >>> [tile.title for tile in check_tiles(case)]
        ['Image', 'Where the clinician looked', 'The words beside the label']
    """
    gaze = case.fixations or Fixations.empty()
    looked = f"{len(gaze)} fixations, {gaze.span_ms / 1000:.1f} s"
    said = case.description
    words = (
        f"{said.location}, about {said.area_percentage:.0f} % of the image" if said.visible else "not visible"
    )
    binary = (np.asarray(case.soft) >= case.level).astype(np.float32)
    covered = f"the label covers {100 * float(binary.mean()):.0f} %"
    beside = said_tile(probability_tile(case.image, binary), said)
    return [
        Tile(
            "Image",
            "With the expert's outline" if case.truth is not None else "As recorded",
            f"{case.id}: the image",
            data_uri(outline_tile(case.image, case.truth)),
        ),
        Tile(
            "Where the clinician looked",
            looked,
            f"{case.id}: {looked}",
            data_uri(gaze_tile(case.image, gaze)),
        ),
        Tile(
            "The words beside the label",
            f"Said: {words}; {covered}",
            f"{case.id}: the words say {words}; {covered}",
            data_uri(beside),
        ),
    ]


def score_chart(own: ArrayLike, of_another: ArrayLike = (), *, name: str = "hallucination") -> str:
    """Draw how many cases have which score, and which score the words of another case would have.

    Args:
        own: Scores of the cases' own words, (N,) in [0, 1].
        of_another: Scores of the words of other cases; empty leaves them out.
        name: Prefix of the ids inside the SVG, unique on its page.

    Returns:
        Inline SVG; an empty string for no case.

    Example:
        >>> score_chart([])
        ''
    """
    values, others = np.asarray(own, dtype=np.float64), np.asarray(of_another, dtype=np.float64)
    if not len(values):
        return ""
    edges = np.linspace(0, 1, 26).tolist()
    with mpl.rc_context(STYLE):
        figure, (axis,) = blank_figure(7.4, 2.8)
        axis.hist(values, bins=edges, color=SERIES[0], alpha=0.85, rwidth=0.92, label="its own words")
        if len(others):
            axis.hist(
                others,
                bins=edges,
                histtype="step",
                color=SERIES[1],
                linewidth=2,
                label="words of another case (control)",
            )
            axis.legend(loc="upper center")
        axis.set(xlabel="hallucination score", ylabel="cases", xlim=(0, 1))
        axis.yaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axis.grid(visible=False, axis="x")
        return as_svg(figure, name, "Number of cases by hallucination score of their words")
