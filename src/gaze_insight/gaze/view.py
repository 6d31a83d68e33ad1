"""Which part of an image stood where on the screen, and when."""

from __future__ import annotations

from typing import Annotated, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from gaze_insight.types import BoolArray, Settings

__all__ = ["Rect", "View"]

_Number = Annotated[float, Field(allow_inf_nan=False)]
_Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Rect(Settings):
    """A rectangle; in pixels or fractions, as the field that holds it says.

    Example:
        >>> Rect(left=10, top=0, width=100, height=50).right
        110.0
    """

    left: _Number = Field(description="horizontal place of the left edge")
    top: _Number = Field(description="vertical place of the upper edge, downwards")
    width: _Positive = Field(description="extent to the right")
    height: _Positive = Field(description="extent downwards")

    @property
    def right(self) -> float:
        """Horizontal place of the right edge."""
        return self.left + self.width

    @property
    def bottom(self) -> float:
        """Vertical place of the lower edge."""
        return self.top + self.height


_WHOLE = Rect(left=0, top=0, width=1, height=1)


class View(Settings):
    """One state of the display: this part of the image stood in this rectangle of the screen, then.

    Zoom and pan are several views, one after the other. ``image_frac`` may reach beyond 0..1 where the window
    showed a margin around the image.

    Example:
        >>> whole = View(screen_px=Rect(left=100, top=0, width=800, height=600))
        >>> whole.image_frac.width, whole.start_ms
        (1.0, None)
    """

    screen_px: Rect = Field(description="where on the screen, in screen pixels from its upper left corner")
    image_frac: Rect = Field(_WHOLE, description="which part of the image, in fractions of its sides")
    start_ms: _Number | None = Field(None, description="from when, on the recording's clock; null: always")
    end_ms: _Number | None = Field(None, description="until when (not included); null: to the end")
    session: str | None = Field(None, description="the recording that it belongs to; null: to all")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.start_ms is not None and self.end_ms is not None and self.end_ms <= self.start_ms:
            raise ValueError(f"end_ms must be above start_ms {self.start_ms:g}, found {self.end_ms:g}")
        return self

    def is_live(self, t_ms: NDArray[np.float64]) -> BoolArray:
        """Tell at which times the view is shown: ``start_ms <= t < end_ms``.

        Args:
            t_ms: Times on the recording's clock, shape (N,).

        Returns:
            Boolean, shape (N,).

        Example:
            >>> screen = Rect(left=0, top=0, width=8, height=6)
            >>> View(screen_px=screen, end_ms=500).is_live(np.array([0.0, 499.9, 500.0])).tolist()
            [True, True, False]
        """
        live = np.ones(t_ms.shape, dtype=bool)
        if self.start_ms is not None:
            live &= t_ms >= self.start_ms
        if self.end_ms is not None:
            live &= t_ms < self.end_ms
        return live
