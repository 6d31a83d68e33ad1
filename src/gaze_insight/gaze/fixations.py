"""Fixations of one reading of one image, in an explicit frame and in milliseconds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gaze_insight.errors import DataError
from gaze_insight.types import BoolArray, Frame, Size

__all__ = ["Fixations"]

_MISSING_FACT: dict[str, str] = {
    "screen_px": "where the image stood on the screen (its left, top, width and height in screen pixels)",
    "degrees": "the viewing distance and the image's size and place on the screen in millimetres",
}


@dataclass(frozen=True, eq=False)
class Fixations:
    """N fixations of one reading of one image, in time order.

    Frames: ``image_unit`` is the fraction of the image's width (x) and height (y), 0 at the outer edge of the
    first pixel and 1 at the outer edge of the last. ``image_px`` is ``unit * (width, height)``, so the pixel
    in row ``i`` and column ``j`` covers ``[j, j + 1) x [i, i + 1)`` and its centre is ``(j + 0.5, i + 0.5)``.
    No fixation at all is a valid reading: arrays of length 0.

    Args:
        x: Horizontal positions in ``frame``, shape (N,).
        y: Vertical positions in ``frame``, downwards, shape (N,).
        duration_ms: Durations, shape (N,), each above 0.
        start_ms: Starts on any common clock, shape (N,), never decreasing.
        frame: The frame of x and y.
        image_size: Height and width of the image; needed to go between ``image_unit`` and ``image_px``.
        annotator: Who looked, where known.

    Raises:
        DataError: Unequal lengths, a value that is not finite, a duration that is not positive, or starts
            that are not in time order.

    Example:
        >>> f = Fixations([0.5, 0.25], [0.5, 0.75], [200, 300], [0, 220], frame="image_unit")
        >>> len(f), f.total_duration_ms, f.span_ms
        (2, 500.0, 520.0)
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    duration_ms: NDArray[np.float64]
    start_ms: NDArray[np.float64]
    frame: Frame
    image_size: Size | None = None
    annotator: str | None = None

    def __post_init__(self) -> None:
        if self.frame not in get_args(Frame):
            raise DataError(f"unknown frame {self.frame!r}; known: {', '.join(get_args(Frame))}")
        for name in ("x", "y", "duration_ms", "start_ms"):
            object.__setattr__(self, name, _column(name, getattr(self, name)))
        lengths = {name: len(getattr(self, name)) for name in ("x", "y", "duration_ms", "start_ms")}
        if len(set(lengths.values())) > 1:
            raise DataError(f"the columns of a reading must have equal lengths, found {lengths}")
        if np.any(self.duration_ms <= 0):
            at = int(np.argmax(self.duration_ms <= 0))
            raise DataError(f"duration_ms must be above 0, found {self.duration_ms[at]:g} at fixation {at}")
        if np.any(np.diff(self.start_ms) < 0):
            at = int(np.argmax(np.diff(self.start_ms) < 0)) + 1
            raise DataError(
                f"fixations must be in time order, but fixation {at} starts before the one before it",
                remedy="Fixations.from_rows sorts by start_ms",
            )
        if self.image_size is not None:
            object.__setattr__(self, "image_size", _size(self.image_size))

    def __len__(self) -> int:
        return len(self.x)

    @classmethod
    def empty(cls, frame: Frame = "image_unit") -> Fixations:
        """Return a reading without a fixation.

        Args:
            frame: The frame the reading claims.

        Returns:
            Fixations of length 0.

        Example:
            >>> len(Fixations.empty()), Fixations.empty().span_ms
            (0, 0.0)
        """
        return cls.from_rows([], frame=frame)

    @classmethod
    def from_rows(
        cls,
        rows: Iterable[Sequence[float]],
        frame: Frame = "image_unit",
        *,
        image_size: Size | None = None,
        annotator: str | None = None,
    ) -> Fixations:
        """Build from rows and sort them by start (rows of equal start keep their order).

        Args:
            rows: Any number of (x, y, duration_ms, start_ms).
            frame: The frame of x and y.
            image_size: Height and width of the image, if known.
            annotator: Who looked, if known.

        Returns:
            The reading; empty where there are no rows.

        Raises:
            DataError: A row without four numbers, or values that `Fixations` refuses.

        Example:
            >>> Fixations.from_rows([(0.2, 0.2, 100, 300), (0.5, 0.5, 250, 0)]).x.tolist()
            [0.5, 0.2]
        """
        listed = [list(row) for row in rows]
        for index, row in enumerate(listed):
            if len(row) != 4:
                raise DataError(
                    f"a fixation row must be [x, y, duration_ms, start_ms], row {index} has {len(row)} values"
                )
        try:
            table = np.asarray(listed, dtype=np.float64).reshape(-1, 4)
        except (TypeError, ValueError) as error:
            raise DataError(f"a fixation row must hold four numbers: {error}") from error
        x, y, duration_ms, start_ms = table[np.argsort(table[:, 3], kind="stable")].T
        return cls(x, y, duration_ms, start_ms, frame, image_size, annotator)

    def to_rows(self) -> list[list[float]]:
        """Return plain rows, the inverse of `from_rows`.

        Returns:
            One ``[x, y, duration_ms, start_ms]`` a fixation; an empty list for an empty reading.

        Example:
            >>> Fixations.from_rows([(0.5, 0.25, 200, 7)]).to_rows()
            [[0.5, 0.25, 200.0, 7.0]]
        """
        rows: list[list[float]] = np.stack([self.x, self.y, self.duration_ms, self.start_ms], axis=1).tolist()
        return rows

    def to_frame(self, frame: Frame, *, image_size: Size | None = None) -> Fixations:
        """Express the positions in another frame; times stay.

        ``image_px = image_unit * (width, height)``.

        Args:
            frame: The frame wanted.
            image_size: Size of the image in pixels. Not needed where the reading knows it. With the target
                ``image_px`` it may be the size of a resized copy, and positions are scaled to that copy.

        Returns:
            The reading in `frame`.

        Raises:
            DataError: A fact is missing for this conversion (the message names it), or pixel positions were
                recorded on an image of another size than `image_size` says.

        Example:
            >>> f = Fixations.from_rows([(0.5, 0.25, 200, 0)])
            >>> p = f.to_frame("image_px", image_size=Size(height=100, width=300))
            >>> p.x.tolist(), p.y.tolist()
            ([150.0], [25.0])
        """
        wanted = self.image_size if image_size is None else _size(image_size)
        if frame == self.frame and (frame != "image_px" or wanted in (None, self.image_size)):
            return replace(self, image_size=wanted)
        for one in (self.frame, frame):
            if one in _MISSING_FACT:
                raise DataError(
                    f"cannot convert {self.frame} to {frame}: unknown is {_MISSING_FACT[one]}",
                    remedy="give fixations in fractions of the image (image_unit) or its pixels (image_px)",
                )
        if wanted is None:
            raise DataError(
                f"cannot convert {self.frame} to {frame}: unknown is the image's size in pixels",
                remedy="pass image_size=Size(height, width)",
            )
        if self.frame == "image_unit":
            return self._placed(self.x * wanted.width, self.y * wanted.height, frame, wanted)
        own = wanted if self.image_size is None else self.image_size
        if frame == "image_px":
            x, y = self.x * wanted.width / own.width, self.y * wanted.height / own.height
            return self._placed(x, y, frame, wanted)
        if own != wanted:
            raise DataError(
                f"the fixations are in pixels of an image of {own.height} x {own.width} (height x width), "
                f"but the image is said to be {wanted.height} x {wanted.width}"
            )
        return self._placed(self.x / own.width, self.y / own.height, frame, own)

    def _placed(self, x: NDArray[np.float64], y: NDArray[np.float64], frame: Frame, size: Size) -> Fixations:
        return replace(self, x=x, y=y, frame=frame, image_size=size)

    @property
    def inside(self) -> BoolArray:
        """Which fixations lie on the image, edges included: boolean, shape (N,).

        Raises:
            DataError: The frame does not say where the image is.

        Example:
            >>> Fixations.from_rows([(0.5, 1.0, 200, 0), (1.2, 0.5, 200, 300)]).inside.tolist()
            [True, False]
        """
        unit = self.to_frame("image_unit")
        on: BoolArray = (unit.x >= 0) & (unit.x <= 1) & (unit.y >= 0) & (unit.y <= 1)
        return on

    def select(self, which: ArrayLike) -> Fixations:
        """Keep some fixations, in time order.

        Args:
            which: Boolean mask of shape (N,), or integer indices (each at most once is usual).

        Returns:
            The chosen fixations.

        Raises:
            DataError: A mask of another length, or an index out of range.

        Example:
            >>> f = Fixations.from_rows([(0.1, 0.1, 90, 0), (0.2, 0.2, 80, 100)])
            >>> f.select(f.duration_ms > 85).x.tolist(), f.select([1, 0]).x.tolist()
            ([0.1], [0.1, 0.2])
        """
        chosen = np.asarray(which)
        if chosen.dtype == np.bool_:
            if chosen.shape != (len(self),):
                raise DataError(f"the mask must have shape ({len(self)},), found {chosen.shape}")
            index = np.flatnonzero(chosen)
        else:
            index = np.sort(np.arange(len(self))[_in_range(chosen, len(self))])
        return replace(
            self,
            x=self.x[index],
            y=self.y[index],
            duration_ms=self.duration_ms[index],
            start_ms=self.start_ms[index],
        )

    def until(self, ms: float) -> Fixations:
        """Keep what had happened within the first `ms` milliseconds after the first fixation began.

        A fixation that lasts longer is cut at the limit.

        Args:
            ms: Length of the reading to keep, from the first fixation's start.

        Returns:
            The shortened reading; empty for ``ms <= 0``.

        Example:
            >>> Fixations.from_rows([(0.1, 0.1, 100, 7), (0.2, 0.2, 100, 127)]).until(150).to_rows()
            [[0.1, 0.1, 100.0, 7.0], [0.2, 0.2, 30.0, 127.0]]
        """
        if len(self) == 0:
            return self
        limit = self.start_ms[0] + ms
        kept = self.select(self.start_ms < limit)
        return replace(kept, duration_ms=np.minimum(kept.duration_ms, limit - kept.start_ms))

    @property
    def total_duration_ms(self) -> float:
        """Sum of all durations in ms; 0.0 for an empty reading."""
        return float(self.duration_ms.sum())

    @property
    def span_ms(self) -> float:
        """Time from the first start to the last end in ms; 0.0 for an empty reading."""
        if len(self) == 0:
            return 0.0
        return float(np.max(self.start_ms + self.duration_ms) - self.start_ms[0])


def _column(name: str, values: Any) -> NDArray[np.float64]:
    try:
        column = np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"{name} must hold numbers: {error}") from error
    if column.ndim != 1:
        raise DataError(f"{name} must have shape (N,), found {column.shape}")
    if not np.isfinite(column).all():
        at = int(np.argmin(np.isfinite(column)))
        raise DataError(f"{name} must be finite, found {column[at]} at fixation {at}")
    column.setflags(write=False)
    return column


def _size(size: Sequence[int]) -> Size:
    if len(size) != 2 or min(size) <= 0:
        raise DataError(f"image_size must be (height, width), both above 0, found {tuple(size)}")
    return Size(int(size[0]), int(size[1]))


def _in_range(index: NDArray[Any], count: int) -> NDArray[np.intp]:
    if index.size == 0:
        return np.zeros(0, dtype=np.intp)
    if not np.issubdtype(index.dtype, np.integer) or index.ndim != 1:
        raise DataError(
            f"select needs a boolean mask or a list of indices, found {index.dtype} {index.shape}"
        )
    if index.min() < -count or index.max() >= count:
        raise DataError(f"an index is out of range for {count} fixations: {index.min()}..{index.max()}")
    return index.astype(np.intp)
