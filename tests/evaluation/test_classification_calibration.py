from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from tests.evaluation.classification_making import drawn_scores, names

from gaze_insight.errors import DataError, SettingsError
from gaze_insight.evaluation.probability_calibration import (
    ProbabilityCalibration,
    cross_entropy,
    fit_platt,
    fit_probability_calibration,
    reliability_bins,
)


def overconfident(seed: int = 0, cases: int = 400) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    z = rng.normal(size=cases)
    labels = (rng.random(cases) < 1 / (1 + np.exp(-z))).astype(float)
    return 1 / (1 + np.exp(-(3 * z + 1))), labels


def test_platt_is_logistic_regression_on_the_log_odds():
    prob, labels = overconfident()
    z = np.log(prob / (1 - prob))
    reference = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(z[:, None], labels)
    fitted = fit_platt(prob, labels)
    assert fitted.slope == pytest.approx(reference.coef_[0, 0], rel=1e-3)
    assert fitted.shift == pytest.approx(reference.intercept_[0], abs=2e-3)
    assert fitted.slope == pytest.approx(1 / 3, abs=0.08)


def test_unknown_labels_do_not_count_in_the_fit():
    prob, labels = overconfident()
    more = np.append(prob, [0.5, 0.9]), np.append(labels, [np.nan, np.nan])
    assert fit_platt(*more) == fit_platt(prob, labels)


def test_temperature_has_no_shift_and_fits_no_better_than_platt():
    prob, labels = overconfident()
    cool, both = fit_platt(prob, labels, way="temperature"), fit_platt(prob, labels)
    assert cool.shift == 0
    assert both.nll_after <= cool.nll_after < cool.nll_before


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(["platt", "temperature"]), st.integers(2, 40))
def test_calibration_never_fits_worse_than_none(seed, way, cases):
    rng = np.random.default_rng(seed)
    prob, labels = rng.beta(0.3, 0.3, cases), rng.integers(0, 2, cases).astype(float)
    fitted = fit_platt(prob, labels, way=way, least_of_each=1)
    assert fitted.nll_after <= fitted.nll_before
    applied = ProbabilityCalibration({"a": fitted}).apply(prob[:, None])[:, 0]
    assert cross_entropy(applied, labels) <= cross_entropy(prob, labels) + 1e-6
    assert (np.diff(applied[np.argsort(prob)]) >= 0).all()


def test_separable_cases_have_an_answer():
    fitted = fit_platt(np.repeat([0.4, 0.6], 20), np.repeat([0.0, 1.0], 20))
    assert fitted.slope == pytest.approx(20)


def test_too_few_cases_stay_as_they_come_and_the_reason_is_written():
    prob, truth = drawn_scores(0, cases=30, classes=2, unknown=0)
    truth[:, 1] = 0
    truth[0, 1] = 1
    fitted = fit_probability_calibration(prob, truth, names(2), least_of_each=5)
    assert fitted.findings["finding 1"].note.startswith("too few to fit: 1 with and 29 without")
    applied = fitted.apply(prob)
    np.testing.assert_array_equal(applied[:, 1], prob[:, 1])
    assert not np.allclose(applied[:, 0], prob[:, 0])
    nothing = fit_probability_calibration(prob, truth, names(2), way="none")
    np.testing.assert_array_equal(nothing.apply(prob), prob)


def test_a_calibration_survives_its_file():
    prob, truth = drawn_scores(0, cases=80)
    fitted = fit_probability_calibration(prob, truth, names(4))
    again = ProbabilityCalibration.from_dict(json.loads(json.dumps(fitted.to_dict())))
    np.testing.assert_array_equal(again.apply(prob), fitted.apply(prob))
    with pytest.raises(DataError, match="something else"):
        ProbabilityCalibration.from_dict({"way": "platt", "findings": {"a": {"steep": 1}}})


def test_cross_entropy_and_bins_are_of_the_known_entries():
    prob, truth = drawn_scores(3)
    known = ~np.isnan(truth)
    assert cross_entropy(prob, truth) == pytest.approx(log_loss(truth[known], prob[known]))
    bins = reliability_bins(prob, truth)
    assert sum(one.share for one in bins) == pytest.approx(1)
    assert sum(one.share * one.lesion for one in bins) == pytest.approx(truth[known].mean())
    assert reliability_bins([0.5], [np.nan]) == []
    assert np.isnan(cross_entropy([0.5], [np.nan]))


def test_wrong_questions_about_calibration_are_refused():
    with pytest.raises(SettingsError, match="known: platt"):
        fit_platt([0.5], [1], way="isotonic")  # type: ignore[arg-type]
    with pytest.raises(DataError, match="names of findings"):
        fit_probability_calibration([[0.5]], [[1]], [])
    with pytest.raises(DataError, match="expected 0 findings"):
        ProbabilityCalibration({}).apply([[0.5]])
