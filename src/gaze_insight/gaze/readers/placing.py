"""Where on the screen a recording itself says that its images stood."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from gaze_insight.errors import DataError
from gaze_insight.gaze.geometry import Geometry, Rect, View
from gaze_insight.types import Size

__all__ = ["Display", "Place", "Placed", "place_geometry"]

_SAME_PX = 1.0
_SCREEN_REMEDY = "correct screen_size_px in the geometry, or leave it out: the recording states it"
_PLACE_REMEDY = "correct the geometry, or set use_place: false where the recording's messages are wrong"


class Display(NamedTuple):
    """The display as a recording states it: the numbers of its first pixel, its size, and the line."""

    left: float
    top: float
    size: Size
    line: int


class Place(NamedTuple):
    """Where an image stands, in display coordinates; None for what the recording leaves out.

    ``FILL`` stretches the image over the display; else `at` is the centre or the upper left corner, and
    without `size` (width, height) the image is shown pixel by pixel.
    """

    how: Literal["FILL", "CENTER", "TOP_LEFT"]
    at: tuple[float, float] | None = None
    size: tuple[float, float] | None = None


class Placed(NamedTuple):
    """An image that stood somewhere for a while, on the clock of its session."""

    image: str
    start_ms: float
    end_ms: float
    line: int
    place: Place | None = None
    session: str | None = None


def place_geometry(
    geometry: Geometry | None,
    showings: Sequence[Placed],
    display: Display | None,
    image_sizes: Mapping[str, Size],
    path: Path,
) -> Geometry | None:
    """Add to a geometry what the recording states: the screen's size, and the views of images it places.

    An image whose place the geometry gives keeps it. Each showing's view holds for its time and session.

    Args:
        geometry: What the user states, if anything.
        showings: Images with their places and times.
        display: The display that the file states.
        image_sizes: Sizes by image id, for images shown pixel by pixel.
        path: The file, for messages.

    Returns:
        The completed geometry; None where there is none and the file places no image either.

    Raises:
        DataError: File and geometry contradict each other, on the screen's size or on an image's place, by
            more than a pixel.

    Example:
        >>> shown = Placed("a", 0.0, 900.0, 3, Place("TOP_LEFT", (100.0, 0.0), (200.0, 100.0)))
        >>> completed = place_geometry(None, [shown], None, {}, Path("s1.asc"))
        >>> completed.to_image_unit([150.0], [50.0], [10.0], "a")
        (array([0.25]), array([0.5]))
    """
    base = geometry or Geometry()
    size = base.screen_size_px
    if display is not None:
        if size is not None and max(abs(a - b) for a, b in zip(size, display.size, strict=True)) > _SAME_PX:
            raise _contradiction(
                f"a screen of {_by(size)}", f"one of {_by(display.size)}", display.line, path, _SCREEN_REMEDY
            )
        size = size or display.size
    images = dict(base.images)
    for one in showings:
        screen = _rect(one.place, size, display, image_sizes.get(one.image))
        if screen is None or one.end_ms <= one.start_ms:
            continue
        if one.image in base.images or base.views or base.fit != "stated":
            _agrees(base.model_copy(update={"screen_size_px": size}), one, screen, image_sizes, path)
            continue
        view = View(screen_px=screen, start_ms=one.start_ms, end_ms=one.end_ms, session=one.session)
        images[one.image] = (*images.get(one.image, ()), view)
    if geometry is None and not images:
        return None
    return base.model_copy(update={"screen_size_px": size, "images": images})


def _rect(
    place: Place | None, screen: Size | None, display: Display | None, image: Size | None
) -> Rect | None:
    """Return the rectangle on the screen, from its upper left pixel, or None where something is unknown."""
    if place is None:
        return None
    if place.how == "FILL":
        return None if screen is None else Rect(left=0, top=0, width=screen.width, height=screen.height)
    size = place.size if place.size is not None or image is None else (image.width, image.height)
    if size is None or min(size) <= 0:
        return None
    x, y = 0.0, 0.0
    if place.at is not None:
        first = (0.0, 0.0) if display is None else (display.left, display.top)
        x, y = place.at[0] - first[0], place.at[1] - first[1]
    elif place.how == "CENTER":
        if screen is None:
            return None
        x, y = screen.width / 2, screen.height / 2
    if place.how == "CENTER":
        x, y = x - size[0] / 2, y - size[1] / 2
    return Rect(left=x, top=y, width=size[0], height=size[1])


def _agrees(
    geometry: Geometry, one: Placed, screen: Rect, image_sizes: Mapping[str, Size], path: Path
) -> None:
    """Refuse a geometry that puts an image elsewhere; one with zoom or pan is taken as it is."""
    views = geometry.views_of(one.image, image_sizes.get(one.image))
    if len(views) > 1:
        return
    stated = views[0].screen_px
    sides = ((stated.left, screen.left), (stated.top, screen.top), (stated.right, screen.right))
    if max(abs(a - b) for a, b in (*sides, (stated.bottom, screen.bottom))) > _SAME_PX:
        raise _contradiction(
            f"image {one.image!r} at {_corners(stated)}",
            f"it at {_corners(screen)}",
            one.line,
            path,
            _PLACE_REMEDY,
        )


def _contradiction(ours: str, theirs: str, line: int, path: Path, remedy: str) -> DataError:
    text = f"the geometry states {ours}, the recording {theirs}"
    return DataError(text, path=path, row=line, remedy=remedy)


def _by(size: Size) -> str:
    return f"{size.height} x {size.width} (height x width)"


def _corners(rect: Rect) -> str:
    return f"({rect.left:g}, {rect.top:g}) to ({rect.right:g}, {rect.bottom:g})"
