"""Calibration of pixels beside scikit-learn and literal loops."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss, log_loss

from gaze_insight.errors import DataError, SettingsError
from gaze_insight.evaluation.calibration import (
    brier,
    expected_calibration_error,
    fit_temperature,
    maximum_calibration_error,
    negative_log_likelihood,
    reliability,
)
from gaze_insight.evaluation.pixel_counts import LOGITS, count_levels, tally_at, tally_pixels


def drawn(seed: int, number: int = 4000, temperature: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities that would be right at a temperature, and truths drawn by the right ones."""
    rng = np.random.default_rng(seed)
    odds = rng.normal(-1, 2, number)
    return expit(odds * temperature), rng.random(number) < expit(odds)


def loop_ece(prob: np.ndarray, truth: np.ndarray, bins: int) -> tuple[float, float]:
    total, worst = 0.0, 0.0
    for one in range(bins):
        inside = [i for i, p in enumerate(prob) if one <= p * bins < one + 1 or (one == bins - 1 and p == 1)]
        if inside:
            gap = abs(sum(prob[i] for i in inside) - sum(bool(truth[i]) for i in inside)) / len(inside)
            total += gap * len(inside) / len(prob)
            worst = max(worst, gap)
    return total, worst


@given(st.integers(0, 1000), st.integers(1, 30))
@settings(max_examples=25, deadline=None)
def test_calibration_errors_are_those_of_a_loop(seed, bins):
    prob, truth = drawn(seed, 200)
    prob[:2] = 0, 1
    tally = tally_pixels(prob, truth)
    expected, worst = loop_ece(prob, truth, bins)
    assert expected_calibration_error(tally, bins) == pytest.approx(expected)
    assert maximum_calibration_error(tally, bins) == pytest.approx(worst)


@pytest.mark.parametrize(("binning", "strategy"), [("equal_width", "uniform"), ("equal_mass", "quantile")])
def test_the_reliability_diagram_is_scikit_learns(binning, strategy):
    prob, truth = drawn(1)
    found = reliability(tally_pixels(prob, truth), 10, binning)
    lesion, mean = calibration_curve(truth, prob, n_bins=10, strategy=strategy)
    np.testing.assert_allclose([one.prob for one in found], mean, atol=2e-3)
    np.testing.assert_allclose([one.lesion for one in found], lesion, atol=5e-3)
    assert sum(one.share for one in found) == pytest.approx(1)
    if binning == "equal_mass":
        assert [one.share for one in found] == pytest.approx([0.1] * 10)


def test_brier_score_and_cross_entropy_are_scikit_learns():
    prob, truth = drawn(2)
    tally = tally_pixels(prob, truth)
    found = brier(tally, 10)
    assert found.score == pytest.approx(brier_score_loss(truth, prob))
    assert negative_log_likelihood(tally) == pytest.approx(log_loss(truth, prob))
    parts = found.reliability - found.resolution + found.uncertainty + found.within
    assert parts == pytest.approx(found.score)


def test_the_brier_parts_of_whole_probabilities_leave_nothing_within_bins():
    prob = np.repeat([0.1, 0.3, 0.9], 100)
    truth = np.random.default_rng(0).random(300) < 0.4
    assert brier(tally_pixels(prob, truth), 10).within == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_the_temperature_is_found_again(temperature):
    prob, truth = drawn(3, 60_000, temperature)
    counts = count_levels(prob[None], truth[None])
    found = fit_temperature(counts)
    assert found == pytest.approx(temperature, rel=0.04)
    odds = logit(prob.clip(1e-9, 1 - 1e-9))
    grid = found * np.array([0.9, 0.97, 1.0, 1.03, 1.1])
    losses = [np.mean(np.logaddexp(0, odds / one) - truth * odds / one) for one in grid]
    assert int(np.argmin(losses)) == 2
    assert expected_calibration_error(tally_at(counts, found)) < 0.01


def test_counting_by_levels_costs_less_than_a_thousandth():
    prob, truth = drawn(4)
    counts, exact = count_levels(prob[None], truth[None]), tally_pixels(prob, truth)
    assert counts.sum(axis=0).tolist() == [len(prob), truth.sum()]
    counted = tally_at(counts)
    assert expected_calibration_error(counted) == pytest.approx(expected_calibration_error(exact), abs=1e-3)
    assert negative_log_likelihood(counted) == pytest.approx(negative_log_likelihood(exact), abs=1e-3)


def test_certain_probabilities_and_one_class_are_no_trouble():
    counts = count_levels(np.array([[0.0, 1.0, 0.5]]), np.array([[False, True, False]]))
    assert counts[0].tolist() == [1, 0]
    assert counts[-1].tolist() == [1, 1]
    assert fit_temperature(count_levels(np.full((2, 2), 0.3), np.zeros((2, 2), bool))) == 1.0
    assert LOGITS[1024] == 0


def test_only_the_asked_pixels_are_counted():
    prob, truth = np.full((4, 4), 0.7), np.eye(4, dtype=bool)
    assert count_levels(prob, truth, truth).sum(axis=0).tolist() == [4, 4]
    assert count_levels(prob, truth, np.zeros_like(truth)).sum() == 0


@pytest.mark.parametrize(
    ("prob", "truth"),
    [(np.full((2, 2), 1.5), np.ones((2, 2), bool)), (np.full((2, 2), 0.5), np.ones((2, 3), bool))],
)
def test_what_are_no_probabilities_is_refused(prob, truth):
    with pytest.raises(DataError, match="probabilities"):
        count_levels(prob, truth)
    with pytest.raises(DataError, match="probabilities"):
        tally_pixels(prob, truth)


def test_nothing_to_score_is_refused():
    empty = tally_at(np.zeros((2049, 2), np.int64))
    for score in (reliability, brier, negative_log_likelihood, expected_calibration_error):
        with pytest.raises(DataError, match="at least one pixel"):
            score(empty)
    with pytest.raises(DataError, match="at least one pixel"):
        fit_temperature(np.zeros((2049, 2), np.int64))
    with pytest.raises(SettingsError, match="1 bin"):
        reliability(tally_pixels(np.array([0.5]), np.array([True])), 0)
