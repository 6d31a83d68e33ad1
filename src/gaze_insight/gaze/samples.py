"""Raw gaze of one recording: positions at measured times, with gaps."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gaze_insight.errors import DataError
from gaze_insight.types import BoolArray, Frame, Size

__all__ = ["Samples"]

_HOLE = 2.0


@dataclass(frozen=True, eq=False)
class Samples:
    """N gaze samples of one recording or of one reading of one image, in time order.

    Times need not be regular. A sample without gaze (blink, tracker lost the eye) has NaN for its position;
    where only one of x and y is NaN, both become NaN. Frames are those of `Fixations`.

    Args:
        t_ms: Times on any clock, shape (N,), strictly increasing.
        x: Horizontal positions in ``frame``, shape (N,); NaN where gaze was lost.
        y: Vertical positions in ``frame``, downwards, shape (N,); NaN where gaze was lost.
        frame: The frame of x and y.
        image_size: Height and width of the image, where known.
        annotator: Who looked, where known.

    Raises:
        DataError: Unequal lengths, a time that is not finite or not after the one before it, an infinite
            position, or an unknown frame.

    Example:
        >>> s = Samples([0, 4, 8, 12], [0.1, 0.1, float("nan"), 0.2], [0.5, 0.5, 0.5, 0.5], "image_unit")
        >>> len(s), s.period_ms, s.span_ms, s.loss_share
        (4, 4.0, 16.0, 0.25)
    """

    t_ms: NDArray[np.float64]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    frame: Frame
    image_size: Size | None = None
    annotator: str | None = None

    def __post_init__(self) -> None:
        if self.frame not in get_args(Frame):
            raise DataError(f"unknown frame {self.frame!r}; known: {', '.join(get_args(Frame))}")
        t_ms, x, y = (_column(name, getattr(self, name)) for name in ("t_ms", "x", "y"))
        lengths = {"t_ms": len(t_ms), "x": len(x), "y": len(y)}
        if len(set(lengths.values())) > 1:
            raise DataError(f"the columns of a recording must have equal lengths, found {lengths}")
        _check_times(t_ms)
        for name, column in (("x", x), ("y", y)):
            if np.isinf(column).any():
                raise DataError(
                    f"{name} must not be infinite, found it at sample {int(np.argmax(np.isinf(column)))}"
                )
        lost = np.isnan(x) | np.isnan(y)
        for name, column in (
            ("t_ms", t_ms),
            ("x", np.where(lost, np.nan, x)),
            ("y", np.where(lost, np.nan, y)),
        ):
            column.setflags(write=False)
            object.__setattr__(self, name, column)

    def __len__(self) -> int:
        return len(self.t_ms)

    @property
    def lost(self) -> BoolArray:
        """Which samples hold no gaze: boolean, shape (N,)."""
        without: BoolArray = np.isnan(self.x)
        return without

    @property
    def period_ms(self) -> float:
        """Median time from one sample to the next in ms; 0.0 with fewer than two samples."""
        return float(np.median(np.diff(self.t_ms))) if len(self) > 1 else 0.0

    @property
    def sample_ms(self) -> NDArray[np.float64]:
        """How long each sample stands for, in ms, shape (N,).

        The time to the next sample. Where that is more than twice the median period, rows are missing: the
        sample before the hole stands for one median period. So does the last sample.

        Example:
            >>> Samples([0, 10, 20, 60, 70], [0.5] * 5, [0.5] * 5, "image_unit").sample_ms.tolist()
            [10.0, 10.0, 10.0, 10.0, 10.0]
        """
        period = self.period_ms
        until_next = np.append(np.diff(self.t_ms), period)[: len(self)]
        return np.where(until_next > _HOLE * period, period, until_next)

    @property
    def span_ms(self) -> float:
        """Time from the first sample to the end of the last one in ms; 0.0 without samples."""
        return float(self.t_ms[-1] - self.t_ms[0] + self.period_ms) if len(self) else 0.0

    @property
    def loss_share(self) -> float:
        """Share of the span without gaze, in [0, 1]: ``1 - sum(sample_ms of valid samples) / span_ms``.

        Time weighted, so that holes in the table count as loss just as rows without a position do. 1.0
        without samples; with a single sample 0.0 or 1.0.

        Example:
            >>> Samples([0, 10, 20, 60, 70], [0.5] * 5, [0.5] * 5, "image_unit").loss_share
            0.375
        """
        if len(self) < 2:
            return float(self.lost.all())
        share = 1.0 - float(self.sample_ms[~self.lost].sum()) / self.span_ms
        return min(max(share, 0.0), 1.0)

    def select(self, which: ArrayLike) -> Samples:
        """Keep some samples, in time order.

        Args:
            which: Boolean mask of shape (N,), or integer indices.

        Returns:
            The chosen samples.

        Raises:
            DataError: A mask of another length, or indices out of range or not integers.

        Example:
            >>> s = Samples([0, 4, 8], [0.1, float("nan"), 0.3], [0.5, 0.5, 0.5], "image_unit")
            >>> s.select(~s.lost).t_ms.tolist()
            [0.0, 8.0]
        """
        chosen = np.asarray(which)
        if chosen.dtype == np.bool_:
            if chosen.shape != (len(self),):
                raise DataError(f"the mask must have shape ({len(self)},), found {chosen.shape}")
            index = np.flatnonzero(chosen)
        else:
            if chosen.size and not np.issubdtype(chosen.dtype, np.integer):
                raise DataError(f"select needs a boolean mask or integer indices, found {chosen.dtype}")
            if chosen.size and (chosen.min() < -len(self) or chosen.max() >= len(self)):
                raise DataError(f"an index is out of range for {len(self)} samples")
            index = np.unique(np.arange(len(self))[chosen.astype(np.intp)])
        return replace(self, t_ms=self.t_ms[index], x=self.x[index], y=self.y[index])

    def between(self, start_ms: float, end_ms: float) -> Samples:
        """Keep the samples with ``start_ms <= t_ms < end_ms``; the clock stays.

        Args:
            start_ms: First time to keep, on the recording's clock.
            end_ms: First time to leave out.

        Returns:
            The part of the recording; empty where nothing was recorded then.

        Example:
            >>> s = Samples([0, 4, 8], [0.1, 0.2, 0.3], [0.5, 0.5, 0.5], "image_unit")
            >>> s.between(4, 8).x.tolist()
            [0.2]
        """
        first, end = np.searchsorted(self.t_ms, [start_ms, end_ms], side="left")
        part = slice(int(first), max(int(first), int(end)))
        return replace(self, t_ms=self.t_ms[part], x=self.x[part], y=self.y[part])


def _column(name: str, values: Any) -> NDArray[np.float64]:
    try:
        column = np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"{name} must hold numbers: {error}") from error
    if column.ndim != 1:
        raise DataError(f"{name} must have shape (N,), found {column.shape}")
    return column


def _check_times(t_ms: NDArray[np.float64]) -> None:
    if not np.isfinite(t_ms).all():
        at = int(np.argmin(np.isfinite(t_ms)))
        raise DataError(f"t_ms must be finite, found {t_ms[at]} at sample {at}")
    steps = np.diff(t_ms)
    if (steps <= 0).any():
        at = int(np.argmax(steps <= 0)) + 1
        raise DataError(
            f"time must go forward, but sample {at} ({t_ms[at]:g} ms) does not follow sample {at - 1} "
            f"({t_ms[at - 1]:g} ms)"
        )
