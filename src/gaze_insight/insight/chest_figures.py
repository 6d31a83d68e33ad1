"""Charts of a classifier's page: ROC curves of all findings, calibration, and the course of the training."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gaze_insight.insight.chart_style import INK, SERIES, STYLE, as_svg, blank_figure

__all__ = ["RocPanel", "calibration_chart", "roc_panels", "training_curves"]

_DASHED = (0, (4, 3))
_ACROSS = 4
_STYLES = ("solid", _DASHED)
_NO_CURVES = ("stage_index", "epoch", "step", "learning_rate", "seconds")


@dataclass(frozen=True)
class RocPanel:
    """The ROC curve of one finding.

    Args:
        title: The finding.
        text: Its area with the interval, as it stands in the panel.
        false_rate: False-positive rates, rising, (G,).
        true_rate: True-positive rates, (G,).
        at: False-positive and true-positive rate at the threshold; None where there is no threshold.

    Example:
        >>> RocPanel("Edema", "0.81", [0, 1], [0, 1]).at is None
        True
    """

    title: str
    text: str
    false_rate: Sequence[float]
    true_rate: Sequence[float]
    at: tuple[float, float] | None = None


def roc_panels(panels: Sequence[RocPanel], *, name: str, label: str) -> str:
    """Draw one small ROC curve a finding, with its area and its threshold as a dot.

    Args:
        panels: From left to right and from top to bottom.
        name: Prefix of the ids inside the SVG, unique on its page.
        label: What the chart shows, for those who cannot see it.

    Returns:
        Inline SVG; an empty string for no panel.

    Example:
        >>> roc_panels([], name="r", label="none")
        ''
    """
    if not panels:
        return ""
    across = min(_ACROSS, len(panels))
    down = math.ceil(len(panels) / across)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(0.5 + 2.2 * across, 0.5 + 2.3 * down), layout="constrained")
        figure.patch.set_alpha(0)
        grid = figure.subplots(down, across, sharex=True, sharey=True, squeeze=False)
        places = list(grid.flat)
        for axis, panel in zip(places, panels, strict=False):
            _draw_roc(axis, panel)
        for axis in places[len(panels) :]:
            axis.set_axis_off()
        for number, axis in enumerate(places[: len(panels)]):
            axis.tick_params(labelbottom=number + across >= len(panels))
        figure.supxlabel("false alarms: share of those without the finding", fontsize=10)
        figure.supylabel("found: share of those with it", fontsize=10)
        return as_svg(figure, name, label)


def _draw_roc(axis: Axes, panel: RocPanel) -> None:
    axis.patch.set_alpha(0)
    axis.plot([0, 1], [0, 1], color=INK, linewidth=0.9, linestyle=_DASHED)
    axis.fill_between(panel.false_rate, panel.true_rate, color=SERIES[0], alpha=0.12, linewidth=0)
    axis.plot(panel.false_rate, panel.true_rate, color=SERIES[0], linewidth=1.6)
    if panel.at is not None:
        axis.plot(*panel.at, "o", color=SERIES[1], markersize=6)
    axis.set_title(panel.title, fontsize=10)
    axis.text(0.98, 0.06, panel.text, transform=axis.transAxes, ha="right", fontsize=9)
    axis.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), xticks=(0, 0.5, 1), yticks=(0, 0.5, 1))
    axis.set_aspect("equal")


def calibration_chart(curves: Mapping[str, Sequence[Sequence[float]]], *, name: str, label: str) -> str:
    """Draw the share of positives against the probability, bin by bin; a dot's area is its share of entries.

    Args:
        curves: Title to bins (mean probability, share of positives, share of entries).
        name: Prefix of the ids inside the SVG, unique on its page.
        label: What the chart shows, for those who cannot see it.

    Returns:
        Inline SVG; an empty string where no curve has a bin.

    Example:
        >>> calibration_chart({"all": []}, name="c", label="none")
        ''
    """
    drawn = {title: np.array(bins, dtype=np.float64) for title, bins in curves.items() if len(bins)}
    if not drawn:
        return ""
    with mpl.rc_context(STYLE):
        figure, (axis,) = blank_figure(4.6, 4.4)
        axis.plot([0, 1], [0, 1], color=INK, linewidth=1, linestyle=_DASHED, label="as it should be")
        for number, (title, table) in enumerate(drawn.items()):
            colour = SERIES[number % len(SERIES)]
            axis.plot(table[:, 0], table[:, 1], color=colour, linewidth=1.4, alpha=0.8, label=title)
            axis.scatter(table[:, 0], table[:, 1], s=14 + 500 * table[:, 2], color=colour, alpha=0.5)
        axis.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        axis.set(xlabel="probability given", ylabel="share that has the finding")
        axis.set_aspect("equal")
        axis.legend(loc="upper left", fontsize=9)
        return as_svg(figure, name, label)


def training_curves(history: Sequence[Mapping[str, Any]]) -> str:
    """Draw the loss with its terms, the parts of each term, and the validation score over the training.

    A row's place is its "step" (else its number), counted on from stage to stage. A number whose name begins
    with "val_" is a score; one whose name goes on from another's ("gaze_kl" from "gaze") is a part of that.

    Args:
        history: Rows of the training history, in order.

    Returns:
        Inline SVG; an empty string if the history holds neither losses nor scores.

    Example:
        >>> training_curves([{"step": 1, "seconds": 3.0}])
        ''
    """
    curves = {name: points for name, points in _curves(history).items() if name not in _NO_CURVES}
    panels: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for name, points in curves.items():
        whole = next((other for other in curves if name.startswith(f"{other}_")), "")
        title = "validation score" if name.startswith("val_") else f"parts of {whole}" if whole else "loss"
        panels.setdefault(title, {})[name.removeprefix(f"{whole}_").replace("_", " ")] = points
    if not panels:
        return ""
    across = min(3, len(panels))
    down = math.ceil(len(panels) / across)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(3.7 * across, 2.9 * down), layout="constrained")
        figure.patch.set_alpha(0)
        places = list(figure.subplots(down, across, squeeze=False).flat)
        for axis in places:
            axis.patch.set_alpha(0)
        for axis, (title, named) in zip(places, panels.items(), strict=False):
            _draw_course(axis, title, named)
        for axis in places[len(panels) :]:
            axis.set_axis_off()
        return as_svg(figure, "training", "Losses and validation score over the training")


def _draw_course(axis: Axes, title: str, named: Mapping[str, Sequence[tuple[float, float]]]) -> None:
    for number, (name, points) in enumerate(named.items()):
        x, y = zip(*points, strict=True)
        marker = "o" if len(points) < 40 else ""
        colour, style = SERIES[number % len(SERIES)], _STYLES[number // len(SERIES) % len(_STYLES)]
        axis.plot(x, y, marker=marker, markersize=3, color=colour, linestyle=style, label=name)
    axis.set_title(title, fontsize=10)
    axis.set_xlabel("step")
    axis.legend(loc="best", fontsize=8)


def _curves(history: Sequence[Mapping[str, Any]]) -> dict[str, list[tuple[float, float]]]:
    places = [float(row.get("step", number)) for number, row in enumerate(history)]
    offset, shifted = 0.0, places[:1]
    for before, now in pairwise(places):
        if now < before:
            offset = shifted[-1]
        shifted.append(now + offset)
    curves: dict[str, list[tuple[float, float]]] = {}
    for row, place in zip(history, shifted, strict=True):
        for name, value in row.items():
            if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
                curves.setdefault(name, []).append((place, float(value)))
    return curves
