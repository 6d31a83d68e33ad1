from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from gaze_insight.errors import DataError
from gaze_insight.evaluation.quality_scores import (
    calibration_error,
    equal_bins,
    interval_of,
    kept_means,
    replaced_means,
    spearman,
)
from gaze_insight.evaluation.statistics import bootstrap_interval

FRACTIONS = st.lists(st.sampled_from(np.linspace(0, 1, 11).tolist()), min_size=3, max_size=30)


@given(FRACTIONS, st.integers(0, 1000))
def test_spearman_is_scipys(values, seed):
    other = np.random.default_rng(seed).integers(0, 6, len(values))
    if np.ptp(values) == 0 or np.ptp(other) == 0:
        assert math.isnan(spearman(values, other))
    else:
        assert spearman(values, other) == pytest.approx(stats.spearmanr(values, other).statistic, abs=1e-12)


def test_spearman_of_too_few_is_not_a_number_and_lengths_must_agree():
    assert math.isnan(spearman([0.1, 0.2], [1, 2]))
    with pytest.raises(DataError, match="same cases"):
        spearman([1, 2, 3], [1, 2])


def test_the_interval_of_a_mean_is_that_of_the_statistics_module():
    values = np.random.default_rng(3).normal(size=80)
    ours = interval_of(lambda drawn: float(values[drawn].mean()), 80, resamples=4000, seed=5)
    assert ours == pytest.approx(bootstrap_interval(values, resamples=4000, seed=6), abs=0.03)


def test_an_interval_over_patients_is_wider_when_their_cases_agree():
    values = np.repeat(np.random.default_rng(1).normal(size=20), 5)
    patients = [number // 5 for number in range(100)]

    def mean(drawn):
        return float(values[drawn].mean())

    alone = interval_of(mean, 100)
    grouped = interval_of(mean, 100, groups=patients)
    assert grouped[1] - grouped[0] > 1.5 * (alone[1] - alone[0])
    assert math.isnan(interval_of(mean, 100, groups=[0] * 100)[0])
    with pytest.raises(DataError, match="group"):
        interval_of(mean, 100, groups=[1, 2])


def test_an_interval_of_what_is_never_a_number_is_none():
    assert all(math.isnan(end) for end in interval_of(lambda drawn: math.nan, 10, resamples=20))


@given(FRACTIONS, st.integers(1, 12))
def test_bins_hold_all_cases_in_rising_order(values, bins):
    found = equal_bins(values, values, bins)
    assert sum(n for _, _, n in found) == len(values)
    assert all(mean == truth for mean, truth, _ in found)
    assert [mean for mean, _, _ in found] == sorted(mean for mean, _, _ in found)
    assert calibration_error(values, values, bins) == 0


def test_the_calibration_error_of_a_constant_shift_is_the_shift():
    values = np.random.default_rng(0).uniform(0.2, 0.8, 200)
    assert calibration_error(values + 0.07, values) == pytest.approx(0.07)
    assert math.isnan(calibration_error([], []))
    assert equal_bins([], []) == []


@given(FRACTIONS, st.integers(0, 100))
def test_kept_and_replaced_means_are_those_of_literal_loops(values, seed):
    order = np.random.default_rng(seed).permutation(len(values))
    shares = [0.0, 0.2, 0.5, 0.99]
    for share, mean in zip(shares, kept_means(order, values, shares), strict=True):
        gone = min(round(share * len(values)), len(values) - 1)
        assert mean == pytest.approx(np.mean([values[place] for place in order[gone:]]))
    for count, mean in enumerate(replaced_means(order, values, range(len(values) + 3), to=1.0)):
        drawn = set(order[:count].tolist())
        assert mean == pytest.approx(np.mean([1.0 if k in drawn else v for k, v in enumerate(values)]))
