"""Pictures and charts of where words act: attention by field, what a changed word moves, colour scales."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray

from gaze_insight.insight.chart_style import INK, SERIES, STYLE, as_svg, blank_figure
from gaze_insight.insight.curves import Interval
from gaze_insight.insight.pictures import tile_size
from gaze_insight.types import ByteArray, FloatArray, Size

__all__ = [
    "attention_limit",
    "attention_tile",
    "change_limit",
    "change_tile",
    "colour_scale",
    "difference_chart",
]

Colour = tuple[int, int, int]

LESS: Colour = (58, 110, 216)
MORE: Colour = (240, 128, 20)
_BEFORE: Colour = (255, 255, 255)
_AFTER: Colour = (255, 92, 190)
_HALO: Colour = (10, 12, 16)
_LIMITS = (1.25, 1.5, 2.0, 3.0, 5.0, 10.0)
_CHANGES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


def attention_limit(maps: Sequence[FloatArray]) -> float:
    """Choose the end of a colour scale that fits most of what is shown.

    Args:
        maps: Relative attention, 1 for indifference; of any shapes.

    Returns:
        The smallest of 1.25, 1.5, 2, 3, 5 and 10 that 99 % of the values lie within (as a factor, either
        way); 10 for more, 1.25 for no map.

    Example:
        >>> attention_limit([np.array([0.6, 1.4])])
        2.0
    """
    logs = [np.abs(np.log(np.maximum(np.asarray(one, dtype=np.float64), 1e-3))).ravel() for one in maps]
    reach = float(np.exp(np.percentile(np.concatenate(logs), 99))) if logs else 1.0
    return next((limit for limit in _LIMITS if reach <= limit), _LIMITS[-1])


def change_limit(maps: Sequence[FloatArray]) -> float:
    """Choose the end of a colour scale for changes of probability.

    Args:
        maps: Differences in [-1, 1]; of any shapes.

    Returns:
        The smallest of 0.01, 0.02, 0.05, 0.1, 0.2, 0.5 and 1 that 99.5 % of the values lie within.

    Example:
        >>> change_limit([np.array([-0.3, 0.1])])
        0.5
    """
    sizes = [np.abs(np.asarray(one, dtype=np.float64)).ravel() for one in maps]
    reach = float(np.percentile(np.concatenate(sizes), 99.5)) if sizes else 0.0
    return next((limit for limit in _CHANGES if reach <= limit), _CHANGES[-1])


def attention_tile(
    image: ByteArray,
    relative: FloatArray,
    limit: float,
    *,
    lesion: FloatArray | None = None,
    threshold: float = 0.5,
    long_side_px: int = 300,
) -> ByteArray:
    """Lay relative attention over the image in grey: orange asks more than indifference, blue less.

    Args:
        image: RGB, (H, W, 3) uint8.
        relative: (h, w), >= 0, of any resolution; 1 stays grey.
        limit: Factor at which a colour is full, above 1.
        lesion: Probability of any resolution, drawn as an outline; None for none.
        threshold: The outline stands where the probability crosses it.
        long_side_px: Longer side of the picture.

    Returns:
        RGB picture, uint8.

    Example:
        >>> picture = attention_tile(np.full((4, 4, 3), 90, np.uint8), np.full((2, 2), 2.0), 2.0)
        >>> bool(picture[..., 0].mean() > picture[..., 2].mean())
        True
    """
    field = _fitted(relative, image, long_side_px)
    level = np.log(np.maximum(field, 1e-3)) / math.log(limit)
    shown = _tinted(image, level, long_side_px)
    if lesion is not None:
        _outline(shown, _fitted(lesion, image, long_side_px) > threshold, _BEFORE)
    return shown


def change_tile(
    image: ByteArray,
    before: FloatArray,
    after: FloatArray,
    limit: float,
    *,
    threshold: float = 0.5,
    long_side_px: int = 300,
) -> ByteArray:
    """Show what moved between two predictions: orange became more likely lesion, blue less likely.

    The outline before is white, the one after pink, drawn above it.

    Args:
        image: RGB, (H, W, 3) uint8; shown in grey.
        before: (h, w) probability in [0, 1] of any resolution.
        after: (h, w) probability, of the same resolution.
        limit: Change at which a colour is full, above 0.
        threshold: An outline stands where a probability crosses it.
        long_side_px: Longer side of the picture.

    Returns:
        RGB picture, uint8.

    Example:
        >>> same = np.zeros((4, 4), np.float32)
        >>> picture = change_tile(np.full((4, 4, 3), 90, np.uint8), same, same, 0.1)
        >>> int(np.ptp(picture))
        0
    """
    masks = [_fitted(one, image, long_side_px) > threshold for one in (before, after)]
    difference = after.astype(np.float32) - before.astype(np.float32)
    shown = _tinted(image, _fitted(difference, image, long_side_px) / limit, long_side_px)
    for mask, colour in zip(masks, (_BEFORE, _AFTER), strict=True):
        _outline(shown, mask, colour)
    return shown


def colour_scale(low: str, middle: str, high: str, *, name: str) -> str:
    """Draw the colour scale of the pictures as a bar with its three names.

    Args:
        low: What full blue is.
        middle: What grey is.
        high: What full orange is.
        name: Prefix of the ids inside the SVG, unique on its page.

    Returns:
        Inline SVG.

    Example:
        >>> colour_scale("half", "alike", "double", name="s")[:4]
        '<svg'
    """
    with mpl.rc_context(STYLE):
        figure, (axis,) = blank_figure(6.4, 0.62)
        level = np.linspace(-1, 1, 257, dtype=np.float32)[None]
        bar = _tinted(np.full((1, 257, 3), 120, np.uint8), level, 257)
        axis.imshow(bar, aspect="auto", extent=(-1, 1, 0, 1), interpolation="nearest")
        axis.set_xticks([-1, 0, 1], [low, middle, high])
        axis.set_yticks([])
        axis.grid(visible=False)
        names = axis.get_xticklabels()
        names[0].set_horizontalalignment("left")
        names[-1].set_horizontalalignment("right")
        return as_svg(figure, name, f"Colour scale: {low}, {middle}, {high}")


def difference_chart(
    rows: Sequence[Interval], *, name: str, label: str, x_label: str, controls: int = 0
) -> str:
    """Draw means with their intervals, one row each, on an axis that knows below and above 0.

    Args:
        rows: From top to bottom.
        name: Prefix of the ids inside the SVG, unique on its page.
        label: What the chart shows, for those who cannot see it.
        x_label: What the values are, with unit.
        controls: How many of the last rows are controls, drawn in another colour and form.

    Returns:
        Inline SVG; an empty string for no row.

    Example:
        >>> difference_chart([], name="d", label="none", x_label="Dice")
        ''
    """
    if not rows:
        return ""
    with mpl.rc_context(STYLE):
        figure, (axis,) = blank_figure(5.6, 0.9 + 0.29 * len(rows))
        axis.axvline(0, color=INK, linewidth=1, alpha=0.6)
        places = np.arange(len(rows))[::-1]
        for number, (place, row) in enumerate(zip(places, rows, strict=True)):
            control = number >= len(rows) - controls
            colour = SERIES[1] if control else SERIES[0]
            axis.plot([row.low, row.high], [place, place], color=colour, linewidth=2.4, alpha=0.6)
            axis.plot([row.value], [place], "s" if control else "o", color=colour, markersize=6)
        axis.set_yticks(places, [row.title for row in rows])
        axis.set(xlabel=x_label, ylim=(-0.7, len(rows) - 0.3))
        axis.grid(visible=False, axis="y")
        return as_svg(figure, name, label)


def _fitted(values: FloatArray, image: ByteArray, long_side_px: int) -> NDArray[np.float32]:
    height, width = tile_size(Size(*image.shape[:2]), long_side_px)
    fitted: NDArray[np.float32] = cv2.resize(
        values.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR
    )
    return fitted


def _tinted(image: ByteArray, level: NDArray[np.floating], long_side_px: int) -> ByteArray:
    """Colour a grey image by levels in [-1, 1]; 0 leaves it grey."""
    height, width = tile_size(Size(*image.shape[:2]), long_side_px)
    grey = cv2.cvtColor(
        cv2.cvtColor(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY),
        cv2.COLOR_GRAY2RGB,
    )
    clipped = np.clip(level, -1, 1)[..., None]
    colour = np.where(clipped > 0, np.array(MORE, np.float32), np.array(LESS, np.float32))
    mixed = grey * (1 - 0.8 * np.abs(clipped)) + colour * 0.8 * np.abs(clipped)
    tinted: ByteArray = np.clip(np.rint(mixed), 0, 255).astype(np.uint8)
    return tinted


def _outline(tile: ByteArray, region: NDArray[np.bool_], colour: Colour) -> None:
    contours, _ = cv2.findContours(region.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(tile, contours, -1, _HALO, 4, cv2.LINE_AA)
    cv2.drawContours(tile, contours, -1, colour, 2, cv2.LINE_AA)
