"""Conformal promises: literal definitions, and coverage on drawn cases."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gaze_insight.errors import DataError, SettingsError
from gaze_insight.evaluation.conformal import (
    case_weights,
    conformal_calibration,
    conformal_ends,
    controlled_level,
    not_contained,
    outside_frac,
)
from gaze_insight.pseudomask.expected_dice import expected_dice


def lesions(rng: np.random.Generator, number: int, levels: int = 30) -> np.ndarray:
    """Lesion pixels by level: most enter early, some cases late."""
    mean = rng.gamma(2.0, 2.0, number)
    counts = [np.bincount(np.minimum(rng.poisson(one, 200), levels - 1), minlength=levels) for one in mean]
    return np.stack(counts)


def test_the_share_outside_is_counted_pixel_by_pixel():
    rng = np.random.default_rng(0)
    entry = rng.integers(0, 5, 40)
    found = outside_frac(np.bincount(entry, minlength=5)[None])[0]
    for level in range(5):
        assert found[level] == pytest.approx(sum(one > level for one in entry) / 40)


@given(st.integers(0, 500), st.integers(1, 60), st.sampled_from([0.02, 0.1, 0.3]))
@settings(max_examples=40, deadline=None)
def test_the_level_is_the_first_that_the_bound_allows(seed, number, alpha):
    losses = outside_frac(lesions(np.random.default_rng(seed), number))
    found = controlled_level(losses, alpha)
    allowed = [
        level
        for level in range(losses.shape[1])
        if (sum(losses[i, level] for i in range(number)) + 1) / (number + 1) <= alpha + 1e-12
    ]
    assert found.level == (allowed[0] if allowed else losses.shape[1] - 1)
    assert found.enough == (number + 1 >= 1 / alpha - 1e-9)
    assert found.bound <= alpha + 1e-12


@given(st.integers(0, 500), st.integers(9, 60))
@settings(max_examples=40, deadline=None)
def test_containment_is_the_split_conformal_quantile(seed, number):
    rng, alpha, beta = np.random.default_rng(seed), 0.1, 0.1
    outside = outside_frac(lesions(rng, number))
    scores = sorted(next(k for k in range(outside.shape[1]) if row[k] <= beta) for row in outside)
    rank = math.ceil((number + 1) * (1 - alpha) - 1e-9)
    expected = scores[rank - 1] if rank <= number else outside.shape[1] - 1
    assert controlled_level(not_contained(outside, beta), alpha).level == expected


@pytest.mark.parametrize("alpha", [0.1, 0.2])
def test_the_risk_is_kept_on_new_cases(alpha):
    rng = np.random.default_rng(1)
    every = outside_frac(lesions(rng, 6000))
    plain = {"missed": every, "contains": not_contained(every, 0.1)}
    for losses in plain.values():
        risks = []
        for _ in range(60):
            order = rng.permutation(len(losses))
            level = controlled_level(losses[order[:40]], alpha).level
            risks.append(losses[order[40:], level].mean())
        assert np.mean(risks) < alpha + 0.01
        assert np.mean(risks) > alpha - 0.06


def test_too_few_cases_leave_the_whole_image():
    losses = np.zeros((8, 4))
    found = controlled_level(losses, 0.1)
    assert (found.level, found.enough, found.bound) == (3, False, 0.0)
    assert controlled_level(np.zeros((9, 4)), 0.1).level == 0


def test_a_patient_counts_once():
    losses = np.vstack([np.tile([[1.0, 0.0]], (30, 1)), np.zeros((29, 2))])
    groups = ["ill"] * 30 + list(range(29))
    assert controlled_level(losses, 0.1).level == 1
    found = controlled_level(losses, 0.1, groups)
    assert (found.level, found.cases) == (0, 30)
    assert found.bound == pytest.approx(2 / 31)
    assert case_weights(4, ["a", "b", "b", "c"])[0].tolist() == [1, 0.5, 0.5, 1]


@pytest.mark.parametrize(
    "losses", [np.zeros((0, 3)), [[0.0, 0.5, 0.0]], [[0.5, 0.5]], [[2.0, 0.0]], [0.1, 0.0]]
)
def test_losses_that_break_the_rules_are_refused(losses):
    with pytest.raises(DataError, match=r"losses|expected"):
        controlled_level(losses, 0.1)


def test_a_risk_outside_0_and_1_is_refused():
    with pytest.raises(SettingsError, match="between 0 and 1"):
        controlled_level([[0.0]], 1.0)
    with pytest.raises(DataError, match="group"):
        case_weights(2, ["a"])
    with pytest.raises(DataError, match="residual"):
        conformal_ends([], 0.8)


@given(st.integers(1, 80), st.sampled_from([0.5, 0.8, 0.9]))
@settings(max_examples=40, deadline=None)
def test_the_ends_are_order_statistics(number, coverage):
    values = np.random.default_rng(number).normal(size=number)
    rank = math.floor((number + 1) * (1 - coverage) / 2 + 1e-9)
    ordered = sorted(values)
    expected = (ordered[rank - 1], ordered[-rank]) if rank else (-math.inf, math.inf)
    assert conformal_ends(values, coverage) == expected
    assert conformal_ends(values, coverage, list(range(number))) == expected


def drawn(rng: np.random.Generator, number: int) -> tuple[list[dict[str, float]], np.ndarray]:
    inside = rng.uniform(0.4, 1, number)
    spread = 0.02 + 0.2 * (1 - inside)
    dice = np.clip(inside - 0.05 + spread * rng.standard_t(4, number), 0, 1)
    return [{"inside": a, "noise": b} for a, b in zip(inside, rng.normal(size=number), strict=True)], dice


@pytest.mark.parametrize("coverage", [0.8, 0.9])
def test_the_interval_of_the_dice_holds_for_new_cases(coverage):
    rng = np.random.default_rng(2)
    held, width = [], []
    for _ in range(12):
        features, dice = drawn(rng, 80)
        fitted, unseen = conformal_calibration(features, dice, coverage=coverage)
        new, true = drawn(rng, 200)
        found = [expected_dice(one, fitted) for one in new]
        held.append(np.mean([one.low <= value <= one.high for one, value in zip(found, true, strict=True)]))
        width.append(np.mean([one.high - one.low for one in found]))
        assert np.abs(unseen - dice).mean() < 0.12
        assert fitted.coverage == coverage
    assert coverage - 0.04 < np.mean(held) < coverage + 0.05
    assert np.mean(width) < 0.45


def test_a_constant_dice_is_no_trouble():
    fitted, _ = conformal_calibration([{"inside": i / 60} for i in range(60)], np.ones(60))
    found = expected_dice({"inside": 0.5}, fitted)
    assert found.high == 1.0
    assert found.mean > 0.97


def test_patients_stay_together_and_a_huge_one_is_left_out_of_the_residuals():
    rng = np.random.default_rng(3)
    features, dice = drawn(rng, 90)
    groups = ["huge"] * 45 + [f"p{i // 3}" for i in range(45)]
    _, unseen = conformal_calibration(features, dice, groups=groups)
    assert np.isnan(unseen[:45]).all()
    assert np.isfinite(unseen[45:]).all()


def test_fewer_than_51_cases_are_refused():
    features, dice = drawn(np.random.default_rng(0), 50)
    with pytest.raises(DataError, match="51 cases"):
        conformal_calibration(features, dice)
