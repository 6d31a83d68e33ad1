"""What the pages of the studies say of results of every kind."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from gaze_insight.gaze.telling_apart import Separation
from gaze_insight.gaze.two_sample import Comparison, TwoSample, TwoSampleSettings
from gaze_insight.pseudomask.recipe import PseudoMaskSettings
from gaze_insight.workflow.studies.pages import (
    count_facts,
    estimate_cell,
    estimate_text,
    standing_warnings,
    strata_curves,
)
from gaze_insight.workflow.studies.scoring import Estimate
from gaze_insight.workflow.studies.simulator import DiceOfGaze, SimulatorStudy, SimulatorStudySettings
from gaze_insight.workflow.studies.simulator_page import simulator_page
from gaze_insight.workflow.studies.time import TimeLevel, TimeSettings, TimeStudy
from gaze_insight.workflow.studies.time_page import time_page

LEVEL = TimeLevel(2.0, 2.0, 0.1, 0.9, 6.0, {"all": Estimate(0.70, 0.65, 0.75, 50)}, Estimate(0.1, 0, 0.2, 50))
WHOLE = TimeLevel(None, 8.0, 0.4, 0.0, 24.0, {"all": Estimate(0.80, 0.75, 0.85, 50)}, Estimate(0, 0, 0, 50))
TIME = TimeStudy(
    "demo", (LEVEL, WHOLE), None, 50, {}, {}, 0, {"mask": 74.8, "gaze": 8.8}, (), TimeSettings(limits_s=(2,)),
    PseudoMaskSettings(),
)  # fmt: skip
ALIKE = Comparison(
    "count", 50, 50, 20, 5, 21, 5, 0.2, 0.1, 0.2, 0.5, 1.0, 0.2, 0.1, 0.24, 0.1, 0.1, "equivalent"
)


def simulator_study(comparisons, separation="equivalent", difference=(0.0, -0.01, 0.01)) -> SimulatorStudy:
    values = {name: np.zeros(0) for name in ("duration_ms", "gap_ms", "saccade_frac", "dispersion_frac")}
    values |= {f"distance_{k}_frac": np.zeros(0) for k in range(1, 5)}
    values |= {f"on_target_third_{k}": np.zeros(0) for k in range(1, 4)} | {"count": np.array([3.0])}
    compared = TwoSample(
        tuple(comparisons), ("gap_ms",), Separation(0.55, 0.5, 0.6, 5, {"count": 0.51}), separation, 50, 50,
        True, TwoSampleSettings(),
    )  # fmt: skip
    dice = DiceOfGaze(Estimate(0.8, 0.7, 0.9, 50), Estimate(0.8, 0.7, 0.9, 50), Estimate(*difference, 50))
    return SimulatorStudy(
        "demo", compared, {"all": dice}, (values,) * 6, (values,) * 6, 50, {}, {}, 0, (),
        SimulatorStudySettings(), PseudoMaskSettings(),
    )  # fmt: skip


def test_the_time_page_names_the_shortest_limit_that_is_enough():
    assert "No limit that was tried" in time_page(TIME).verdict
    assert "Enough" not in [number.what for number in time_page(TIME).numbers]
    content = time_page(replace(TIME, enough_s=2.0))
    assert "Cut after 2 s they give 0.700 for 25 % of the time" in content.verdict
    assert content.numbers[-1].value == "2 s"
    assert content.tables[0].marked == [0]
    assert content.tables[0].rows[-1][-1] == "–"
    assert content.warnings == []


def test_reported_costs_are_called_reported():
    table = time_page(TIME).tables[1]
    assert [row[0] for row in table.rows] == ["gaze, measured here", "gaze, reported", "mask, reported"]
    assert "not measured here" in table.caption
    assert table.rows[-1][1:] == ("74.8 s", "1 h 2 min", "9.3 ×")


@pytest.mark.parametrize(
    ("difference", "words"),
    [
        ((0.0, -0.01, 0.01), "alike within 0.02"),
        ((-0.1, -0.12, -0.08), "a difference beyond 0.02"),
        ((0.01, -0.01, 0.03), "undecided at a margin of 0.02"),
        ((0.1, math.nan, math.nan), "real gaze."),
    ],
)
def test_the_difference_of_dice_is_judged_by_its_margin(difference, words):
    assert words in simulator_page(simulator_study([ALIKE], difference=difference)).verdict


def test_the_simulator_page_is_green_only_where_all_is_alike():
    alike = simulator_page(simulator_study([ALIKE]))
    assert alike.severity == "ok"
    assert "1 of 1 statistics are alike" in alike.verdict
    assert "can hardly tell" in alike.verdict
    assert any("gap between two fixations" in warning for warning in alike.warnings)
    longer = replace(ALIKE, name="duration_ms", verdict="different")
    other = simulator_page(simulator_study([ALIKE, longer], "different"))
    assert other.severity == "warning"
    assert "1 is different (duration of a fixation)" in other.verdict
    assert "a classifier tells" in other.verdict
    assert other.tables[0].marked == [1]
    assert "undecided" in simulator_page(simulator_study([ALIKE], "undecided")).verdict


def test_figures_without_values_are_left_out_not_empty():
    figures = {one.name: one.svg for one in simulator_page(simulator_study([ALIKE])).figures}
    assert figures["gap-ms"] == figures["distance-by-order"] == ""
    assert figures["count"]
    assert figures["distances"]


def test_warnings_and_counts_are_told():
    warnings = standing_warnings(12, 3, {"a": "broken"})
    assert len(warnings) == 3
    assert "1 images could not be used, the first is a: broken" in warnings[-1]
    assert count_facts("demo", 1200, {}, 2) == {
        "Cohort": "demo",
        "Images studied": "1,200",
        "Could not be used": "2",
    }


def test_estimates_without_interval_or_case_say_so():
    assert estimate_text(Estimate(0.5, math.nan, math.nan, 3)) == "0.500"
    assert estimate_cell(Estimate(math.nan, math.nan, math.nan, 0)) == "–"
    few = [{"all": Estimate(0.5, math.nan, math.nan, 4)}]
    (curve,) = strata_curves([1.0], few)
    assert curve.low == ()
