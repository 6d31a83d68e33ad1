"""Charts of the quality page: what changes over a session."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle

import matplotlib as mpl
import numpy as np

from gaze_insight.gaze.case_quality import CaseQuality
from gaze_insight.gaze.offset import running_offset
from gaze_insight.gaze.trend import trend
from gaze_insight.insight.chart_style import INK, SERIES, STYLE, as_svg, blank_figure

__all__ = ["practice_chart", "wander_chart"]

_SHOWN = 5
_DOTS = 2500


def practice_chart(sessions: Mapping[str, Sequence[CaseQuality]]) -> str:
    """Draw the looking time of each image over its place in the session, and each session's robust line.

    Args:
        sessions: Session to its rows; rows without a place or a fixation are left out, and so are all
            sessions but the five longest.

    Returns:
        Inline SVG; an empty string where no order is known.

    Example:
        >>> practice_chart({})
        ''
    """
    shown = _longest(sessions)
    if not shown:
        return ""
    with mpl.rc_context(STYLE):
        figure, (axis,) = blank_figure(5.4, 3.1)
        for colour, (name, rows) in zip(cycle(SERIES), shown.items(), strict=False):
            place = np.array([row.order for row in rows], dtype=np.float64)
            seconds = np.array([row.looking_s for row in rows])
            step = -(-len(rows) // _DOTS)
            axis.scatter(place[::step] + 1, seconds[::step], s=9, color=colour, alpha=0.35, linewidths=0)
            line = trend(place, seconds)
            if line is not None:
                ends = np.array([place.min(), place.max()])
                axis.plot(ends + 1, line.intercept + line.slope * ends, color=colour, label=name)
        axis.set(xlabel="image, in the order of recording", ylabel="looking time, s")
        every = [row.looking_s for rows in shown.values() for row in rows]
        axis.set_ylim(0, 1.05 * float(np.percentile(every, 99)))
        if len(shown) > 1:
            axis.legend(loc="best", fontsize=9)
        return as_svg(figure, "practice", "Looking time of each image over its place in the session")


def wander_chart(sessions: Mapping[str, Sequence[CaseQuality]], window: int) -> str:
    """Draw how the place of first fixations moves over a session: its running median, across and down.

    Args:
        sessions: Session to its rows; rows without a place or a fixation are left out. The longest session
            is drawn.
        window: Readings in the running median.

    Returns:
        Inline SVG; an empty string where no session has an order and as many readings as the window.

    Example:
        >>> wander_chart({}, 31)
        ''
    """
    rows = next(iter(_longest(sessions).values()), [])
    if len(rows) < window:
        return ""
    first = np.array([(row.first_x_frac, row.first_y_frac) for row in rows], dtype=np.float64)
    followed = running_offset(first, window=window)
    place = np.array([row.order for row in rows], dtype=np.float64) + 1
    with mpl.rc_context(STYLE):
        figure, (axis,) = blank_figure(5.4, 3.1)
        axis.axhline(0, color=INK, linewidth=1, alpha=0.5)
        axis.plot(place, 100 * followed[:, 0], color=SERIES[0], label="to the right")
        axis.plot(place, 100 * followed[:, 1], color=SERIES[1], linestyle=(0, (5, 2)), label="down")
        axis.set(
            xlabel="image, in the order of recording",
            ylabel="first look off its usual place,\n% of the image",
        )
        axis.legend(loc="best", fontsize=9)
        return as_svg(figure, "wander", "Running median of the first fixation's place over the session")


def _longest(sessions: Mapping[str, Sequence[CaseQuality]]) -> dict[str, list[CaseQuality]]:
    """Return the ordered, seen rows of the longest sessions that have at least three."""
    kept: dict[str, list[CaseQuality]] = {}
    for name, rows in sessions.items():
        seen = [row for row in rows if row.order is not None and row.fixations]
        if len(seen) >= 3:
            kept[name] = sorted(seen, key=lambda row: row.order or 0)
    longest = sorted(kept, key=lambda name: -len(kept[name]))[:_SHOWN]
    return {name: kept[name] for name in longest}
