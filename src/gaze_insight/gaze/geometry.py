"""Where the image stood on the screen: from screen pixels and degrees to fractions of the image."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BeforeValidator, Field, PlainSerializer, ValidationError, model_validator

from gaze_insight.errors import DataError, SettingsError
from gaze_insight.gaze.mapping_file import explain, read_mapping
from gaze_insight.gaze.recording import image_id_of
from gaze_insight.gaze.view import Rect, View
from gaze_insight.types import Settings, Size

__all__ = ["Geometry", "Rect", "ScreenMm", "View", "read_geometry"]

_Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_Vector = NDArray[np.float64]


class ScreenMm(Settings):
    """The visible area of a screen in millimetres.

    Example:
        >>> ScreenMm(height=300, width=530).width
        530.0
    """

    height: _Positive = Field(description="height of the lit area, mm")
    width: _Positive = Field(description="width of the lit area, mm")


def _named_size(value: Any) -> Any:
    if isinstance(value, list):
        raise ValueError("expected a mapping with height and width (a list leaves open which is which)")
    if isinstance(value, Mapping):
        strange = sorted(str(key) for key in value.keys() - {"height", "width"})
        if strange:
            raise ValueError(f"expected the keys height and width, found {strange[0]!r}")
    if isinstance(value, (tuple, Mapping)):
        sides = value.values() if isinstance(value, Mapping) else value
        if not all(isinstance(side, (int, float)) and side > 0 for side in sides):
            raise ValueError("height and width must be above 0")
    return value


_NamedSize = Annotated[
    Size,
    BeforeValidator(_named_size),
    PlainSerializer(lambda size: None if size is None else size._asdict(), when_used="json"),
]


class Geometry(Settings):
    """Facts about screen, eye and image that turn positions on the screen into places on the image.

    Nothing is guessed: a conversion that needs a fact which is not here raises an error that names it. The
    place of an image is, in this order: its own views under `images`; the `views` of all images; what `fit`
    computes from the area and the image's size.

    Example:
        >>> screen = Geometry(screen_size_px={"height": 1080, "width": 1920}, fit="letterbox")
        >>> (view,) = screen.views_of("a", Size(height=100, width=100))
        >>> view.screen_px.left, view.screen_px.width
        (420.0, 1080.0)
        >>> screen.to_image_unit([960.0], [270.0], [0.0], "a", Size(100, 100))
        (array([0.5]), array([0.25]))
    """

    screen_size_px: _NamedSize | None = Field(None, description="the screen's height and width in pixels")
    screen_size_mm: ScreenMm | None = Field(None, description="the lit area's height and width in mm")
    viewing_distance_mm: _Positive | None = Field(None, description="from the eye to the screen's centre, mm")
    degrees_y: Literal["down", "up"] = Field(
        "down", description="where the vertical axis of positions in degrees points"
    )
    fit: Literal["stated", "letterbox", "stretch", "native_centre"] = Field(
        "stated",
        description="stated: views say where; letterbox: scaled to fit the area, centred, aspect kept; "
        "stretch: fills the area; native_centre: one screen pixel an image pixel, centred",
    )
    area_px: Rect | None = Field(None, description="the part of the screen used for images; null: all of it")
    views: tuple[View, ...] = Field((), description="where every image stood, if all stood there")
    images: Mapping[str, tuple[View, ...]] = Field(
        default_factory=dict, description="where single images stood, by image id"
    )

    @model_validator(mode="before")
    @classmethod
    def _ids(cls, values: Any) -> Any:
        if isinstance(values, Mapping) and isinstance(values.get("images"), Mapping):
            by_id: dict[str, Any] = {}
            for name, views in values["images"].items():
                one = image_id_of(str(name))
                if one in by_id:
                    raise ValueError(f"images: {name!r} is listed twice (its id is {one!r})")
                by_id[one] = views
            return {**values, "images": by_id}
        return values

    @model_validator(mode="after")
    def _one_rule(self) -> Self:
        if self.views and self.fit != "stated":
            raise ValueError(f"views state the place of every image, so fit must be stated, not {self.fit}")
        if self.area_px is not None and self.fit == "stated":
            raise ValueError("area_px has no effect where fit is stated")
        empty = next((name for name, views in self.images.items() if not views), None)
        if empty is not None:
            raise ValueError(f"images: {empty!r} has no view")
        return self

    def views_of(self, image_id: str, image_size: Size | None = None) -> tuple[View, ...]:
        """Return the views in which an image was shown.

        Letterbox: ``scale = min(area_width / width, area_height / height)``; native_centre: ``scale = 1``.
        The rectangle is ``scale * (width, height)``, centred in the area.

        Args:
            image_id: The image.
            image_size: Its height and width in pixels; needed for letterbox and native_centre.

        Returns:
            One view or more.

        Raises:
            DataError: The place is not stated, or the screen's or the image's size is unknown.

        Example:
            >>> Geometry().views_of("a")
            Traceback (most recent call last):
            ...
            gaze_insight.errors.DataError: unknown is where image 'a' stood on the screen
              -> state it in the geometry: images, views, or fit (letterbox, stretch, native_centre)
        """
        stated = self.images.get(image_id, self.views)
        if stated:
            return stated
        if self.fit == "stated":
            raise DataError(
                f"unknown is where image {image_id!r} stood on the screen",
                remedy="state it in the geometry: images, views, or fit (letterbox, stretch, native_centre)",
            )
        area = self._area()
        if self.fit == "stretch":
            return (View(screen_px=area),)
        if image_size is None:
            _lacks(f"the size of image {image_id!r} in pixels, which fit: {self.fit} needs", "image sizes")
        scale = 1.0
        if self.fit == "letterbox":
            scale = min(area.width / image_size.width, area.height / image_size.height)
        width, height = scale * image_size.width, scale * image_size.height
        left, top = area.left + (area.width - width) / 2, area.top + (area.height - height) / 2
        return (View(screen_px=Rect(left=left, top=top, width=width, height=height)),)

    def to_image_unit(
        self,
        x: ArrayLike,
        y: ArrayLike,
        t_ms: ArrayLike,
        image_id: str,
        image_size: Size | None = None,
        *,
        session: str | None = None,
    ) -> tuple[_Vector, _Vector]:
        """Turn screen pixels into fractions of an image.

        ``unit_x = frac.left + (x - screen.left) / screen.width * frac.width``, down likewise, by the view
        that is shown at that time. Of several at one time the last that holds the point counts. A point
        beside all of them is extrapolated by the first, so that it falls outside 0..1. Where no view is shown
        at that time, or where extrapolation beside a zoomed window would fall on a part of the image that was
        not there, it is NaN.

        Args:
            x: Horizontal screen pixels, shape (N,); NaN stays NaN.
            y: Vertical screen pixels, downwards, shape (N,).
            t_ms: Times on the recording's clock, shape (N,).
            image_id: The image that was shown.
            image_size: Its height and width in pixels, where `views_of` needs it.
            session: The recording; views of other sessions are left out.

        Returns:
            Horizontal and vertical fractions of the image, float64, shape (N,) each; empty for no points.

        Raises:
            DataError: A fact is missing; the message names it.

        Example:
            >>> left = View(screen_px=Rect(left=0, top=0, width=100, height=100), end_ms=500)
            >>> zoomed = View(screen_px=left.screen_px, start_ms=500,
            ...               image_frac=Rect(left=0.5, top=0.5, width=0.5, height=0.5))
            >>> Geometry(views=(left, zoomed)).to_image_unit([50, 50], [50, 50], [0, 500], "a")
            (array([0.5 , 0.75]), array([0.5 , 0.75]))
        """
        x, y, t = (np.asarray(values, dtype=np.float64) for values in (x, y, t_ms))
        unit_x, unit_y = np.full(x.shape, np.nan), np.full(x.shape, np.nan)
        held, reached = np.zeros(x.shape, dtype=bool), np.zeros(x.shape, dtype=bool)
        for view in self.views_of(image_id, image_size):
            if view.session not in (None, session):
                continue
            shown, part = view.screen_px, view.image_frac
            live = view.is_live(t)
            within = live & (x >= shown.left) & (x <= shown.right) & (y >= shown.top) & (y <= shown.bottom)
            here = within | (live & ~reached)
            unit_x[here] = part.left + (x[here] - shown.left) / shown.width * part.width
            unit_y[here] = part.top + (y[here] - shown.top) / shown.height * part.height
            held |= within
            reached |= live
        hidden = ~held & (unit_x >= 0) & (unit_x <= 1) & (unit_y >= 0) & (unit_y <= 1)
        unit_x[hidden] = unit_y[hidden] = np.nan
        return unit_x, unit_y

    def degrees_per_px(self) -> tuple[float, float]:
        """Return the visual angle of one pixel at the screen's centre, across and down.

        ``2 atan(pitch_mm / 2 / distance_mm)`` in degrees, where the pitch is the screen's side in mm over its
        side in pixels.

        Returns:
            Degrees a pixel, across and down.

        Raises:
            DataError: The screen's size in pixels or mm, or the viewing distance, is unknown.

        Example:
            >>> screen = Geometry(screen_size_px={"height": 1000, "width": 2000},
            ...     screen_size_mm={"height": 250, "width": 500}, viewing_distance_mm=600)
            >>> [round(value, 4) for value in screen.degrees_per_px()]
            [0.0239, 0.0239]
        """
        distance, _, pitch = self._optics()
        return (
            math.degrees(2 * math.atan(pitch[0] / 2 / distance)),
            math.degrees(2 * math.atan(pitch[1] / 2 / distance)),
        )

    def to_degrees(self, x: ArrayLike, y: ArrayLike) -> tuple[_Vector, _Vector]:
        """Turn screen pixels into degrees of visual angle around the screen's centre.

        ``atan((x_px - width_px / 2) * pitch_mm / distance_mm)``, each axis by itself, for an eye straight in
        front of the screen's centre.

        Args:
            x: Horizontal screen pixels, shape (N,).
            y: Vertical screen pixels, downwards, shape (N,).

        Returns:
            Degrees to the right, and degrees in the direction that `degrees_y` says; shape (N,) each.

        Raises:
            DataError: The screen's size in pixels or mm, or the viewing distance, is unknown.

        Example:
            >>> screen = Geometry(screen_size_px={"height": 1000, "width": 2000},
            ...     screen_size_mm={"height": 250, "width": 500}, viewing_distance_mm=250)
            >>> screen.to_degrees([1000, 2000], [500, 500])[0].round(6).tolist()
            [0.0, 45.0]
        """
        distance, centre, pitch = self._optics()
        across = np.degrees(np.arctan((np.asarray(x, np.float64) - centre[0]) * pitch[0] / distance))
        down = np.degrees(np.arctan((np.asarray(y, np.float64) - centre[1]) * pitch[1] / distance))
        return across, (-down if self.degrees_y == "up" else down)

    def from_degrees(self, x: ArrayLike, y: ArrayLike) -> tuple[_Vector, _Vector]:
        """Turn degrees of visual angle around the screen's centre into screen pixels.

        ``width_px / 2 + tan(angle) * distance_mm / pitch_mm``: the inverse of `to_degrees`.

        Args:
            x: Degrees to the right, shape (N,), within -90..90.
            y: Degrees in the direction that `degrees_y` says, shape (N,).

        Returns:
            Horizontal and vertical screen pixels, shape (N,) each.

        Raises:
            DataError: The screen's size in pixels or mm, or the viewing distance, is unknown.

        Example:
            >>> screen = Geometry(screen_size_px={"height": 1000, "width": 2000},
            ...     screen_size_mm={"height": 250, "width": 500}, viewing_distance_mm=250)
            >>> screen.from_degrees([0.0, 45.0], [0.0, 0.0])[0].round(6).tolist()
            [1000.0, 2000.0]
        """
        distance, centre, pitch = self._optics()
        down = np.asarray(y, np.float64) * (-1 if self.degrees_y == "up" else 1)
        return (
            centre[0] + np.tan(np.radians(np.asarray(x, np.float64))) * distance / pitch[0],
            centre[1] + np.tan(np.radians(down)) * distance / pitch[1],
        )

    def _area(self) -> Rect:
        if self.area_px is not None:
            return self.area_px
        if self.screen_size_px is None:
            _lacks(f"the screen's size in pixels, which fit: {self.fit} needs", "screen_size_px or area_px")
        return Rect(left=0, top=0, width=self.screen_size_px.width, height=self.screen_size_px.height)

    def _optics(self) -> tuple[float, tuple[float, float], tuple[float, float]]:
        """Viewing distance in mm, the screen's centre in pixels and a pixel's sides in mm, both (x, y)."""
        needs = ", which degrees of visual angle need"
        if self.screen_size_px is None:
            _lacks(f"the screen's size in pixels{needs}", "screen_size_px")
        if self.screen_size_mm is None:
            _lacks(f"the screen's size in millimetres{needs}", "screen_size_mm")
        if self.viewing_distance_mm is None:
            _lacks(f"the viewing distance{needs}", "viewing_distance_mm")
        pixels, mm = self.screen_size_px, self.screen_size_mm
        pitch = (mm.width / pixels.width, mm.height / pixels.height)
        return self.viewing_distance_mm, (pixels.width / 2, pixels.height / 2), pitch


def read_geometry(path: str | Path) -> Geometry:
    """Read a geometry from YAML or JSON.

    Args:
        path: The file; its keys are the fields of `Geometry`.

    Returns:
        The geometry.

    Raises:
        DataError: The file cannot be read, or a key or value does not fit; the message names file and key.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp(), "screen.yaml")
        >>> _ = file.write_text("screen_size_px: {height: 1080, width: 1920}")
        >>> read_geometry(file).screen_size_px
        Size(height=1080, width=1920)
    """
    try:
        values = read_mapping(Path(path))
    except SettingsError as error:
        raise DataError(error.message, path=error.path, row=error.row, remedy=error.remedy) from error
    try:
        return Geometry.model_validate(values)
    except ValidationError as error:
        message, remedy = explain(error, Geometry)
        raise DataError(message, path=path, remedy=remedy) from error


def _lacks(fact: str, key: str) -> NoReturn:
    raise DataError(f"unknown is {fact}", remedy=f"state it in the geometry: {key}")
