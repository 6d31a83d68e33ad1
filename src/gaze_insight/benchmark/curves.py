"""Label efficiency: Dice over images and annotation time, and what other labels give in the same time."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gaze_insight.benchmark.collecting import Benchmark
from gaze_insight.benchmark.curve_results import (
    Curve,
    CurvePoint,
    CurveStudy,
    EqualTime,
    Reached,
    SameDice,
)
from gaze_insight.benchmark.reaching import at_position, first_reach, joint_means, order_interval
from gaze_insight.benchmark.run_reading import Run
from gaze_insight.benchmark.scores import CommonCases, ScoreTable, patient_of, score_table
from gaze_insight.evaluation.statistics import bootstrap_interval, crossed_bootstrap_interval

__all__ = ["curve_study"]

_S_PER_H = 3600.0


@dataclass(frozen=True)
class _Scored:
    """A curve with the scores behind its points, (cases, seeds) each over the same cases."""

    curve: Curve
    values: tuple[NDArray[np.float64], ...]
    seeds: tuple[tuple[int, ...], ...]
    draws: NDArray[np.float64]


def curve_study(benchmark: Benchmark, cases: CommonCases, *, resamples: int = 2000) -> CurveStudy | None:
    """Put rows that carry a curve's name on their curves and compare annotation times.

    Between two points a curve is a straight line over the logarithm of images or seconds; it is not continued
    beyond its ends. At the seconds of a point of cheaper labels, full supervision's Dice is interpolated case
    by case, so that the difference is paired. The other way round, the first place is sought at which a curve
    reaches a Dice; its interval is of resampled curves: cases (patients) drawn once for all points, seeds
    apart for each.

    Args:
        benchmark: A benchmark folder, read.
        cases: The cases that its rows share.
        resamples: Bootstrap resamples.

    Returns:
        The study; None where no row with a finished run is on a curve.
    """
    notes: list[str] = []
    tables = _tables(benchmark, cases, notes)
    if not tables:
        return None
    ids = [one for one in cases.ids if all(one in set(table.ids) for table in tables.values())]
    groups = None if cases.groups is None else [patient_of(one, benchmark.patients) for one in ids]
    names = dict.fromkeys(benchmark.suite.rows[row].curve for row in tables)
    scored = [
        _scored(benchmark, str(name), tables, ids, groups, resamples) for name in names if name is not None
    ]
    bases = [one for one in scored if one.curve.supervision == "full"]
    others = [one for one in scored if one.curve.supervision != "full"]
    pairs = [(other, base) for other in others for base in bases]
    return CurveStudy(
        curves=tuple(one.curve for one in scored),
        equal_time=tuple(
            _equal_time(other, base, place, groups, resamples)
            for other, base in pairs
            for place in range(len(other.curve.points))
        ),
        same_dice=tuple(
            SameDice(other.curve.name, base.curve.name, point, _reached(other, base, place))
            for other, base in pairs
            for place, point in enumerate(base.curve.points)
        ),
        notes=tuple(notes),
    )


def _tables(benchmark: Benchmark, cases: CommonCases, notes: list[str]) -> dict[str, ScoreTable]:
    """Dice of the rows on curves; of rows that learned from equally many images the first asked for stays."""
    found: dict[str, ScoreTable] = {}
    taken: dict[tuple[str, float], str] = {}
    for row in sorted(benchmark.rows, key=lambda row: _asked(benchmark.runs_of(row))):
        spec, runs = benchmark.suite.rows[row], benchmark.runs_of(row)
        table = None if spec.curve is None else score_table(runs, spec.output, "dice", cases)
        if spec.curve is None or table is None:
            continue
        images = _mean([run.facts.training_cases for run in runs])
        if images is None:
            notes.append(f"{spec.label}: how many images it learned from is unknown; it is on no curve.")
            continue
        first = taken.setdefault((spec.curve, images), row)
        if first == row:
            found[row] = table
        else:
            notes.append(
                f"{spec.label}: asked for {_asked(runs)} images and there were {images:g}, as for "
                f"{benchmark.suite.rows[first].label!r}; it is left out of the curve."
            )
    return {row: found[row] for row in benchmark.rows if row in found}


def _asked(runs: Sequence[Run]) -> int:
    """Images that a row asks for; all of them count as the least, so that the row of all images stays."""
    return max((run.facts.asked_cases or 0 for run in runs), default=0)


def _scored(
    benchmark: Benchmark,
    name: str,
    tables: dict[str, ScoreTable],
    ids: Sequence[str],
    groups: Sequence[Hashable] | None,
    resamples: int,
) -> _Scored:
    rows = [row for row in tables if benchmark.suite.rows[row].curve == name]
    points = {row: _point(benchmark, row, tables[row].at(ids), groups, resamples) for row in rows}
    rows.sort(key=lambda row: points[row].images)
    values = tuple(tables[row].at(ids) for row in rows)
    supervision = benchmark.suite.rows[rows[0]].supervision
    facts = [run.facts for row in rows for run in benchmark.runs_of(row)]
    sources = [one.drawing_source if supervision == "full" else one.gaze_source for one in facts]
    said = dict.fromkeys(text.partition(" s: ")[2] or text for text in sources)
    return _Scored(
        curve=Curve(name, supervision, tuple(points[row] for row in rows), "; ".join(filter(None, said))),
        values=values,
        seeds=tuple(tables[row].seeds for row in rows),
        draws=joint_means(values, groups=groups, resamples=resamples, seed=sum(name.encode())),
    )


def _point(
    benchmark: Benchmark,
    row: str,
    values: NDArray[np.float64],
    groups: Sequence[Hashable] | None,
    resamples: int,
) -> CurvePoint:
    spec, runs = benchmark.suite.rows[row], benchmark.runs_of(row)
    full = spec.supervision == "full"
    hours = _mean([run.facts.drawing_hours if full else run.facts.gaze_hours for run in runs])
    crossed = crossed_bootstrap_interval(values, groups=groups, resamples=resamples)
    return CurvePoint(
        row=row,
        label=spec.label,
        images=_mean([run.facts.training_cases for run in runs]) or 0.0,
        seconds=hours * _S_PER_H if hours else None,
        dice=float(values.mean()),
        ci95=crossed or bootstrap_interval(values.mean(axis=1), groups=groups, resamples=resamples),
        with_seeds=crossed is not None,
    )


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _equal_time(
    other: _Scored, base: _Scored, place: int, groups: Sequence[Hashable] | None, resamples: int
) -> EqualTime:
    point, points = other.curve.points[place], base.curve.points
    same = _reached(base, other, place)
    known = point.seconds is not None and math.isfinite(same.images)
    masks = masks_dice = difference = over_cases = over_seeds = None
    position = _position_of(points, point.seconds)
    each = _mean([one.seconds / one.images for one in points if one.seconds is not None])
    if point.seconds is not None and each is not None:
        masks = point.seconds / each
    if position is not None:
        theirs, ours = _between(base, position), other.values[place]
        masks_dice = float(theirs.mean())
        difference = float(ours.mean() - theirs.mean())
        paired = ours.mean(axis=1) - theirs.mean(axis=1)
        over_cases = bootstrap_interval(paired, groups=groups, resamples=resamples)
        over_seeds = crossed_bootstrap_interval(ours, theirs, groups=groups, resamples=resamples)
    return EqualTime(
        curve=other.curve.name,
        base=base.curve.name,
        point=point,
        masks=masks,
        masks_dice=masks_dice,
        difference=difference,
        cases_ci95=over_cases,
        cases_seeds_ci95=over_seeds,
        same_dice=same,
        break_even_s=point.seconds / same.images if known and point.seconds is not None else None,
    )


def _position_of(points: Sequence[CurvePoint], seconds: float | None) -> float | None:
    """Place of a time on a curve, in points from 0; None beyond its ends or where times are unknown."""
    times = [point.seconds for point in points if point.seconds is not None]
    if seconds is None or len(times) < len(points) or not times[0] <= seconds <= times[-1]:
        return None
    return float(np.interp(math.log(seconds), np.log(times), np.arange(len(times))))


def _between(base: _Scored, position: float) -> NDArray[np.float64]:
    """Scores between two points, (cases, seeds): seeds that both have, else their means."""
    low = min(int(position), len(base.values) - 1)
    share = position - low
    if share == 0:
        return base.values[low]
    pair = (low, low + 1)
    common = [seed for seed in base.seeds[low] if seed in base.seeds[low + 1]]
    below, above = (
        base.values[one][:, [base.seeds[one].index(seed) for seed in common]]
        if common
        else base.values[one].mean(axis=1, keepdims=True)
        for one in pair
    )
    return (1 - share) * below + share * above


def _reached(curve: _Scored, other: _Scored, place: int) -> Reached:
    """Find where a curve reaches the Dice of a point of another."""
    points = curve.curve.points
    means = np.array([[point.dice for point in points]])
    position = first_reach(means, np.array([other.curve.points[place].dice]))[0]
    low, high = order_interval(first_reach(curve.draws, other.draws[:, place]))
    images = [point.images for point in points]
    times = [point.seconds for point in points if point.seconds is not None]
    timed = len(times) == len(points)
    return Reached(
        images=at_position(images, position),
        images_ci95=(at_position(images, low), at_position(images, high)),
        seconds=at_position(times, position) if timed else None,
        seconds_ci95=(at_position(times, low), at_position(times, high)) if timed else None,
    )
