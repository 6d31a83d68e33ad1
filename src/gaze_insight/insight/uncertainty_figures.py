"""Charts of uncertainty: reliability of probabilities, expected Dice with intervals, risk and coverage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np

from gaze_insight.insight.chart_style import INK, SERIES, STYLE, as_svg, blank_figure
from gaze_insight.insight.curves import Curve, line_chart

__all__ = ["expected_intervals", "reliability_diagram", "risk_coverage_chart"]

_DASHED = (0, (4, 3))
_MARKERS = ("o", "s", "^")


def reliability_diagram(curves: Mapping[str, Sequence[Sequence[float]]], *, name: str, label: str) -> str:
    """Draw the share of lesion against the probability, bin by bin, over the share of pixels in each bin.

    Args:
        curves: Title to bins (probability, share of lesion, share of pixels).
        name: Prefix of the ids inside the SVG, unique on its page.
        label: What the chart shows, for those who cannot see it.

    Returns:
        Inline SVG; an empty string for no curve.

    Example:
        >>> reliability_diagram({}, name="r", label="")
        ''
    """
    if not curves:
        return ""
    with mpl.rc_context(STYLE):
        figure, (axis,) = blank_figure(4.6, 4.4)
        axis.plot([0, 1], [0, 1], color=INK, linewidth=1, linestyle=_DASHED, label="as it should be")
        for number, (title, bins) in enumerate(curves.items()):
            table = np.array(bins, dtype=np.float64)
            colour = SERIES[number % len(SERIES)]
            axis.plot(
                table[:, 0],
                table[:, 1],
                color=colour,
                marker=_MARKERS[number % len(_MARKERS)],
                markersize=5,
                label=title,
            )
            sizes = 0.12 * np.sqrt(table[:, 2] / table[:, 2].max())
            axis.bar(table[:, 0], sizes, width=0.018, bottom=0, color=colour, alpha=0.3, linewidth=0)
        axis.set(xlim=(0, 1), ylim=(0, 1), xlabel="probability of lesion", ylabel="share of lesion")
        axis.set_aspect("equal")
        axis.legend(loc="upper left", fontsize=9)
        return as_svg(figure, name, label)


def expected_intervals(rows: Sequence[Mapping[str, Any]], *, name: str, label: str) -> str:
    """Draw each case by expected and true Dice, with the interval it was given.

    Args:
        rows: Of each case ``confidence`` (the expected Dice), ``low``, ``high`` and ``dice``.
        name: Prefix of the ids inside the SVG, unique on its page.
        label: What the chart shows, for those who cannot see it.

    Returns:
        Inline SVG; an empty string for no case with an interval.

    Example:
        >>> expected_intervals([], name="e", label="")
        ''
    """
    known = [row for row in rows if "low" in row]
    if not known:
        return ""
    expected, low, high, true = (
        np.array([row[key] for row in known]) for key in ("confidence", "low", "high", "dice")
    )
    inside = (low - 1e-9 <= true) & (true <= high + 1e-9)
    with mpl.rc_context(STYLE):
        figure, (axis,) = blank_figure(4.6, 4.4)
        axis.plot([0, 1], [0, 1], color=INK, linewidth=1, linestyle=_DASHED)
        axis.vlines(expected, low, high, color=INK, alpha=0.16, linewidth=2.4)
        for held, title, number, marker in ((inside, "inside", 0, "o"), (~inside, "outside", 1, "s")):
            axis.plot(
                expected[held],
                true[held],
                marker,
                color=SERIES[number],
                markersize=4.5,
                label=f"{title}: {int(held.sum())}",
            )
        start = max(0.0, float(np.floor(10 * expected.min()) / 10) - 0.05)
        axis.set(xlim=(start, 1), ylim=(-0.02, 1.02), xlabel="expected Dice", ylabel="true Dice")
        axis.legend(loc="lower right", fontsize=9, title="true Dice in its interval", title_fontsize=9)
        return as_svg(figure, name, label)


def risk_coverage_chart(curves: Mapping[str, Any], *, name: str, label: str) -> str:
    """Draw the mean Dice of the cases kept against their share, beside the oracle's and chance's.

    Args:
        curves: ``coverage``, ``risk``, ``oracle`` (lists of one length) and ``random``.
        name: Prefix of the ids inside the SVG, unique on its page.
        label: What the chart shows, for those who cannot see it.

    Returns:
        Inline SVG.

    Example:
        >>> facts = {"coverage": [0.5, 1.0], "risk": [0.1, 0.2], "oracle": [0.1, 0.2], "random": 0.2}
        >>> risk_coverage_chart(facts, name="c", label="")[:4]
        '<svg'
    """
    coverage = np.asarray(curves["coverage"])
    shown = np.unique(np.searchsorted(coverage, np.linspace(0.1, 1, 19) - 1e-9).clip(0, len(coverage) - 1))
    lines = [
        Curve(title, coverage[shown].tolist(), (1 - np.asarray(curves[key])[shown]).tolist())
        for title, key in (("by expected Dice", "risk"), ("best possible order", "oracle"))
    ]
    return line_chart(
        lines,
        name=name,
        label=label,
        x_label="cases kept, the surest first, %",
        y_label="mean Dice of those",
        level=1 - curves["random"],
        level_title="all cases",
        percent_x=True,
    )
