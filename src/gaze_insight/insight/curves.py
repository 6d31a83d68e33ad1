"""Charts of the study pages: curves with bands, overlaid histograms, and intervals against a margin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import NullFormatter, ScalarFormatter
from numpy.typing import ArrayLike, NDArray

from gaze_insight.insight.chart_style import INK as _INK
from gaze_insight.insight.chart_style import SERIES as _SERIES
from gaze_insight.insight.chart_style import STYLE as _STYLE
from gaze_insight.insight.chart_style import as_svg as _svg
from gaze_insight.insight.chart_style import blank_figure as _figure

__all__ = ["Curve", "Interval", "Mark", "draw_curve", "interval_chart", "line_chart", "overlaid_histogram"]

_DASHES = ("solid", (0, (5, 2)), (0, (1.5, 1.5)), (0, (6, 2, 1.5, 2)), (0, (3, 2)))
_MARKERS = ("o", "s", "^", "D", "v")
_MARGIN_COLOUR = "#2aa876"
_REFERENCE = (0, (4, 3))


@dataclass(frozen=True)
class Curve:
    """A mean with its interval over a dial.

    Args:
        title: Its name in the legend.
        x: Places, (N,).
        mean: Values, (N,); NaN leaves a gap.
        low: Lower ends, (N,), or empty for no band.
        high: Upper ends, (N,).

    Example:
        >>> Curve("all", [0, 1], [0.7, 0.8]).low
        ()
    """

    title: str
    x: Sequence[float]
    mean: Sequence[float]
    low: Sequence[float] = ()
    high: Sequence[float] = ()


@dataclass(frozen=True)
class Mark:
    """A vertical line with a word to it.

    Args:
        x: Its place.
        text: What it is.

    Example:
        >>> Mark(12.4, "box").text
        'box'
    """

    x: float
    text: str


@dataclass(frozen=True)
class Interval:
    """A row of an interval chart.

    Args:
        title: What was measured.
        value: Its value.
        low: Lower end.
        high: Upper end.
        reference: A value to hold it against, drawn as a tick; None for none.

    Example:
        >>> Interval("count", 0.1, 0.05, 0.2).reference is None
        True
    """

    title: str
    value: float
    low: float
    high: float
    reference: float | None = None


def draw_curve(
    axis: Axes, curve: Curve, number: int, *, x_factor: float = 1.0, width: float, marker_size: float
) -> None:
    """Draw a curve and its band; colour, dash and marker follow from its number, so that each tells it.

    Args:
        axis: Where to draw.
        curve: The curve.
        number: Its place among the curves of the chart, from 0.
        x_factor: What its places are multiplied by.
        width: Of the line, in points.
        marker_size: In points.

    Example:
        >>> from matplotlib.figure import Figure
        >>> axis = Figure().subplots()
        >>> draw_curve(axis, Curve("all", [0, 1], [0.7, 0.8]), 0, width=1.5, marker_size=4)
        >>> len(axis.lines)
        1
    """
    colour = _SERIES[number % len(_SERIES)]
    x = np.asarray(curve.x, dtype=np.float64) * x_factor
    if len(curve.low):
        axis.fill_between(x, curve.low, curve.high, color=colour, alpha=0.16, linewidth=0)
    axis.plot(
        x,
        curve.mean,
        color=colour,
        linestyle=_DASHES[number % len(_DASHES)],
        marker=_MARKERS[number % len(_MARKERS)],
        markersize=marker_size,
        linewidth=width,
        label=curve.title,
    )


def line_chart(
    curves: Sequence[Curve],
    *,
    name: str,
    label: str,
    x_label: str,
    y_label: str,
    marks: Sequence[Mark] = (),
    level: float | None = None,
    level_title: str = "",
    log_x: bool = False,
    percent_x: bool = False,
    y_range: tuple[float, float] | None = None,
    ticks: Sequence[tuple[float, str]] = (),
) -> str:
    """Draw curves with their bands; each has its own colour, dash and marker, so that it survives grey print.

    Args:
        curves: The first is drawn thickest.
        name: Prefix of the ids inside the SVG, unique on its page.
        label: What the chart shows, for those who cannot see it.
        x_label: What the places are, with unit.
        y_label: What the values are, with unit.
        marks: Vertical lines.
        level: A horizontal line, or None.
        level_title: Its name in the legend.
        log_x: A logarithmic axis across; places must be above 0.
        percent_x: Write the places (fractions) as percentages.
        y_range: Lower and upper end of the axis upwards; None takes them from the data.
        ticks: Places and names of the ticks across; empty for the usual ones.

    Returns:
        Inline SVG; an empty string for no curve.

    Example:
        >>> line_chart([], name="c", label="none", x_label="s", y_label="Dice")
        ''
    """
    if not curves:
        return ""
    with mpl.rc_context(_STYLE):
        figure, (axis,) = _figure(5.6, 3.7)
        for number, curve in enumerate(curves):
            width = 2.2 if number == 0 else 1.5
            draw_curve(axis, curve, number, x_factor=100 if percent_x else 1, width=width, marker_size=4.2)
        if level is not None:
            axis.axhline(level, color=_INK, linewidth=1, linestyle=_REFERENCE, label=level_title or None)
        axis.set(xlabel=x_label, ylabel=y_label)
        if y_range is not None:
            axis.set_ylim(*y_range)
        if log_x:
            axis.set_xscale("log")
            axis.xaxis.set_major_formatter(ScalarFormatter())
            axis.xaxis.set_minor_formatter(NullFormatter())
        if ticks:
            axis.set_xticks([place for place, _ in ticks], [word for _, word in ticks])
            axis.minorticks_off()
        if marks:
            _draw_marks(axis, sorted(marks, key=lambda one: one.x), log_x=log_x)
            figure.legend(loc="outside upper left", fontsize=9)
        else:
            axis.legend(loc="best", fontsize=9)
        return _svg(figure, name, label)


def _draw_marks(axis: Axes, marks: Sequence[Mark], *, log_x: bool) -> None:
    """Draw the lines, and each word on the side where there is more room, at alternating heights."""
    places = np.array([mark.x for mark in marks])
    room = np.diff(np.log(places) if log_x else places, prepend=-np.inf, append=-np.inf)
    for number, mark in enumerate(marks):
        leftwards = number == 0 or not room[number + 1] > room[number]
        axis.axvline(mark.x, color=_INK, linewidth=1, linestyle=_REFERENCE, alpha=0.6)
        axis.annotate(
            mark.text,
            (mark.x, 0.03 + 0.3 * (number % 2)),
            xycoords=("data", "axes fraction"),
            xytext=(-2 if leftwards else 2, 0),
            textcoords="offset points",
            rotation=90,
            ha="right" if leftwards else "left",
            va="bottom",
            fontsize=8.5,
        )


def overlaid_histogram(
    first: ArrayLike,
    second: ArrayLike,
    *,
    titles: tuple[str, str],
    name: str,
    label: str,
    x_label: str,
    y_label: str,
    bins: int = 30,
    middle: float = 0.99,
) -> str:
    """Draw two distributions over each other, each as shares of its own values, with their means marked.

    The range is that of the middle of all values; what lies beyond is counted in the outermost bars. Whole
    numbers within few values get one bar each.

    Args:
        first: Values drawn filled, (N,).
        second: Values drawn as an outline, (M,).
        titles: Names of the two.
        name: Prefix of the ids inside the SVG, unique on its page.
        label: What the chart shows, for those who cannot see it.
        x_label: What the values are, with unit.
        y_label: What is counted.
        bins: Bars.
        middle: Share of all values within the range, in (0, 1].

    Returns:
        Inline SVG; an empty string where either has no value.

    Example:
        >>> overlaid_histogram([], [1], titles=("a", "b"), name="h", label="", x_label="ms", y_label="%")
        ''
    """
    sides = [np.asarray(values, dtype=np.float64) for values in (first, second)]
    if min(len(values) for values in sides) == 0:
        return ""
    edges = _edges(np.concatenate(sides), bins, middle)
    with mpl.rc_context(_STYLE):
        figure, (axis,) = _figure(5.6, 2.9)
        for number, (values, title) in enumerate(zip(sides, titles, strict=True)):
            shares = np.histogram(np.clip(values, edges[0], edges[-1]), bins=edges)[0] / len(values)
            axis.stairs(
                100 * shares,
                edges,
                fill=number == 0,
                color=_SERIES[number],
                alpha=0.5 if number == 0 else 1.0,
                linewidth=2.0,
                label=title,
            )
            axis.axvline(
                float(values.mean()), color=_SERIES[number], linewidth=1.4, linestyle=_DASHES[1 + number]
            )
        axis.set(xlabel=x_label, ylabel=y_label)
        axis.grid(visible=False, axis="x")
        axis.legend(loc="best", fontsize=9)
        return _svg(figure, name, label)


def _edges(values: NDArray[np.float64], bins: int, middle: float) -> NDArray[np.float64]:
    low, high = (float(end) for end in np.percentile(values, [50 * (1 - middle), 50 * (1 + middle)]))
    if high <= low:
        low, high = low - 0.5, high + 0.5
    if bool((values == np.rint(values)).all()) and high - low < 3 * bins:
        step = max(1, round((high - low) / bins))
        return np.arange(np.floor(low) - 0.5, np.ceil(high) + 0.5 + step, step)
    return np.linspace(low, high, bins + 1)


def interval_chart(
    rows: Sequence[Interval],
    *,
    name: str,
    label: str,
    x_label: str,
    margin: float,
    reference_title: str = "",
) -> str:
    """Draw values with their intervals, one row each, against a margin: within it, beyond it, or across.

    Args:
        rows: From top to bottom.
        name: Prefix of the ids inside the SVG, unique on its page.
        label: What the chart shows, for those who cannot see it.
        x_label: What the values are, with unit.
        margin: The margin, drawn as a zone from 0.
        reference_title: What the ticks of `Interval.reference` are.

    Returns:
        Inline SVG; an empty string for no row.

    Example:
        >>> interval_chart([], name="i", label="none", x_label="sd", margin=0.25)
        ''
    """
    if not rows:
        return ""
    with mpl.rc_context(_STYLE):
        figure, (axis,) = _figure(7.4, 1.3 + 0.3 * len(rows))
        axis.axvspan(0, margin, color=_MARGIN_COLOUR, alpha=0.13, linewidth=0, label=f"margin {margin:g}")
        places = np.arange(len(rows))[::-1]
        for place, row in zip(places, rows, strict=True):
            axis.plot([row.low, row.high], [place, place], color=_SERIES[0], linewidth=2.4, alpha=0.6)
            axis.plot([row.value], [place], "o", color=_SERIES[0], markersize=6)
            if row.reference is not None:
                axis.plot([row.reference], [place], "|", color=_INK, markersize=11, markeredgewidth=1.6)
        if any(row.reference is not None for row in rows):
            axis.plot([], [], "|", color=_INK, markersize=11, markeredgewidth=1.6, label=reference_title)
        axis.set_yticks(places, [row.title for row in rows])
        axis.set(xlabel=x_label, ylim=(-0.7, len(rows) - 0.3))
        axis.set_xlim(left=0)
        axis.grid(visible=False, axis="y")
        figure.legend(loc="outside upper center", ncols=2, fontsize=9)
        return _svg(figure, name, label)
