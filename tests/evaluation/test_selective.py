"""Risk and coverage beside literal loops."""

from __future__ import annotations

from itertools import pairwise, permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gaze_insight.errors import DataError
from gaze_insight.evaluation.selective import kept_mean, risk_coverage, selective_score

CASES = st.lists(st.tuples(st.integers(0, 3), st.floats(0, 1)), min_size=1, max_size=6)


@given(CASES)
def test_the_curve_is_the_mean_over_the_orders_of_tied_cases(cases):
    sure, risk = np.array(cases).T
    curves = []
    for order in permutations(range(len(cases))):
        if all(sure[a] >= sure[b] for a, b in pairwise(order)):
            curves.append([np.mean([risk[i] for i in order[:k]]) for k in range(1, len(order) + 1)])
    np.testing.assert_allclose(risk_coverage(sure, risk).risk, np.mean(curves, axis=0), atol=1e-12)


@given(CASES)
def test_no_order_beats_the_oracle(cases):
    sure, risk = np.array(cases).T
    found = selective_score(sure, risk)
    assert found.excess >= -1e-12
    assert found.random == pytest.approx(risk.mean())
    assert selective_score(-risk, risk).excess == pytest.approx(0, abs=1e-12)


def test_chance_gains_nothing_on_average():
    rng = np.random.default_rng(0)
    risk = rng.random(200)
    gains = [selective_score(rng.random(200), risk).share_of_gain for _ in range(200)]
    assert abs(np.mean(gains)) < 0.03
    assert np.isnan(selective_score([1, 2], [0.5, 0.5]).share_of_gain)


def test_the_kept_mean_is_that_of_the_surest():
    sure, dice = np.arange(10.0), np.linspace(0, 0.9, 10)
    assert kept_mean(sure, dice, 0.8) == pytest.approx(dice[2:].mean())
    assert kept_mean(sure, dice, 1.0) == pytest.approx(dice.mean())
    assert kept_mean(sure, dice, 0.01) == pytest.approx(0.9)


def test_bad_input_is_refused():
    for sure, risk in (([], []), ([1.0], [1.0, 2.0]), ([float("nan")], [0.1])):
        with pytest.raises(DataError, match="expected"):
            risk_coverage(sure, risk)
    with pytest.raises(DataError, match="share to keep"):
        kept_mean([1.0], [1.0], 0.0)
