"""Charts of the pages: SVG that takes its text colour from the page, so that it suits light and dark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from gaze_insight.evaluation.cases import CaseScore
from gaze_insight.evaluation.statistics import bootstrap_interval
from gaze_insight.evaluation.strata import size_strata
from gaze_insight.insight.chart_style import INK, SERIES, STYLE, as_svg, blank_figure

__all__ = [
    "dice_distribution",
    "dice_scatter",
    "histogram",
    "learning_curves",
    "size_strata_chart",
]


def histogram(values: ArrayLike, *, name: str, label: str, x_label: str, y_label: str, bins: int = 24) -> str:
    """Draw how often each value occurs, with the median marked; the longest 1 % share the last bar.

    Args:
        values: The numbers, (N,).
        name: Prefix of the ids inside the SVG, unique on its page.
        label: What the chart shows, for those who cannot see it.
        x_label: What the values are, with unit.
        y_label: What is counted.
        bins: Bars at most.

    Returns:
        Inline SVG; an empty string for no values.

    Example:
        >>> histogram([], name="h", label="none", x_label="ms", y_label="fixations")
        ''
    """
    array = np.asarray(values, dtype=np.float64)
    if array.size == 0:
        return ""
    top = float(np.percentile(array, 99)) if array.size > 100 else float(array.max())
    clipped = np.minimum(array, top)
    whole = bool((array == np.rint(array)).all()) and top - float(array.min()) < bins
    edges: Any = np.arange(array.min() - 0.5, np.floor(top) + 1.5) if whole else bins
    with mpl.rc_context(STYLE):
        figure, (axis,) = blank_figure(5.4, 2.7)
        axis.hist(clipped, bins=edges, color=SERIES[0], alpha=0.85, rwidth=0.94)
        median = float(np.median(array))
        axis.axvline(median, color=INK, linewidth=1.2, linestyle=(0, (4, 3)))
        axis.annotate(
            f" median {median:.0f}",
            (median, 1.0),
            xycoords=("data", "axes fraction"),
            va="top",
        )
        axis.set(xlabel=x_label, ylabel=y_label)
        axis.grid(visible=False, axis="x")
        return as_svg(figure, name, label)


def dice_distribution(scores: Mapping[str, Sequence[CaseScore]], titles: Mapping[str, str]) -> str:
    """Draw how many test cases reach which Dice, one row of bars a head.

    Args:
        scores: Head to its scores; the first is the one that matters most.
        titles: Head to its name in plain words.

    Returns:
        Inline SVG; an empty string for no scores.

    Example:
        >>> dice_distribution({}, {})
        ''
    """
    shown = {head: rows for head, rows in scores.items() if rows}
    if not shown:
        return ""
    edges = np.linspace(0, 1, 21)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(5.4, 1.0 + 1.05 * len(shown)), layout="constrained")
        figure.patch.set_alpha(0)
        shared: Axes | None = None
        for number, (head, rows) in enumerate(shown.items()):
            axis = figure.add_subplot(len(shown), 1, number + 1, sharex=shared, sharey=shared)
            shared = shared or axis
            axis.patch.set_alpha(0)
            values = [row.dice for row in rows]
            axis.hist(
                values, bins=edges.tolist(), color=SERIES[number % len(SERIES)], alpha=0.85, rwidth=0.92
            )
            axis.axvline(float(np.mean(values)), color=INK, linewidth=1.2, linestyle=(0, (4, 3)))
            axis.text(
                0.01,
                0.96,
                f"{titles.get(head, head)}: mean {np.mean(values):.2f}",
                transform=axis.transAxes,
                va="top",
            )
            axis.grid(visible=False, axis="x")
            axis.set(xlim=(0, 1), ylabel="cases")
            axis.tick_params(labelbottom=number == len(shown) - 1)
        axis.set(xlabel="Dice of a case (1 = perfect outline)")
        return as_svg(
            figure, "dice-distribution", "Number of test cases by Dice, one row of bars for each model"
        )


def size_strata_chart(scores: Mapping[str, Sequence[CaseScore]], titles: Mapping[str, str]) -> str:
    """Draw the mean Dice with its 95 % interval for small, medium and large lesions.

    Args:
        scores: Head to its scores.
        titles: Head to its name in plain words.

    Returns:
        Inline SVG; an empty string if no case has a lesion.

    Example:
        >>> size_strata_chart({}, {})
        ''
    """
    strata = {head: size_strata(rows) for head, rows in scores.items()}
    strata = {head: parts for head, parts in strata.items() if parts}
    if not strata:
        return ""
    with mpl.rc_context(STYLE):
        figure, (axis,) = blank_figure(5.4, 3.1)
        for number, (head, parts) in enumerate(strata.items()):
            colour = SERIES[number % len(SERIES)]
            for place, part in enumerate(parts):
                values = [score.dice for score in part.scores]
                low, high = bootstrap_interval(values)
                x = place + (number - (len(strata) - 1) / 2) * 0.16
                label = titles.get(head, head) if place == 0 else None
                axis.plot([x, x], [low, high], color=colour, linewidth=2.4, alpha=0.6)
                axis.plot([x], [float(np.mean(values))], "o", color=colour, markersize=7, label=label)
        first = next(iter(strata.values()))
        axis.set_xticks(
            range(len(first)),
            [
                f"{p.name}\n{100 * p.low_frac:.1f}–{100 * p.high_frac:.1f} %\n{len(p.scores)} images"
                for p in first
            ],
        )
        axis.set(
            ylim=(0, 1.02),
            xlim=(-0.6, len(first) - 0.4),
            ylabel="mean Dice, 95 % interval",
            xlabel="share of the image that the lesion covers",
        )
        axis.grid(visible=False, axis="x")
        axis.legend(loc="lower right")
        return as_svg(
            figure, "size-strata", "Mean Dice with 95 % interval for small, medium and large lesions"
        )


def dice_scatter(
    across: Sequence[CaseScore], upwards: Sequence[CaseScore], across_title: str, upwards_title: str
) -> str:
    """Draw each test case by the Dice of two heads; above the diagonal the second one is better.

    Args:
        across: Scores of the first head.
        upwards: Scores of the second head; only cases that both have are drawn.
        across_title: Name of the first in plain words.
        upwards_title: Name of the second.

    Returns:
        Inline SVG; an empty string if they share no case.

    Example:
        >>> dice_scatter([], [], "gaze labels", "student")
        ''
    """
    lookup = {score.id: score.dice for score in across}
    pairs = np.array([(lookup[score.id], score.dice) for score in upwards if score.id in lookup])
    if len(pairs) == 0:
        return ""
    better = int((pairs[:, 1] > pairs[:, 0]).sum())
    with mpl.rc_context(STYLE):
        figure, (axis,) = blank_figure(5.4, 4.4)
        axis.plot([0, 1], [0, 1], color=INK, linewidth=1, linestyle=(0, (4, 3)), alpha=0.6)
        axis.scatter(pairs[:, 0], pairs[:, 1], s=26, color=SERIES[0], alpha=0.6, linewidths=0)
        axis.set(
            xlim=(-0.02, 1.02),
            ylim=(-0.02, 1.02),
            xlabel=f"Dice: {across_title}",
            ylabel=f"Dice: {upwards_title}",
            aspect="equal",
        )
        axis.text(
            0.97,
            0.03,
            f"{better} of {len(pairs)} images above the line",
            transform=axis.transAxes,
            ha="right",
        )
        return as_svg(figure, "dice-scatter", f"Dice of each case, {across_title} against {upwards_title}")


def learning_curves(history: Sequence[Mapping[str, Any]]) -> str:
    """Draw loss and validation scores over the training, stages one after another.

    A row's place is its "step" (else "epoch", else its number), counted on from stage to stage. Numbers whose
    name ends in "loss" go to the left, numbers whose name holds "dice" or "iou" to the right.

    Args:
        history: Rows of the training history, in order.

    Returns:
        Inline SVG; an empty string if the history holds neither.

    Example:
        >>> learning_curves([{"epoch": 1, "seconds": 3.0}])
        ''
    """
    curves, borders, unit = _curves(history)
    losses = {name: rows for name, rows in curves.items() if name.endswith("loss")}
    quality = {name: rows for name, rows in curves.items() if "dice" in name or "iou" in name}
    panels = [(rows, title) for rows, title in ((losses, "loss"), (quality, "score")) if rows]
    if not panels:
        return ""
    with mpl.rc_context(STYLE):
        figure, axes = blank_figure(4.6 * len(panels), 2.9, len(panels))
        for axis, (named, title) in zip(axes, panels, strict=True):
            for number, (name, points) in enumerate(named.items()):
                x, y = zip(*points, strict=True)
                marker = "o" if len(points) < 40 else ""
                colour = SERIES[number % len(SERIES)]
                axis.plot(x, y, marker=marker, markersize=3.5, color=colour, label=name.replace("_", " "))
            for at, stage in borders:
                axis.axvline(at, color=INK, linewidth=0.9, alpha=0.4)
                axis.annotate(
                    f" {stage}", (at, 1.0), xycoords=("data", "axes fraction"), va="bottom", fontsize=9
                )
            axis.set(xlabel=unit, ylabel=title)
            axis.legend(loc="best", fontsize=9)
        return as_svg(figure, "learning-curves", "Training loss and validation score over the training")


_Points = list[tuple[float, float]]


def _curves(history: Sequence[Mapping[str, Any]]) -> tuple[dict[str, _Points], list[tuple[float, str]], str]:
    """Sort the history's numbers into curves, and find where each stage begins."""
    unit = next((key for key in ("step", "epoch") if any(key in row for row in history)), "row")
    places = _places(history, unit)
    curves: dict[str, _Points] = {}
    borders: list[tuple[float, str]] = []
    stage = None
    for row, place in zip(history, places, strict=True):
        if row.get("stage") != stage:
            stage = row.get("stage")
            borders.append((place, str(stage)))
            for points in curves.values():
                points.append((np.nan, np.nan))
        for name, value in row.items():
            if isinstance(value, (int, float)) and not isinstance(value, bool) and np.isfinite(value):
                curves.setdefault(name, []).append((place, float(value)))
    return curves, borders, unit


def _places(history: Sequence[Mapping[str, Any]], unit: str) -> list[float]:
    """Where each row stands; a count that starts again in a new stage goes on from the last one."""
    raw = [float(row.get(unit, number)) for number, row in enumerate(history)]
    places, offset = raw[:1], 0.0
    for before, now in pairwise(raw):
        if now <= before:
            offset = places[-1]
        places.append(now + offset)
    return places
