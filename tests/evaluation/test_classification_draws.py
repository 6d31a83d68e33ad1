"""Weighted scores against the same scores of cases that are really repeated."""

from __future__ import annotations

import time

import numpy as np
import pytest
from sklearn import metrics
from tests.evaluation.classification_making import drawn_scores, names, patients_of

from gaze_insight.errors import DataError, SettingsError
from gaze_insight.evaluation.classification import (
    CLASS_METRICS,
    class_metrics_of_draws,
    classification_scores,
)
from gaze_insight.evaluation.patient_bootstrap import patient_weights
from gaze_insight.evaluation.weighted_scores import (
    auc_of_draws,
    calibration_error_of_draws,
    mean_of_draws,
)


def test_a_weight_of_two_is_the_case_twice():
    prob, truth = drawn_scores(1, cases=40, classes=3, levels=12)
    weights = patient_weights(patients_of(40), 25, seed=3)
    called = (prob >= 0.5).astype(float)
    ours = class_metrics_of_draws(prob, truth, called, weights)
    for draw, row in enumerate(weights.astype(int)):
        cases = np.repeat(np.arange(40), row)
        again = classification_scores(prob[cases], truth[cases], [0.5] * 3, names(3))
        for column, name in enumerate(names(3)):
            if name not in again.classes:
                assert np.isnan(ours[draw, :, column]).all()
                continue
            expected = [getattr(again.classes[name], metric) for metric in CLASS_METRICS]
            np.testing.assert_allclose(ours[draw, :, column], expected, atol=1e-12)


def test_the_auc_takes_any_weights_as_sklearn_does():
    prob, truth = drawn_scores(2, cases=30, classes=1, unknown=0, levels=8)
    weights = np.random.default_rng(0).random((5, 30))
    expected = [metrics.roc_auc_score(truth[:, 0], prob[:, 0], sample_weight=row) for row in weights]
    np.testing.assert_allclose(auc_of_draws(prob, truth, weights)[:, 0], expected)


def test_a_draw_without_a_positive_has_no_auc():
    found = auc_of_draws(np.array([[0.2], [0.7]]), np.array([[0.0], [1.0]]), np.array([[2.0, 0], [1, 1]]))
    np.testing.assert_array_equal(found, [[np.nan], [1.0]])


def test_a_thousand_draws_of_ten_findings_take_less_than_two_seconds():
    prob, truth = drawn_scores(0, cases=200, classes=10)
    weights = patient_weights(patients_of(200), 1000)
    start = time.process_time()
    assert auc_of_draws(prob, truth, weights).shape == (1000, 10)
    assert time.process_time() - start < 2


def test_a_mean_is_over_the_cases_that_have_a_value():
    values = np.array([[1.0, np.nan], [3.0, np.nan], [np.nan, 4.0]])
    found = mean_of_draws(values, np.array([[1.0, 1, 1], [3, 1, 0]]))
    np.testing.assert_array_equal(found, [[2.0, 4.0], [1.5, np.nan]])


def test_what_does_not_belong_together_is_refused_by_draws():
    prob, truth = np.array([[0.5], [0.4]]), np.array([[1.0], [0.0]])
    with pytest.raises(DataError, match="one column a case"):
        auc_of_draws(prob, truth, np.ones((1, 3)))
    with pytest.raises(DataError, match="at least 0"):
        auc_of_draws(prob, truth, -np.ones((1, 2)))
    with pytest.raises(DataError, match="values"):
        mean_of_draws(prob, np.ones((1, 3)))
    with pytest.raises(SettingsError, match="1 bin"):
        calibration_error_of_draws(prob, truth, np.ones((1, 2)), bins=0)
