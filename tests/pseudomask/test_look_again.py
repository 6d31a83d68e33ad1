"""The list of cases worth another look: its arithmetic and its order."""

from __future__ import annotations

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from gaze_insight.pseudomask.expected_dice import ExpectedDice
from gaze_insight.pseudomask.look_again import LabelledCase, LookAgainSettings, look_again_list


def case(id: str, dice: float, log_hull: float = -2.0, seconds: float = 8.0) -> LabelledCase:
    return LabelledCase(id, ExpectedDice(dice, max(0, dice - 0.1), min(1, dice + 0.1)), log_hull, seconds)


drawn = st.lists(st.tuples(st.floats(0, 1), st.floats(-4, 0), st.floats(0, 60)), min_size=0, max_size=12)


@given(drawn, st.integers(1, 6), st.floats(0.5, 1), st.floats(1, 200))
def test_equals_a_loop_over_cases(rows, similar, drawn_dice, drawing_s):
    cases = [case(f"c{index:02d}", *row) for index, row in enumerate(rows)]
    chosen = LookAgainSettings(similar=similar, drawn_dice=drawn_dice, drawing_s=drawing_s)
    found = look_again_list(cases, chosen)
    expected = {}
    for one in cases:
        near = sorted(cases, key=lambda other: abs(other.log_hull - one.log_hull))[:similar]
        to_gain = statistics.fmean(other.expected.mean for other in near) - one.expected.mean
        look = (to_gain, max(statistics.median(other.seconds for other in near), 1e-3))
        draw = (drawn_dice - one.expected.mean, drawing_s)
        rates = look[0] / look[1], draw[0] / draw[1]
        best = look if rates[0] >= rates[1] else draw
        if best[0] > 1e-12:
            expected[one.id] = best[0] / best[1]
    listed = {row.id: row.gain_per_s for row in found if row.gain > 1e-12}
    assert listed == pytest.approx(expected)
    rates = [row.gain_per_s for row in found]
    assert rates == sorted(rates, reverse=True)
    assert all(row.gain > 0 and row.seconds > 0 for row in found)


def test_a_poor_case_is_looked_at_again_and_a_typical_one_is_drawn():
    cases = [case("poor", 0.4), *(case(f"good{i}", 0.9) for i in range(9))]
    found = look_again_list(cases)
    assert [(row.id, row.action) for row in found][:2] == [("poor", "look"), ("good0", "draw")]
    assert found[0].gain == pytest.approx((0.4 + 9 * 0.9) / 10 - 0.4)
    assert found[0].seconds == 8.0
    assert found[1].gain_per_s == pytest.approx(0.1 / (18.7 * 3600 / 900), rel=0.01)


def test_equal_cases_are_listed_by_their_ids_whatever_their_order():
    cases = [case(name, 0.8) for name in ("b", "c", "a")]
    assert [row.id for row in look_again_list(cases)] == ["a", "b", "c"]


def test_only_cases_of_similar_size_say_what_a_look_brings():
    small = [case(f"s{i}", 0.6, -4.0) for i in range(4)]
    large = [case(f"l{i}", 0.95, -1.0) for i in range(4)]
    found = look_again_list([case("x", 0.5, -4.0), *small, *large], LookAgainSettings(similar=5))
    assert found[0].id == "x"
    assert found[0].gain == pytest.approx((0.5 + 4 * 0.6) / 5 - 0.5)


def test_nothing_is_gained_where_all_is_as_good_as_drawn():
    assert look_again_list([case("a", 1.0), case("b", 1.0)]) == []
    assert look_again_list([]) == []


@pytest.mark.parametrize("wrong", [{"drawing_s": 0}, {"drawn_dice": 1.1}, {"similar": 0}, {"cost": 3}])
def test_bad_settings_are_refused(wrong):
    with pytest.raises(ValidationError):
        LookAgainSettings(**wrong)
