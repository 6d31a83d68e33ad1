"""Curves over images and annotation time: interpolation, crossings, intervals, tables, chart, a suite."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from benchmark_folders import drawn_scores, make_benchmark, write_run
from hypothesis import given
from hypothesis import strategies as st
from suite_making import drawn_cohort

from gaze_insight.benchmark.attempt import attempt
from gaze_insight.benchmark.collecting import collect
from gaze_insight.benchmark.curve_results import CurveStudy
from gaze_insight.benchmark.curves import curve_study
from gaze_insight.benchmark.folder import BenchmarkFolder
from gaze_insight.benchmark.planning import compose_row, plan_runs
from gaze_insight.benchmark.reaching import at_position, first_reach, joint_means, order_interval
from gaze_insight.benchmark.scores import common_cases
from gaze_insight.benchmark.suite import Suite, SuiteRow, SuiteScale, load_suite
from gaze_insight.benchmark.tables.curve_chart import curve_chart
from gaze_insight.benchmark.tables.curve_tables import curve_tables, headline
from gaze_insight.benchmark.tables.writing import write_tables
from gaze_insight.errors import SettingsError
from gaze_insight.evaluation.statistics import crossed_bootstrap_interval

GAZE = {25: 0.70, 100: 0.78, 400: 0.80}
MASKS = {3: 0.50, 25: 0.72, 100: 0.79, 400: 0.84}
GAZE_S, MASK_S = 10.0, 60.0


def curve_suite(gaze: Sequence[int], masks: Sequence[int]) -> Suite:
    rows = {
        f"{kind}_{count}": SuiteRow(
            label=f"{kind} {count}",
            supervision="full" if kind == "masks" else "gaze",
            curve=kind,
            presets=("unet_masks" if kind == "masks" else "unet_gaze",),
            set=(f"training.cases={count}",),
        )
        for kind, counts in (("gaze", gaze), ("masks", masks))
        for count in counts
    }
    return Suite(
        name="curves",
        title="Curves",
        scales={"tiny": SuiteScale(presets=("tiny",))},
        default_scale="tiny",
        reference=next(iter(rows)),
        rows=rows,
    )


def make_curves(
    folder: Path,
    *,
    gaze: Mapping[int, float] = GAZE,
    masks: Mapping[int, float] = MASKS,
    seeds: Sequence[int] = (0, 1, 2),
    available: int = 1000,
    flat: bool = False,
) -> Path:
    """Write finished runs of a suite with two curves; ``flat``: each case scores exactly the row's Dice."""
    suite = curve_suite(list(gaze), list(masks))
    make_benchmark(folder, suite=suite, seeds=seeds, quality={})
    for run in plan_runs(suite, None, seeds, None, (), folder):
        kind, _, count = run.row.partition("_")
        images = min(int(count), available)
        dice = (masks if kind == "masks" else gaze)[int(count)]
        scores = drawn_scores(dice, run.seed, 40)
        if flat:
            scores = [replace(score, dice=dice) for score in scores]
        write_run(run.folder, scores, seed=run.seed, config=run.config)
        summary = json.loads((run.folder / "summary.json").read_text())
        summary["split"]["train"] = images
        time = {"gaze": 0.0, "source": "none"}
        if kind == "masks":
            time |= {"drawing": images * MASK_S / 3600, "drawing_source": f"{images} masks at 60 s: made up"}
        else:
            time = {"gaze": images * GAZE_S / 3600, "source": "looking"}
        (run.folder / "summary.json").write_text(json.dumps(summary | {"annotation_time_h": time}))
        plan = json.loads((run.folder / "plan.json").read_text())
        (run.folder / "plan.json").write_text(json.dumps(plan | {"learned_from": {"asked": int(count)}}))
    return folder


def study_of(folder: Path, resamples: int = 400) -> CurveStudy:
    benchmark = collect(folder)
    found = curve_study(benchmark, common_cases(benchmark), resamples=resamples)
    assert found is not None
    return found


