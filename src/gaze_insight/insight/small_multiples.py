"""Many small charts of one kind beside each other, on equal axes, with one legend for all."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from gaze_insight.insight.chart_style import STYLE, as_svg
from gaze_insight.insight.curves import Curve, draw_curve

__all__ = ["Panel", "panel_chart"]


@dataclass(frozen=True)
class Panel:
    """One of the charts.

    Args:
        title: What is special about it.
        curves: Its lines; equal titles look alike in all panels.

    Example:
        >>> Panel("JPEG", ()).title
        'JPEG'
    """

    title: str
    curves: Sequence[Curve]


def panel_chart(
    panels: Sequence[Panel],
    *,
    name: str,
    label: str,
    x_label: str,
    y_label: str,
    columns: int = 4,
    y_range: tuple[float, float] | None = None,
) -> str:
    """Draw one panel for each; all share their axes, so that heights can be compared across panels.

    Args:
        panels: From left to right and from top to bottom.
        name: Prefix of the ids inside the SVG, unique on its page.
        label: What the chart shows, for those who cannot see it.
        x_label: What the places are, with unit.
        y_label: What the values are, with unit.
        columns: Panels side by side, at least 1.
        y_range: Lower and upper end of the axis upwards; None takes them from the data.

    Returns:
        Inline SVG; an empty string for no panel.

    Example:
        >>> panel_chart([], name="p", label="none", x_label="severity", y_label="Dice")
        ''
    """
    if not panels:
        return ""
    titles = list(dict.fromkeys(curve.title for panel in panels for curve in panel.curves))
    across = min(columns, len(panels))
    down = math.ceil(len(panels) / across)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(0.5 + 2.1 * across, 0.8 + 1.8 * down), layout="constrained")
        figure.patch.set_alpha(0)
        grid = figure.subplots(down, across, sharex=True, sharey=True, squeeze=False)
        places = list(grid.flat)
        for axis, panel in zip(places, panels, strict=False):
            _draw(axis, panel, titles)
        for axis in places[len(panels) :]:
            axis.set_axis_off()
        for column, axis in enumerate(places[: len(panels)]):
            axis.tick_params(labelbottom=column + across >= len(panels))
        places[0].xaxis.set_major_locator(MaxNLocator(integer=True))
        if y_range is not None:
            places[0].set_ylim(*y_range)
        figure.supxlabel(x_label, fontsize=10)
        figure.supylabel(y_label, fontsize=10)
        handles, names = places[0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside upper center", ncols=min(4, len(names)), fontsize=9)
        return as_svg(figure, name, label)


def _draw(axis: Axes, panel: Panel, titles: Sequence[str]) -> None:
    axis.patch.set_alpha(0)
    axis.set_title(panel.title, fontsize=10)
    for curve in panel.curves:
        draw_curve(axis, curve, titles.index(curve.title), width=1.6, marker_size=3.4)
