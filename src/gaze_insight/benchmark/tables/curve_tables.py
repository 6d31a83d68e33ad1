"""Tables of label efficiency: points of curves, equal annotation time, and what a Dice costs."""

from __future__ import annotations

import math
from collections.abc import Sequence

from gaze_insight.benchmark.curve_results import Curve, CurveStudy, EqualTime, Interval, Reached, SameDice
from gaze_insight.insight.rendering import duration_words
from gaze_insight.insight.study_page import StudyTable

__all__ = ["curve_tables", "headline"]

_NONE = "–"


def curve_tables(study: CurveStudy | None) -> list[StudyTable]:
    """Lay out the tables of a study of curves.

    Args:
        study: The study, or None.

    Returns:
        The points of the curves; then, where full supervision is on one of them, other labels at equal time,
        and what they need for the Dice of drawn masks. Nothing without a study.

    Example:
        >>> curve_tables(None)
        []
    """
    if study is None:
        return []
    tables = [_points(study)]
    if study.equal_time:
        tables.append(_equal_time(study))
    if study.same_dice:
        tables.append(_same_dice(study))
    return tables


def headline(study: CurveStudy) -> str:
    """Say what the most drawn masks that other labels can match are matched with.

    Args:
        study: The study.

    Returns:
        A sentence for each pair of curves; empty without one.
    """
    said = []
    for curve, base in dict.fromkeys((one.curve, one.base) for one in study.same_dice):
        rows = [one for one in study.same_dice if (one.curve, one.base) == (curve, base)]
        matched = [one for one in rows if one.reached.state != "not reached"]
        if not matched:
            said.append(f"{_first_upper(curve)} reaches no point of {base!r}.")
            continue
        best = max(matched, key=lambda one: one.point.images)
        said.append(
            f"{_first_upper(curve)} reaches the Dice of {best.point.images:.0f} {base} "
            f"({best.point.dice:.3f}{_after(best.point.seconds)}) with {_images(best.reached)} images"
            f"{_after(_finite(best.reached.seconds))}."
        )
    return " ".join(said)


def _points(study: CurveStudy) -> StudyTable:
    rows = [
        (
            curve.name,
            f"{point.images:.4g}",
            _time(point.seconds),
            f"{point.dice:.3f}",
            _range(point.ci95) + ("" if point.with_seeds else " (one seed)"),
        )
        for curve in study.curves
        for point in curve.points
    ]
    caption = (
        "Images learned from and the time to annotate exactly these, means over seeds; 95 % intervals over "
        f"cases and seeds. {_sources(study.curves)}"
    )
    columns = ("Curve", "images", "annotation", "Dice", "95 % interval")
    return StudyTable("Dice over images and annotation time", caption, columns, rows)


def _equal_time(study: CurveStudy) -> StudyTable:
    several = len({one.base for one in study.equal_time}) > 1
    rows = [
        (
            f"{one.curve} – {one.base}" if several else one.curve,
            f"{one.point.images:.4g}",
            _time(one.point.seconds),
            f"{one.point.dice:.3f}",
            _NONE if one.masks is None else f"{one.masks:.1f}",
            _NONE if one.masks_dice is None else f"{one.masks_dice:.3f}",
            _difference(one),
            _NONE if one.cases_seeds_ci95 is None else _signed_range(one.cases_seeds_ci95),
            _reached(one.same_dice),
            _NONE if one.break_even_s is None else f"{one.break_even_s:.0f} s",
        )
        for one in study.equal_time
    ]
    columns = (
        "Curve", "images", "annotation", "Dice", "masks in that time", "their Dice", "difference",
        "with new seeds", "masks for the same Dice", "break-even a mask"
    )  # fmt: skip
    caption = (
        "Each point beside hand-drawn masks of the same time, whose Dice is interpolated over the logarithm "
        "of seconds, case by case; no curve is continued beyond its ends (–). Differences have 95 % "
        "intervals over cases, then over cases and seeds. The last columns do not rest on the time of "
        "drawing: how many masks give the same Dice, and the seconds a mask above which these labels are "
        "the cheaper way to it. "
        f"{_sources(study.curves)}"
    )
    return StudyTable("At equal annotation time", caption, columns, rows)


def _same_dice(study: CurveStudy) -> StudyTable:
    rows = [
        (
            f"{one.curve} – {one.base}",
            f"{one.point.images:.4g}",
            _time(one.point.seconds),
            f"{one.point.dice:.3f}",
            _reached(one.reached),
            _reached_time(one.reached),
            _saved(one),
        )
        for one in study.same_dice
    ]
    columns = (
        "Curve", "masks", "drawing", "Dice", "images for it", "annotation for it", "share of the drawing"
    )  # fmt: skip
    caption = (
        f"What reaches the Dice of drawn masks. {headline(study)} In brackets 95 % intervals over cases and "
        "seeds; below, where the smallest set is better already; not reached, where the largest is not as "
        "good."
    )
    return StudyTable("What the Dice of drawn masks costs", caption, columns, rows)


def _sources(curves: Sequence[Curve]) -> str:
    return " ".join(f"Time of {curve.name!r}: {curve.time_source or 'unknown'}." for curve in curves)


def _difference(one: EqualTime) -> str:
    if one.difference is None or one.cases_ci95 is None:
        return _NONE
    return f"{_signed(one.difference)} {_signed_range(one.cases_ci95)}"


def _reached(found: Reached) -> str:
    if found.state != "reached":
        return found.state
    return f"{found.images:.0f} [{_end(found.images_ci95[0])}, {_end(found.images_ci95[1])}]"


def _reached_time(found: Reached) -> str:
    if found.seconds is None or found.seconds_ci95 is None or found.state != "reached":
        return _NONE
    low, high = (_time(end) if math.isfinite(end) else _end(end) for end in found.seconds_ci95)
    return f"{_time(found.seconds)} [{low}, {high}]"


def _saved(one: SameDice) -> str:
    ours, theirs = _finite(one.reached.seconds), one.point.seconds
    return _NONE if ours is None or theirs is None else f"{100 * ours / theirs:.0f} %"


def _end(value: float) -> str:
    if math.isinf(value):
        return "below" if value < 0 else "not reached"
    return f"{value:.0f}"


def _images(found: Reached) -> str:
    return "fewer than the fewest" if found.state == "below" else f"{found.images:.0f}"


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _after(seconds: float | None) -> str:
    return "" if seconds is None else f", {duration_words(seconds)}"


def _time(seconds: float | None) -> str:
    return _NONE if seconds is None else duration_words(seconds)


def _range(ends: Interval) -> str:
    return f"{ends[0]:.3f} to {ends[1]:.3f}"


def _signed(value: float) -> str:
    return f"{value:+.3f}".replace("-", "−")


def _signed_range(ends: Interval) -> str:
    return f"[{_signed(ends[0])}, {_signed(ends[1])}]"


def _first_upper(text: str) -> str:
    return text[:1].upper() + text[1:]
