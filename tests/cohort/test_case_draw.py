"""Drawing cases: nested, by patient, and the same whatever else there is."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gaze_insight.cohort.case import Case
from gaze_insight.cohort.drawing import draw_cases
from gaze_insight.errors import SettingsError


def cases_of(sizes: list[int], *, known: bool = True) -> list[Case]:
    """Cases of some patients, dealt out in turn so that no patient's cases stand together."""
    owners = [(n, p) for p, size in enumerate(sizes) for n in range(size)]
    return [Case(f"c{p}-{n}", Path("x.png"), patient=f"p{p}" if known else None) for n, p in sorted(owners)]


def ids(cases) -> list[str]:
    return [case.id for case in cases]


@given(st.lists(st.integers(1, 5), min_size=1, max_size=8), st.integers(0, 5), st.booleans(), st.data())
def test_a_larger_draw_holds_the_smaller_one_and_no_patient_is_cut(sizes, seed, known, data):
    cases = cases_of(sizes, known=known)
    low, high = sorted(data.draw(st.tuples(st.integers(1, 45), st.integers(1, 45))))
    small, large = (draw_cases(cases, count, seed) for count in (low, high))
    assert set(ids(small.cases)) <= set(ids(large.cases))
    assert ids(small.cases) == [one for one in ids(cases) if one in set(ids(small.cases))]
    assert len(small.cases) >= min(low, len(cases))
    if known:
        drawn = {case.patient for case in small.cases}
        assert ids(small.cases) == [case.id for case in cases if case.patient in drawn]
        assert small.patients == len(drawn)
        smallest_patient = min(sum(case.patient == p for case in small.cases) for p in drawn)
        assert len(small.cases) - low < max(sizes) or len(small.cases) == smallest_patient
    else:
        assert len(small.cases) == min(low, len(cases))
        assert small.patients is None
    assert (small.note == "") == (len(small.cases) == low)


def test_the_place_of_a_case_depends_on_no_other_case():
    cases = cases_of([1] * 40, known=False)
    drawn = ids(draw_cases(cases, 10, 3).cases)
    without = [case for case in cases if case.id != drawn[0]]
    assert set(drawn[1:]) < set(ids(draw_cases(without, 10, 3).cases))
    assert drawn == sorted(ids(draw_cases(cases[::-1], 10, 3).cases), key=ids(cases).index)


def test_every_seed_draws_anew_and_every_case_alike():
    cases = cases_of([1] * 20, known=False)
    counts = dict.fromkeys(ids(cases), 0)
    for seed in range(400):
        for case in draw_cases(cases, 5, seed).cases:
            counts[case.id] += 1
    assert sum(counts.values()) == 400 * 5
    assert all(60 < count < 140 for count in counts.values())


def test_what_cannot_be_had_is_said():
    cases = cases_of([2, 2, 2])
    assert draw_cases(cases, None, 0).note == ""
    assert draw_cases(cases, 9, 0).note == "9 cases were asked for and there are 6: all are used"
    assert "5 cases were asked for and became 6" in draw_cases(cases, 5, 0).note
    assert draw_cases([], 5, 0).cases == ()
    with pytest.raises(SettingsError, match="at least one case, found 0"):
        draw_cases(cases, 0, 0)