def between(x: float, points: Mapping[float, float]) -> float:
    """Straight line over the logarithm, written out."""
    known = sorted(points)
    for low, high in pairwise(known):
        if low <= x <= high:
            share = (math.log(x) - math.log(low)) / (math.log(high) - math.log(low))
            return points[low] + share * (points[high] - points[low])
    raise AssertionError(x)


def reached(dice: float, points: Mapping[float, float]) -> float:
    """First crossing of a broken line over the logarithm, on a fine grid."""
    known = sorted(points)
    grid = np.linspace(math.log(known[0]), math.log(known[-1]), 400_001)
    high = np.interp(grid, np.log(known), [points[one] for one in known]) >= dice
    return float(np.exp(grid[high.argmax()])) if high.any() else math.inf


@pytest.fixture(scope="module")
def flat(tmp_path_factory) -> Path:
    """A benchmark in which each case scores exactly its row's Dice."""
    return make_curves(tmp_path_factory.mktemp("flat") / "b", flat=True, seeds=(0, 1))


def test_a_point_is_compared_with_the_masks_drawn_in_its_seconds(flat):
    study = study_of(flat)
    by_seconds = {MASK_S * images: dice for images, dice in MASKS.items()}
    first, middle, last = study.equal_time
    for one, (images, dice) in zip(study.equal_time, GAZE.items(), strict=True):
        assert one.point.images == images
        assert one.point.seconds == pytest.approx(GAZE_S * images)
        assert one.masks == pytest.approx(GAZE_S * images / MASK_S)
        assert one.point.dice == pytest.approx(dice)
    for one in (first, middle, last):
        expected = between(one.point.seconds, by_seconds)
        assert one.masks_dice == pytest.approx(expected)
        assert one.difference == pytest.approx(one.point.dice - expected)
        assert one.cases_ci95 == pytest.approx((one.difference, one.difference))
    assert middle.masks_dice == pytest.approx(
        0.50 + (math.log(100 * 10 / 60) - math.log(3)) / (math.log(25) - math.log(3)) * (0.72 - 0.50)
    )


def test_the_same_dice_is_found_both_ways(flat):
    study = study_of(flat)
    for one in study.equal_time:
        masks = reached(one.point.dice, MASKS)
        assert one.same_dice.images == pytest.approx(masks, rel=1e-4)
        assert one.same_dice.seconds == pytest.approx(MASK_S * masks, rel=1e-4)
        assert one.break_even_s == pytest.approx(one.point.seconds / masks, rel=1e-4)
    few, some, many, most = study.same_dice
    assert few.reached.state == "below"
    assert some.reached.images == pytest.approx(reached(0.72, GAZE), rel=1e-4)
    assert some.reached.seconds == pytest.approx(GAZE_S * reached(0.72, GAZE), rel=1e-4)
    assert many.reached.images == pytest.approx(reached(0.79, GAZE), rel=1e-4)
    assert most.reached.state == "not reached"
    assert (most.reached.images, most.reached.seconds) == (math.inf, math.inf)


def test_no_curve_is_continued_beyond_its_ends(tmp_path):
    study = study_of(
        make_curves(tmp_path / "b", gaze={10: 0.6, 400: 0.8}, masks={25: 0.7, 50: 0.75}, seeds=(0,))
    )
    for one in study.equal_time:
        assert one.masks is not None
        assert one.masks_dice is one.difference is one.cases_ci95 is one.cases_seeds_ci95 is None


