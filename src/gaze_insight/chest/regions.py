"""Regions of a frontal chest radiograph: names, aliases, sides, and where they usually lie."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cache
from importlib import resources
from typing import Any, Literal, get_args

import numpy as np
import yaml
from numpy.typing import NDArray

from gaze_insight.cohort.chest_facts import ChestBox
from gaze_insight.errors import DataError, SettingsError
from gaze_insight.types import Size

__all__ = [
    "BoxFrac",
    "Region",
    "RegionSet",
    "RegionSetName",
    "Side",
    "all_regions",
    "box_mask",
    "find_region",
    "given_region_boxes",
]

BoxFrac = tuple[float, float, float, float]
"""x0, y0, x1, y1 as fractions of the image's width and height."""

Side = Literal["left", "right", "midline"]
"""The patient's side; the patient's left lies in the right half of a frontal image."""

RegionSetName = Literal["egd17", "imagenome29"]

_NOT_A_WORD = re.compile(r"[^a-z0-9]+")
_FILLERS = frozenset({"the", "of", "a"})
_SIDE_WORDS = {"left": "left", "right": "right", "lt": "left", "rt": "right", "l": "left", "r": "right"}
_ALIKE = 0.88
_SHORTEST = 6
_FINE = 8


@dataclass(frozen=True)
class Region:
    """One region.

    Args:
        name: Its name, such as ``left lower lung zone``.
        base: The name without the side; equals `name` for midline regions.
        side: The patient's side.
        box: Where it usually lies on an upright frontal view: our own estimate, replaced by given boxes.
        sets: The sets that it belongs to.
        aliases: Other names, in plain lower case, sides included.
        parts: Names of the regions within it.
        spoken: The base as a sentence says it.
        plural: What both sides together are called in a sentence.
        at: The preposition in a sentence: in, at or over.

    Example:
        >>> region = find_region("LLL")
        >>> region.name, region.side, region.box[0] > 0.5
        ('left lower lung zone', 'left', True)
    """

    name: str
    base: str
    side: Side
    box: BoxFrac
    sets: tuple[RegionSetName, ...]
    aliases: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    spoken: str = ""
    plural: str = ""
    at: str = "in"


