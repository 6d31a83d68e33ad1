"""The expected Dice on cases that it has not seen, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from gaze_insight.errors import DataError, SettingsError
from gaze_insight.pseudomask.expected_dice import (
    Calibration,
    ExpectedDice,
    expected_dice,
    fit_calibration,
    shipped_calibration,
)
from gaze_insight.pseudomask.features import FEATURES


def cases(count: int, seed: int, noise: float = 0.6) -> tuple[list[dict[str, float]], np.ndarray]:
    """Draw features of which two tell of the Dice and one does not."""
    rng = np.random.default_rng(seed)
    table = rng.normal(0, 1, (count, 3))
    hidden = 1.5 + 0.9 * table[:, 0] - 0.5 * table[:, 1] + rng.normal(0, noise, count)
    features = [{"agreement": 0.8 + 0.05 * a, "log_hull": 40 + 7 * b, "log_count": c} for a, b, c in table]
    return features, 1 / (1 + np.exp(-hidden))


@pytest.mark.parametrize("coverage", [0.5, 0.8, 0.9])
def test_the_interval_covers_unseen_cases_as_often_as_it_says(coverage):
    fitted = fit_calibration(*cases(800, 1), coverage=coverage)
    features, dice = cases(4000, 2)
    found = [expected_dice(one, fitted) for one in features]
    inside = [one.low <= value <= one.high for one, value in zip(found, dice, strict=True)]
    assert np.mean(inside) == pytest.approx(coverage, abs=0.05)
    means = np.array([one.mean for one in found])
    assert means.mean() == pytest.approx(dice.mean(), abs=0.02)
    assert spearmanr(means, dice).statistic > 0.7
    for low, high in ((0.0, 0.6), (0.6, 0.85), (0.85, 1.0)):
        chosen = (means >= low) & (means < high)
        assert dice[chosen].mean() == pytest.approx(means[chosen].mean(), abs=0.05)


@pytest.mark.parametrize("seed", range(6))
def test_a_better_score_never_means_a_lower_dice_and_the_mean_lies_within(seed):
    features, dice = cases(60 + 40 * seed, seed, noise=2.0)
    dice[:: 7 + seed] = 0.0
    fitted = fit_calibration(features, dice, bins=8)
    for curve in (fitted.dice, fitted.low, fitted.high, fitted.knots):
        assert list(curve) == sorted(curve)
    for low, mean, high in zip(fitted.low, fitted.dice, fitted.high, strict=True):
        assert 0 <= low <= mean <= high <= 1
    scores = np.linspace(-9, 9, 50)
    one = Calibration(
        **(fitted.model_dump() | {"features": ("s",), "mean": (0,), "sd": (1,), "weight": (1,)})
    )
    found = np.array([expected_dice({"s": score}, one) for score in scores])
    assert (np.diff(found, axis=0) >= 0).all()


def test_the_weights_are_those_of_ridge_regression():
    features, dice = cases(300, 3)
    fitted = fit_calibration(features, dice, ridge=25.0)
    table = np.array([list(one.values()) for one in features])
    table = (table - table.mean(axis=0)) / table.std(axis=0)
    target = np.log(np.clip(dice, 0.02, 0.98) / (1 - np.clip(dice, 0.02, 0.98)))
    joined = np.concatenate([table, np.sqrt(25.0) * np.eye(3)])
    wanted = np.linalg.lstsq(joined, np.concatenate([target - target.mean(), np.zeros(3)]), rcond=None)[0]
    np.testing.assert_allclose(fitted.weight, wanted, atol=1e-5)
    score = sum(w * (f - m) / s for w, f, m, s in zip(
        fitted.weight, features[5].values(), fitted.mean, fitted.sd, strict=True
    ))  # fmt: skip
    assert fitted.score(features[5]) == pytest.approx(score)


def test_a_feature_that_never_changes_tells_nothing_and_breaks_nothing():
    features, dice = cases(100, 4)
    fitted = fit_calibration([one | {"outlier_share": 0.25} for one in features], dice)
    assert fitted.weight[-1] == 0
    found = expected_dice(features[0] | {"outlier_share": 0.9}, fitted)
    assert found == expected_dice(features[0] | {"outlier_share": 0.25}, fitted)
    assert np.isfinite(found).all()


def test_the_order_of_features_and_repeated_fits_change_nothing():
    features, dice = cases(200, 5)
    fitted = fit_calibration(features, dice)
    assert fit_calibration(features, dice) == fitted
    assert Calibration.model_validate_json(fitted.model_dump_json()) == fitted
    turned = dict(reversed(features[3].items()))
    assert expected_dice(turned, fitted) == expected_dice(features[3], fitted)


@pytest.mark.parametrize(
    ("score", "expected"),
    [
        (0.0, (0.5, 0.3, 0.6)),
        (0.5, (0.6, 0.5, 0.75)),
        (2.0, (0.75, 0.75, 0.93)),
        (4.0, (0.85, 0.85, 0.99)),
        (99.0, (1.0, 1.0, 1.0)),
        (-1.0, (0.3, 0.0, 0.3)),
        (-99.0, (0.0, 0.0, 0.0)),
    ],
)
def test_the_curve_goes_straight_between_knots_and_beyond_them(score, expected):
    curve = Calibration(
        features=("s",), mean=(0,), sd=(1,), weight=(1,), knots=(0, 1, 3), dice=(0.5, 0.7, 0.8),
        low=(0.3, 0.7, 0.8), high=(0.6, 0.9, 0.96), coverage=0.8, cases=100,
    )  # fmt: skip
    assert expected_dice({"s": score}, curve) == pytest.approx(expected)


def test_a_calibration_of_one_knot_is_a_constant():
    features, dice = cases(60, 8)
    fitted = fit_calibration(features, dice, bins=1)
    assert expected_dice(features[0], fitted) == ExpectedDice(fitted.dice[0], fitted.low[0], fitted.high[0])


def test_without_features_nothing_is_expected():
    assert expected_dice({}) is None


def test_the_shipped_calibration_is_of_the_features_that_labels_have():
    shipped = shipped_calibration()
    assert set(shipped.features) <= set(FEATURES)
    assert len(shipped.mean) == len(shipped.sd) == len(shipped.weight) == len(shipped.features)
    assert len(shipped.dice) == len(shipped.low) == len(shipped.high) == len(shipped.knots)
    assert min(shipped.sd) > 0
    assert list(shipped.knots) == sorted(shipped.knots)
    assert all(0 <= low <= mean <= high <= 1 for low, mean, high in zip(
        shipped.low, shipped.dice, shipped.high, strict=True
    ))  # fmt: skip
    assert shipped.cases >= 500
    assert shipped.source
    typical = dict(zip(shipped.features, shipped.mean, strict=True))
    assert 0.75 < expected_dice(typical).mean < 0.95


def test_a_missing_feature_is_named():
    with pytest.raises(DataError, match="needs the feature 'agreement', found certainty"):
        shipped_calibration().score({"certainty": 0.3})


GOOD, DICE = cases(60, 7)


@pytest.mark.parametrize(
    ("features", "dice", "message"),
    [
        (GOOD[:49], DICE[:49], "needs 50 cases with features and Dice, found 49 and 49"),
        (GOOD, DICE[:59], "found 60 and 59"),
        ([*GOOD[:-1], {"agreement": 0.5}], DICE, "the same features"),
        (GOOD, DICE + 1, r"a Dice in \[0, 1\]"),
        (GOOD, np.where(DICE < 0.9, DICE, np.nan), r"a Dice in \[0, 1\]"),
        ([*GOOD[:-1], GOOD[-1] | {"agreement": np.inf}], DICE, "finite features"),
    ],
)
def test_cases_that_calibrate_nothing_are_refused(features, dice, message):
    with pytest.raises(DataError, match=message):
        fit_calibration(features, dice)


@pytest.mark.parametrize("wrong", [{"folds": 1}, {"bins": 0}, {"bins": 61}])
def test_folds_and_bins_that_cannot_be_are_refused(wrong):
    with pytest.raises(SettingsError, match="expected 2 folds or more and 1 to 60 bins"):
        fit_calibration(GOOD, DICE, **wrong)