def test_intervals_are_those_of_the_interpolated_scores(tmp_path):
    folder = make_curves(tmp_path / "b")
    study = study_of(folder)
    one = study.equal_time[1]
    share = (math.log(1000) - math.log(180)) / (math.log(1500) - math.log(180))

    def scores(row: str, dice: float) -> np.ndarray:
        return np.array([[s.dice for s in drawn_scores(dice, seed, 40)] for seed in (0, 1, 2)]).T

    ours, low, high = scores("gaze", 0.78), scores("masks", 0.50), scores("masks", 0.72)
    theirs = (1 - share) * low + share * high
    expected = crossed_bootstrap_interval(ours, theirs, resamples=400)
    assert one.cases_seeds_ci95 == pytest.approx(expected, abs=1e-5)
    assert one.difference == pytest.approx(ours.mean() - theirs.mean(), abs=1e-5)
    low_end, high_end = one.same_dice.images_ci95
    assert low_end < one.same_dice.images < high_end
    for curve in study.curves:
        for point in curve.points:
            assert point.with_seeds
            assert point.ci95[0] < point.dice < point.ci95[1]


def test_sizes_beyond_the_cohort_are_left_out_and_named(tmp_path):
    folder = make_curves(tmp_path / "b", available=100, seeds=(0,))
    study = study_of(folder)
    curves = {curve.name: [point.images for point in curve.points] for curve in study.curves}
    assert curves == {"gaze": [25, 100], "masks": [3, 25, 100]}
    assert list(study.notes) == [
        f"{kind} 400: asked for 400 images and there were 100, as for '{kind} 100'; "
        "it is left out of the curve."
        for kind in ("gaze", "masks")
    ]


def test_one_seed_has_intervals_over_cases_alone(tmp_path):
    study = study_of(make_curves(tmp_path / "b", seeds=(0,)))
    assert not any(point.with_seeds for curve in study.curves for point in curve.points)
    assert all(one.cases_seeds_ci95 is None and one.cases_ci95 is not None for one in study.equal_time)


def test_suites_without_curves_stay_as_they_are(tmp_path):
    benchmark = collect(make_benchmark(tmp_path / "b", seeds=(0,)))
    assert curve_study(benchmark, common_cases(benchmark)) is None
    assert curve_chart(None) == ""
    assert curve_tables(None) == []


def test_tables_and_chart_hold_the_study(flat):
    study = study_of(flat)
    points, equal, same = curve_tables(study)
    assert len(points.rows) == len(GAZE) + len(MASKS)
    assert equal.rows[1][:5] == ("gaze", "100", "16 min 40 s", "0.780", "16.7")
    assert same.rows[0][4:] == ("below", "–", "–")
    assert same.rows[3][4] == "not reached"
    assert same.rows[2][6] == f"{100 * GAZE_S * reached(0.79, GAZE) / (MASK_S * 100):.0f} %"
    assert "'masks': made up." in equal.caption
    assert (
        headline(study)
        == "Gaze reaches the Dice of 100 masks (0.790, 1 h 40 min) with 200 images, 33 min 20 s."
    )
    assert curve_chart(study).count("<svg") == 1
    files = write_tables(flat, resamples=100)
    assert files["html"].read_text().count('id="figure-curves"') == 1
    assert "## At equal annotation time" in files["markdown"].read_text()
    assert "At equal annotation time" not in files["latex"].read_text()[:200]
    found = json.loads(files["json"].read_text())["curves"]
    assert [curve["name"] for curve in found["curves"]] == ["gaze", "masks"]
    assert [one["reached"]["state"] for one in found["same_dice"]] == [
        "below",
        "reached",
        "reached",
        "not reached",
    ]
    assert found["same_dice"][3]["reached"]["images"] is None


def test_a_curve_is_of_one_kind_of_annotation(tmp_path):
    suite = curve_suite([25], [25])
    rows = dict(suite.rows)
    rows["masks_25"] = rows["masks_25"].model_copy(update={"curve": "gaze"})
    with pytest.raises(SettingsError, match=r"rows\.masks_25\.curve: expected supervision 'gaze'"):
        Suite.model_validate(
            {**suite.model_dump(), "rows": {key: row.model_dump() for key, row in rows.items()}}
        )