class RegionSet:
    """The regions of one of the published sets, in a fixed order.

    Args:
        name: ``egd17`` (the boxes of the EGD data set) or ``imagenome29`` (Chest ImaGenome).

    Attributes:
        name: The set's name.
        regions: The regions.

    Raises:
        SettingsError: There is no such set.

    Example:
        >>> regions = RegionSet("egd17")
        >>> len(regions.regions), len(RegionSet("imagenome29").regions)
        (17, 29)
        >>> regions.masks(Size(14, 14)).shape
        (17, 14, 14)
    """

    def __init__(self, name: RegionSetName = "egd17") -> None:
        if name not in get_args(RegionSetName):
            raise SettingsError(
                f"unknown set of regions {name!r}; known: {', '.join(get_args(RegionSetName))}"
            )
        self.name: RegionSetName = name
        self.regions: tuple[Region, ...] = tuple(one for one in all_regions() if name in one.sets)
        self._by_name = {one.name: one for one in self.regions}

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the regions, in order.

        Example:
            >>> RegionSet("egd17").names[:2]
            ('right lung', 'left lung')
        """
        return tuple(self._by_name)

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def __getitem__(self, name: str) -> Region:
        if name not in self._by_name:
            raise SettingsError(f"the set {self.name} has no region {name!r}; it has {', '.join(self.names)}")
        return self._by_name[name]

    def of(self, base: str) -> tuple[Region, ...]:
        """Give the region of a name without side: both sides of a paired one, or the one in the midline.

        Args:
            base: Such as ``lower lung zone`` or ``trachea``.

        Returns:
            Two, one or no regions.

        Example:
            >>> [one.name for one in RegionSet("egd17").of("clavicle")], RegionSet("egd17").of("carina")
            (['right clavicle', 'left clavicle'], ())
        """
        return tuple(one for one in self.regions if one.base == base)

    def boxes(self, given: Mapping[str, BoxFrac] | None = None) -> dict[str, BoxFrac]:
        """Give the box of each region: the given one, or else the usual one.

        Args:
            given: Region name to box; names of other sets are left out.

        Returns:
            Region name to box, in the set's order.

        Example:
            >>> RegionSet("egd17").boxes({"trachea": (0.4, 0.0, 0.5, 0.3)})["trachea"]
            (0.4, 0.0, 0.5, 0.3)
        """
        given = given or {}
        return {one.name: given.get(one.name, one.box) for one in self.regions}

    def masks(self, grid: Size, given: Mapping[str, BoxFrac] | None = None) -> NDArray[np.float32]:
        """Compute how much of each grid cell each region covers.

        Args:
            grid: Rows and columns of the grid over the whole image.
            given: Boxes that replace the usual ones.

        Returns:
            Shape (regions, h, w), float32 in [0, 1].

        Raises:
            DataError: The grid is empty.

        Example:
            >>> masks = RegionSet("egd17").masks(Size(1, 2))
            >>> bool(masks[0, 0, 0] > masks[0, 0, 1]), float(masks[0, 0, 1])
            (True, 0.0)
        """
        return np.stack([box_mask(box, grid) for box in self.boxes(given).values()])


def box_mask(box: BoxFrac, grid: Size, shape: Literal["box", "ellipse"] = "box") -> NDArray[np.float32]:
    r"""Compute how much of each grid cell a box covers.

    A box covers the share $\frac{|[x_0, x_1] \cap [\frac{j}{w}, \frac{j+1}{w}]|}{1/w}$ of column $j$, rows
    likewise; their product is exact. An inscribed ellipse is counted on 8 x 8 points a cell.

    Args:
        box: Fractions of the image; what lies outside [0, 1] is cut off.
        grid: Rows and columns of the grid over the whole image.
        shape: The whole box, or the ellipse inscribed in it.

    Returns:
        Shape (h, w), float32 in [0, 1]; all zeros for a box without area.

    Raises:
        DataError: The grid is empty.

    Example:
        >>> box_mask((0.0, 0.0, 0.75, 1.0), Size(1, 2)).tolist()
        [[1.0, 0.5]]
    """
    if min(grid) < 1:
        raise DataError(f"expected a grid of at least 1 x 1, found {grid.height} x {grid.width}")
    if shape == "ellipse":
        return _ellipse(box, grid)
    x0, y0, x1, y1 = box
    return np.outer(_covered(y0, y1, grid.height), _covered(x0, x1, grid.width)).astype(np.float32)


def _covered(low: float, high: float, cells: int) -> NDArray[np.float64]:
    edges = np.arange(cells + 1) / cells
    overlap = np.minimum(high, edges[1:]) - np.maximum(low, edges[:-1])
    return np.asarray(np.clip(overlap * cells, 0.0, 1.0))


def _ellipse(box: BoxFrac, grid: Size) -> NDArray[np.float32]:
    x0, y0, x1, y1 = box
    if x1 <= x0 or y1 <= y0:
        return np.zeros(grid, np.float32)
    rows = (np.arange(grid.height * _FINE) + 0.5) / (grid.height * _FINE)
    columns = (np.arange(grid.width * _FINE) + 0.5) / (grid.width * _FINE)
    down = ((rows - (y0 + y1) / 2) / ((y1 - y0) / 2)) ** 2
    across = ((columns - (x0 + x1) / 2) / ((x1 - x0) / 2)) ** 2
    inside = (down[:, None] + across[None, :] <= 1.0).astype(np.float32)
    cells = inside.reshape(grid.height, _FINE, grid.width, _FINE)
    return np.asarray(cells.mean(axis=(1, 3)), dtype=np.float32)


def given_region_boxes(boxes: Iterable[ChestBox]) -> tuple[dict[str, BoxFrac], tuple[str, ...]]:
    """Take the boxes of regions that come with an image.

    Args:
        boxes: Boxes of regions and findings; those of findings are not looked at. Of two boxes of one region
            the first counts.

    Returns:
        Region name to box, and the names that stand for no known region.

    Example:
        >>> given_region_boxes([ChestBox("Trachea", "region", 0.4, 0.0, 0.5, 0.3)])
        ({'trachea': (0.4, 0.0, 0.5, 0.3)}, ())
    """
    found: dict[str, BoxFrac] = {}
    unknown: list[str] = []
    for box in boxes:
        if box.kind != "region":
            continue
        region = find_region(box.name)
        if region is None:
            unknown.append(box.name)
        else:
            found.setdefault(region.name, (box.x0, box.y0, box.x1, box.y1))
    return found, tuple(dict.fromkeys(unknown))


def find_region(said: str) -> Region | None:
    """Find the region that somebody means.

    In this order: a name or alias (case, punctuation, "the" and "of" apart; L, R, lt, rt for the sides);
    then a misspelling whose likeness (`difflib.SequenceMatcher`) is at least 0.88, if the side and the first
    letter are the same and no other region is as like. A side is never guessed: "lower lobe" is no region.

    Args:
        said: What was written.

    Returns:
        The region; None where none is meant for certain.

    Example:
        >>> find_region("Left Lower-Lobe").name, find_region("lung base, right").name
        ('left lower lung zone', 'right lower lung zone')
        >>> find_region("left costophrenic angel").name, find_region("lower lobe") is None
        ('left costophrenic angle', True)
    """
    words = _plain(said)
    by_alias = _aliases()
    if words in by_alias or len(words) < _SHORTEST:
        return by_alias.get(words)
    side = _side_of(words)
    like: dict[str, float] = {}
    for alias, region in by_alias.items():
        if alias[0] == words[0] and _side_of(alias) == side:
            likeness = SequenceMatcher(None, words, alias).ratio()
            like[region.name] = max(likeness, like.get(region.name, 0.0))
    best = sorted(like, key=lambda name: -like[name])[:2]
    if not best or like[best[0]] < _ALIKE or (len(best) > 1 and like[best[1]] == like[best[0]]):
        return None
    return next(one for one in all_regions() if one.name == best[0])


def _side_of(words: str) -> str:
    return next((word for word in words.split() if word in ("left", "right")), "")


def _plain(said: str) -> str:
    """Lower-case words without fillers, the side first."""
    words = [word for word in _NOT_A_WORD.split(said.lower()) if word and word not in _FILLERS]
    words = [_SIDE_WORDS.get(word, word) for word in words]
    sides = [word for word in words if word in ("left", "right")]
    if len(sides) == 1 and words[0] not in ("left", "right"):
        words = sides + [word for word in words if word not in sides]
    return " ".join(words)


@cache
def _aliases() -> dict[str, Region]:
    """Every name and alias in plain words, to its region."""
    return {_plain(alias): one for one in all_regions() for alias in (one.name, *one.aliases)}


@cache
def all_regions() -> tuple[Region, ...]:
    """Read the regions of all sets from the package's data file.

    Returns:
        All 29, right before left.

    Example:
        >>> len(all_regions()), sorted({one.side for one in all_regions()})
        (29, ['left', 'midline', 'right'])
    """
    text = resources.files("gaze_insight.chest").joinpath("regions.yaml").read_text(encoding="utf-8")
    entries: dict[str, dict[str, Any]] = yaml.safe_load(text)["regions"]
    paired = {name for name, entry in entries.items() if entry.get("paired")}
    found: list[Region] = []
    for base, entry in entries.items():
        sides: tuple[Side, ...] = ("right", "left") if base in paired else ("midline",)
        found += [_region(base, entry, side) for side in sides]
    return tuple(found)


def _region(base: str, entry: Mapping[str, Any], side: Side) -> Region:
    before = "" if side == "midline" else f"{side} "
    x0, y0, x1, y1 = entry["box" if side == "midline" else side]
    aliases = [f"{before}{alias}" for alias in entry.get("aliases", ())]
    spoken = entry.get("spoken", base)
    return Region(
        name=f"{before}{base}",
        base=base,
        side=side,
        box=(float(x0), float(y0), float(x1), float(y1)),
        sets=tuple(entry["sets"]),
        aliases=(*aliases, *entry.get("short", {}).get(side, ())),
        parts=tuple(f"{before}{part}" for part in entry.get("parts", ())),
        spoken=spoken,
        plural=entry.get("plural", f"{spoken}s"),
        at=entry["at"],
    )
