"""The chart of label efficiency: Dice over images and over annotation time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from gaze_insight.benchmark.curve_results import Curve, CurveStudy
from gaze_insight.insight.chart_style import SERIES, STYLE, as_svg, blank_figure
from gaze_insight.insight.rendering import duration_words

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["curve_chart"]

_MARKERS = ("o", "s", "D", "^", "v")
_TIMES_S = (10, 30, 60, 180, 600, 1800, 3600, 7200, 18000, 36000, 72000, 180000, 360000)
_WORDS = {10: "10 s", 30: "30 s", 60: "1 min", 180: "3 min", 600: "10 min", 1800: "30 min"}


def curve_chart(study: CurveStudy | None) -> str:
    """Draw each curve over images and, where times are known, over the time of annotation.

    Args:
        study: The study, or None.

    Returns:
        Inline SVG; an empty string without a study.

    Example:
        >>> curve_chart(None)
        ''
    """
    if study is None:
        return ""
    import matplotlib as mpl

    timed = [curve for curve in study.curves if all(point.seconds for point in curve.points)]
    with mpl.rc_context(STYLE):
        figure, axes = blank_figure(9.6 if timed else 5.4, 4.0, columns=2 if timed else 1)
        for number, curve in enumerate(study.curves):
            _draw(axes[0], curve, number, [point.images for point in curve.points])
            if curve in timed:
                _draw(axes[1], curve, number, [point.seconds or 0.0 for point in curve.points])
        images = sorted({round(point.images) for curve in study.curves for point in curve.points})
        _ticks(axes[0], _apart(images), [str(one) for one in _apart(images)])
        axes[0].set(xlabel="images learned from", ylabel="Dice on the test set")
        if timed:
            seconds = [point.seconds or 0.0 for curve in timed for point in curve.points]
            shown = [one for one in _TIMES_S if min(seconds) / 1.5 <= one <= max(seconds) * 1.5]
            _ticks(axes[1], shown, [_WORDS.get(one) or f"{one // 3600} h" for one in shown])
            axes[1].set(xlabel="time to annotate them", ylim=axes[0].get_ylim())
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=4, fontsize=10)
        return as_svg(figure, "curves", _described(study))


def _draw(axis: Axes, curve: Curve, number: int, x: Sequence[float]) -> None:
    colour, marker = SERIES[number % len(SERIES)], _MARKERS[number % len(_MARKERS)]
    low, high = np.array([point.ci95 for point in curve.points]).T
    if len(x) > 1:
        axis.fill_between(x, low, high, color=colour, alpha=0.16, linewidth=0)
    else:
        axis.plot([x[0], x[0]], [low[0], high[0]], color=colour, linewidth=2.6, alpha=0.4)
    dice = [point.dice for point in curve.points]
    axis.plot(x, dice, marker=marker, markersize=5.5, color=colour, label=curve.name)


def _ticks(axis: Axes, places: Sequence[float], labels: Sequence[str]) -> None:
    axis.set_xscale("log")
    axis.set_xticks(list(places), list(labels))
    axis.set_xticks([], minor=True)


def _apart(images: Sequence[int]) -> list[int]:
    """Leave out numbers whose labels would touch."""
    kept: list[int] = []
    for one in images:
        if not kept or one >= 1.35 * kept[-1]:
            kept.append(one)
    return kept


def _described(study: CurveStudy) -> str:
    said = []
    for curve in study.curves:
        first, last = curve.points[0], curve.points[-1]
        time = "" if last.seconds is None else f" in {duration_words(last.seconds)}"
        said.append(
            f"{curve.name}: {first.dice:.2f} with {first.images:.0f} images, {last.dice:.2f} with "
            f"{last.images:.0f}{time}"
        )
    return f"Dice over images and annotation time. {'; '.join(said)}"