@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=6),
    st.floats(0, 1),
)
def test_first_reach_is_the_first(heights, wanted):
    place = float(first_reach(np.array([heights]), np.array([wanted]))[0])
    if heights[0] >= wanted:
        assert place == -math.inf
    elif max(heights) < wanted:
        assert place == math.inf
    else:
        first = next(n for n, height in enumerate(heights) if height >= wanted)
        assert first - 1 <= place <= first
        assert np.interp(place, range(len(heights)), heights) == pytest.approx(wanted, abs=1e-6)


def test_infinite_ends_stay_infinite():
    values = np.array([-np.inf] * 10 + [1.0] * 80 + [np.inf] * 10)
    assert order_interval(values) == (-math.inf, math.inf)
    assert order_interval(values, 0.5) == (1.0, 1.0)
    assert at_position([10, 1000], 0.5) == pytest.approx(100)
    assert at_position([10], -math.inf) == -math.inf


def test_joint_means_vary_as_the_crossed_bootstrap_does():
    rng = np.random.default_rng(0)
    table = 0.8 + rng.normal(0, 0.1, (60, 1)) + rng.normal(0, 0.02, (1, 3)) + rng.normal(0, 0.03, (60, 3))
    groups = [n // 3 for n in range(60)]
    drawn = joint_means([table, table[:, :1]], groups=groups, resamples=4000)
    expected = crossed_bootstrap_interval(table, groups=groups, resamples=4000)
    assert np.percentile(drawn[:, 0], [2.5, 97.5]) == pytest.approx(expected, abs=0.004)
    again = joint_means([table[:, :1]], groups=groups, resamples=4000, seed=9)
    assert np.allclose(drawn[:, 1], again[:, 0])
    assert np.corrcoef(drawn[:, 0], drawn[:, 1])[0, 1] > 0.4


@pytest.mark.parametrize("scale", ["paper", "cpu", "cpu_short", "tiny"])
def test_the_suite_has_twins_of_equal_steps_on_nested_sizes(scale):
    suite = load_suite("label_efficiency")
    sizes: dict[str, list[int | None]] = {}
    for key, row in suite.rows.items():
        config = compose_row(suite, key, scale)
        sizes.setdefault(str(row.curve), []).append(config.training.cases)
        plain = config.training.model_copy(update={"cases": None})
        assert plain == compose_row(suite, "masks_all", scale).training
        assert config.method.student_epochs == 1
    assert sizes["gaze"] == [25, 50, 100, 200, 400, None]
    assert sizes["true masks"] == [3, 6, 12, *sizes["gaze"]]
    twins = [compose_row(suite, f"{kind}_100", scale).method for kind in ("gaze", "masks")]
    assert twins[0].model_copy(update={"labels": twins[1].labels}) == twins[1]


def test_the_suite_runs_and_tells_its_curves(tmp_path):
    cohort = drawn_cohort(tmp_path, 14)
    rows = ["gaze_25", "masks_3", "masks_all"]
    benchmark = BenchmarkFolder(tmp_path / "b")
    sizes = ["gaze_25:training.cases=5", "masks_3:training.cases=2"]
    suite = load_suite("label_efficiency")
    benchmark.begin(suite, cohort, scale="tiny", rows=rows, seeds=[0], overrides=sizes)
    for row in rows:
        assert attempt(benchmark.path, f"{row}-seed0") == "done"
    written = write_tables(benchmark.path, resamples=100)
    found = json.loads(written["json"].read_text())["curves"]
    images = {curve["name"]: [point["images"] for point in curve["points"]] for curve in found["curves"]}
    assert images == {"gaze": [5], "true masks": [2, len(cohort.subset("train"))]}
    looked, drawn = found["curves"]
    assert looked["time_source"].startswith("simulated gaze: ")
    assert looked["points"][0]["seconds"] > 0
    assert drawn["points"][0]["seconds"] == pytest.approx(2 * 74.8)
    assert 'id="figure-curves"' in written["html"].read_text()
