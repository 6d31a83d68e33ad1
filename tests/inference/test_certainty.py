"""What is promised of one prediction, and how its mask grows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import distance_transform_edt, gaussian_filter
from scipy.special import expit, logit

from gaze_insight.errors import DataError
from gaze_insight.inference.certainty import (
    HeadUncertainty,
    SafeRule,
    certainty_features,
    judge,
    outline_band,
    small_logits,
    temper,
)
from gaze_insight.inference.safe_mask import GrowingMask, entry_levels, level_words, mask_at
from gaze_insight.pseudomask.expected_dice import Calibration


def blob(height: int = 60, width: int = 80, radius: float = 12.0, sharp: float = 2.0) -> np.ndarray:
    down, across = np.mgrid[:height, :width]
    return expit((radius - np.hypot(down - height / 2, across - width / 2)) / sharp)


def rule(promise: str, level: int) -> SafeRule:
    return SafeRule(
        promise=promise, alpha=0.1, beta=0.0, level=level, whole_image=False, enough=True, bound=0.1, cases=80
    )


def fitted(*, least: float = 0.5, dice: Calibration | None = None) -> HeadUncertainty:
    return HeadUncertainty(
        temperature=1.0,
        threshold=0.5,
        dice=dice,
        missed=rule("missed", 5),
        contains=rule("contains", 20),
        keep_frac=0.8,
        least=least,
        cases=80,
    )


def test_tempering_is_division_of_log_odds():
    prob = np.linspace(0.01, 0.99, 50)
    np.testing.assert_allclose(logit(temper(prob, 2.0)), logit(prob) / 2, atol=1e-5)
    assert temper(np.array([0.0, 1.0]), 3.0).tolist() == pytest.approx([0.0, 1.0], abs=0.01)


@given(st.integers(0, 200), st.floats(0.2, 0.8))
@settings(max_examples=25, deadline=None)
def test_masks_grow_from_the_prediction_to_the_whole_image(seed, threshold):
    rng = np.random.default_rng(seed)
    prob = expit(gaussian_filter(rng.normal(-1, 12, (30, 40)), 3) * 3)
    growing = GrowingMask(dilations=3)
    levels = entry_levels(prob, threshold, growing)
    last = growing.levels(threshold) - 1
    assert (mask_at(levels, 0) == (prob > threshold)).all()
    assert mask_at(levels, last).all()
    assert levels.max() <= last


def test_levels_are_lower_thresholds_then_dilations():
    prob, growing = blob(), GrowingMask(smoothing_frac=0.0)
    levels = entry_levels(prob, 0.5, growing)
    fallen = growing.thresholds(0.5)
    for level in (1, 7, fallen):
        lowest = expit(-growing.logit_step * level)
        near = np.abs(prob - lowest) < 1e-3
        assert (mask_at(levels, level) == (prob >= lowest))[~near].all()
    diagonal = np.hypot(*prob.shape)
    away = distance_transform_edt(~mask_at(levels, fallen))
    for step in (1, 4):
        wanted = away <= step * growing.dilation_frac * diagonal
        found = mask_at(levels, fallen + step)
        assert (found != wanted).mean() < 0.002


def test_without_any_probability_only_the_whole_image_is_left():
    levels = entry_levels(np.full((10, 10), 0.001), 0.5)
    assert (levels == GrowingMask().levels(0.5) - 1).all()
    with pytest.raises(DataError, match="probabilities"):
        entry_levels(np.full((4, 4), np.nan), 0.5)


def test_levels_are_named():
    last = GrowingMask().levels(0.5) - 1
    assert "wider by 3 %" in level_words(GrowingMask().thresholds(0.5) + 3, 0.5)
    assert level_words(last, 0.5) == "the whole image"
    assert GrowingMask().thresholds(0.05) == 0


def test_features_of_a_flat_prediction_are_those_of_the_definition():
    logits = np.full((40, 50), -3.0)
    logits[10:20, 10:30] = 1.0
    found = certainty_features(logits, temperature=0.5)
    sure, rest = expit(2.0), expit(-6.0)
    assert found["inside"] == pytest.approx(sure)
    assert found["largest_part"] == 1
    own = 2 * 200 * sure / (200 * sure + 1800 * rest + 200)
    assert found["self_dice"] == pytest.approx(logit(own))
    assert found["log_area"] == pytest.approx(np.log(0.1 + 3e-4))
    bits = [-(p * np.log2(p) + (1 - p) * np.log2(1 - p)) for p in (sure, rest)]
    assert min(bits) < found["border_entropy"] < max(bits)


def test_parts_and_empty_or_full_masks():
    logits = np.full((40, 40), -5.0)
    assert certainty_features(logits)["inside"] == 0
    logits[2:12, 2:12], logits[20:25, 20:24] = 3, 3
    assert certainty_features(logits)["largest_part"] == pytest.approx(100 / 120)
    full = certainty_features(np.full((8, 8), 4.0))
    assert np.isfinite(list(full.values())).all()
    assert not outline_band(np.ones((4, 4), bool)).any()
    assert not outline_band(np.zeros((4, 4), bool)).any()


def test_the_grid_of_the_features_does_not_hang_on_the_images_size():
    small, large = blob(), blob(600, 800, 120.0, 20.0)
    one, other = (certainty_features(small_logits(prob)) for prob in (small, large))
    for name, value in one.items():
        assert other[name] == pytest.approx(value, abs=0.12)
    assert small_logits(large).shape == (120, 160)


def test_a_sure_prediction_is_used_and_an_unsure_one_is_not():
    sure = judge(blob(), fitted())
    assert (sure.ask_human, sure.reason, sure.expected) == (False, "", None)
    assert (sure.missed >= (blob() > 0.5)).all()
    assert (sure.contains >= sure.missed).all()
    assert sure.contains.sum() > sure.missed.sum() > (blob() > 0.5).sum()
    unsure = judge(blob(), fitted(least=0.999))
    assert unsure.ask_human
    assert "mean probability inside the mask" in unsure.reason
    nothing = judge(np.full((20, 20), 0.01), fitted(least=0.0))
    assert nothing.reason == "nothing was predicted"


def test_the_expected_dice_decides_where_there_is_one():
    curve = Calibration(
        features=("inside", "gaze"),
        mean=(0.8, 0.0),
        sd=(0.1, 1.0),
        weight=(1, 1),
        knots=(-20, 20),
        dice=(0.3, 0.9),
        low=(0.1, 0.8),
        high=(0.5, 1.0),
        coverage=0.8,
        cases=80,
    )
    low, high = (judge(blob(), fitted(least=0.6, dice=curve), {"gaze": gaze}) for gaze in (-15.0, 15.0))
    assert low.ask_human
    assert "expected Dice" in low.reason
    assert not high.ask_human
    assert high.expected.low < high.confidence == high.expected.mean < high.expected.high
    with pytest.raises(DataError, match="gaze"):
        judge(blob(), fitted(dice=curve))
