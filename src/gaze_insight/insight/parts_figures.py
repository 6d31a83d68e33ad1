"""Charts of labels: parts by lesion size, expected against true Dice, expected Dice of a cohort."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
from numpy.typing import ArrayLike

from gaze_insight.insight.chart_style import INK, SERIES, STYLE, as_svg, blank_figure

__all__ = ["Bar", "bar_panels", "difference_chart", "expected_histogram", "expected_scatter"]

_DASHED = (0, (4, 3))


@dataclass(frozen=True)
class Bar:
    """A value with its interval.

    Args:
        title: What was measured.
        value: Its value.
        low: Lower end of its interval; NaN for none.
        high: Upper end.
        series: Place of its colour.

    Example:
        >>> Bar("vote", 0.85, 0.83, 0.87).series
        0
    """

    title: str
    value: float
    low: float
    high: float
    series: int = 0


def bar_panels(panels: Mapping[str, Sequence[Bar]], *, name: str, label: str, x_label: str) -> str:
    """Draw panels of bars side by side, with the same rows in each and the value written into each bar.

    Args:
        panels: Title to rows from top to bottom; the same number in each panel.
        name: Prefix of the ids inside the SVG, unique on its page.
        label: What the chart shows, for those who cannot see it.
        x_label: What the bars are; they run from 0 to 1.

    Returns:
        Inline SVG; an empty string for no panel.

    Example:
        >>> bar_panels({}, name="p", label="", x_label="Dice")
        ''
    """
    if not panels:
        return ""
    with mpl.rc_context(STYLE):
        rows = len(next(iter(panels.values())))
        figure, axes = blank_figure(2.0 + 2.15 * len(panels), 1.1 + 0.34 * rows, len(panels))
        for number, (axis, (title, bars)) in enumerate(zip(axes, panels.items(), strict=True)):
            places = np.arange(len(bars))[::-1]
            for place, bar in zip(places, bars, strict=True):
                colour = SERIES[bar.series % len(SERIES)]
                axis.barh(place, bar.value, height=0.72, color=colour, alpha=0.55)
                axis.plot([bar.low, bar.high], [place, place], color=INK, linewidth=1.6)
                axis.text(0.02, place, f"{bar.value:.3f}", va="center", fontsize=8.5)
            axis.set_yticks(places, [bar.title for bar in bars] if number == 0 else [""] * len(bars))
            axis.set(xlim=(0, 1), ylim=(-0.6, len(bars) - 0.4), xlabel=x_label)
            axis.set_title(title, fontsize=9.5)
            axis.grid(visible=False, axis="y")
        return as_svg(figure, name, label)


def difference_chart(bars: Sequence[Bar], *, name: str, label: str, x_label: str) -> str:
    """Draw differences with their intervals, one row each, against a line at 0.

    Args:
        bars: From top to bottom.
        name: Prefix of the ids inside the SVG, unique on its page.
        label: What the chart shows, for those who cannot see it.
        x_label: What the differences are.

    Returns:
        Inline SVG; an empty string for no row.

    Example:
        >>> difference_chart([], name="d", label="", x_label="Dice")
        ''
    """
    if not bars:
        return ""
    with mpl.rc_context(STYLE):
        figure, (axis,) = blank_figure(5.6, 1.0 + 0.32 * len(bars))
        places = np.arange(len(bars))[::-1]
        axis.axvline(0, color=INK, linewidth=1, linestyle=_DASHED)
        for place, bar in zip(places, bars, strict=True):
            colour = SERIES[bar.series % len(SERIES)]
            axis.plot([bar.low, bar.high], [place, place], color=colour, linewidth=2.4, alpha=0.6)
            axis.plot([bar.value], [place], "o", color=colour, markersize=6)
        axis.set_yticks(places, [bar.title for bar in bars])
        axis.set(xlabel=x_label, ylim=(-0.6, len(bars) - 0.4))
        axis.grid(visible=False, axis="y")
        return as_svg(figure, name, label)


def expected_scatter(
    expected: ArrayLike,
    true: ArrayLike,
    bins: Sequence[tuple[float, float, int]] = (),
    *,
    name: str = "expected-scatter",
    note: str = "",
) -> str:
    """Draw each case by expected and true Dice, with the identity line and the means of equal bins.

    Args:
        expected: Expected Dice, (N,).
        true: True Dice, (N,).
        bins: Mean expected and mean true Dice and number of cases of each bin.
        name: Prefix of the ids inside the SVG, unique on its page.
        note: Words in a corner.

    Returns:
        Inline SVG; an empty string for no case.

    Example:
        >>> expected_scatter([], [])
        ''
    """
    one, other = np.asarray(expected, dtype=np.float64), np.asarray(true, dtype=np.float64)
    if not len(one):
        return ""
    lowest = max(0.0, min(float(np.quantile(one, 0.005)), float(np.quantile(other, 0.005))) - 0.05)
    with mpl.rc_context(STYLE):
        figure, (axis,) = blank_figure(5.4, 4.6)
        axis.plot([0, 1], [0, 1], color=INK, linewidth=1, linestyle=_DASHED, label="expected = true")
        size, alpha = (24, 0.5) if len(one) < 300 else (13, 0.32)
        axis.scatter(
            one, np.maximum(other, lowest), s=size, color=SERIES[0], alpha=alpha, linewidths=0, label="a case"
        )
        if bins:
            means, truths, _ = zip(*bins, strict=True)
            axis.plot(means, truths, "o-", color=SERIES[1], markersize=5, label="mean of a tenth")
        axis.set(xlim=(lowest, 1), ylim=(lowest, 1.01), xlabel="expected Dice", ylabel="true Dice")
        axis.text(0.98, 0.03, note, transform=axis.transAxes, ha="right")
        axis.legend(loc="upper left", fontsize=9)
        return as_svg(figure, name, "Expected against true Dice of each case, with the identity line")


def expected_histogram(expected: ArrayLike, *, name: str = "expected") -> str:
    """Draw how many cases have which expected Dice, with their mean marked.

    Args:
        expected: Expected Dice, (N,).
        name: Prefix of the ids inside the SVG, unique on its page.

    Returns:
        Inline SVG; an empty string for no case.

    Example:
        >>> expected_histogram([])
        ''
    """
    values = np.asarray(expected, dtype=np.float64)
    if not len(values):
        return ""
    lowest = np.floor(20 * float(values.min())) / 20 - 0.05
    edges = np.arange(max(0.0, lowest), 1.0001, 0.0125 if lowest > 0.4 else 0.025)
    with mpl.rc_context(STYLE):
        figure, (axis,) = blank_figure(7.4, 2.7)
        axis.hist(values, bins=edges.tolist(), color=SERIES[0], alpha=0.85, rwidth=0.92)
        mean = float(values.mean())
        axis.axvline(mean, color=INK, linewidth=1.2, linestyle=_DASHED)
        axis.annotate(
            f"mean {mean:.3f} ", (mean, 1.0), xycoords=("data", "axes fraction"), va="top", ha="right"
        )
        axis.set(xlabel="expected Dice", ylabel="cases", xlim=(float(edges[0]), 1))
        axis.grid(visible=False, axis="x")
        return as_svg(figure, name, "Number of cases by expected Dice")
