from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score
from tests.evaluation.classification_making import drawn_scores, patients_of

from gaze_insight.errors import DataError
from gaze_insight.evaluation.patient_bootstrap import (
    crossed_patient_bootstrap,
    from_indices,
    paired_patient_bootstrap,
    patient_bootstrap,
    patient_numbers,
    patient_weights,
)
from gaze_insight.evaluation.statistics import (
    bootstrap_interval,
    crossed_bootstrap_interval,
    paired_permutation_p,
)
from gaze_insight.evaluation.swap_test import swap_p
from gaze_insight.evaluation.weighted_scores import auc_of_draws, mean_of_draws


def mean_of(values: np.ndarray):
    return partial(mean_of_draws, values[:, None])


def test_patients_are_drawn_whole():
    patients = ["c", "a", "c", "b"]
    assert patient_numbers(patients).tolist() == [0, 1, 0, 2]
    weights = patient_weights(patients, 200, seed=1)
    np.testing.assert_array_equal(weights[:, 0], weights[:, 2])
    np.testing.assert_array_equal(weights[:, [0, 1, 3]].sum(axis=1), 3)
    np.testing.assert_array_equal(weights, patient_weights(patients, 200, seed=1))


def test_for_a_mean_the_interval_is_the_one_of_means():
    rng = np.random.default_rng(0)
    values, patients = rng.normal(size=60), patients_of(60)
    ours = patient_bootstrap(mean_of(values), patients, replicates=6000).interval()
    np.testing.assert_allclose(ours, bootstrap_interval(values, groups=patients, resamples=6000), atol=0.02)


def test_weights_and_lists_of_cases_give_the_same_interval():
    prob, truth = drawn_scores(0, cases=40, classes=1, unknown=0)
    patients = patients_of(40)
    fast = patient_bootstrap(partial(auc_of_draws, prob, truth), patients, replicates=200)

    def auc(cases: np.ndarray) -> float:
        return roc_auc_score(truth[cases, 0], prob[cases, 0]) if len(set(truth[cases, 0])) == 2 else np.nan

    slow = patient_bootstrap(from_indices(auc), patients, replicates=200)
    np.testing.assert_allclose(fast.interval(), slow.interval())
    np.testing.assert_allclose(fast.value, slow.value)


def test_the_interval_of_an_auc_covers_the_true_auc():
    rng = np.random.default_rng(0)
    inside, truth = 0, np.repeat([0.0, 1.0], 30)[:, None]
    expected = stats.norm.cdf(1 / np.sqrt(2))
    for trial in range(200):
        scores = rng.normal(size=(60, 1)) + truth
        low, high = patient_bootstrap(
            partial(auc_of_draws, scores, truth), range(60), replicates=300, level=0.9, seed=trial
        ).interval()
        inside += low <= expected <= high
    assert 0.83 <= inside / 200 <= 0.96


def test_draws_without_a_positive_are_dropped_and_counted():
    prob, truth = np.linspace(0, 1, 10)[:, None], np.zeros((10, 1))
    truth[4] = 1
    found = patient_bootstrap(partial(auc_of_draws, prob, truth), range(10), replicates=2000)
    assert found.dropped[0] / 2000 == pytest.approx(0.9**10, abs=0.04)
    assert found.interval() is not None
    truth[4] = 0
    nothing = patient_bootstrap(partial(auc_of_draws, prob, truth), range(10), replicates=50)
    assert nothing.dropped[0] == 50
    assert nothing.interval() is None


def test_a_shared_difficulty_falls_out_of_a_paired_difference():
    rng = np.random.default_rng(0)
    hard = rng.normal(size=80)
    first, second = hard + 0.1, hard + rng.normal(0, 0.01, 80)
    paired = paired_patient_bootstrap(mean_of(first), mean_of(second), range(80)).interval()
    assert 0.09 < paired[0] < 0.1 < paired[1] < 0.11


def test_over_seeds_a_difference_of_means_has_the_interval_of_the_crossed_bootstrap():
    rng = np.random.default_rng(1)
    first = rng.normal(0.8, 0.1, (50, 1)) + rng.normal(0, 0.03, (1, 3)) + rng.normal(0, 0.02, (50, 3))
    second = first[:, :2] - 0.05 + rng.normal(0, 0.02, (50, 2))
    patients = patients_of(50)
    ours = crossed_patient_bootstrap(
        [mean_of(one) for one in first.T], [mean_of(one) for one in second.T], patients, replicates=6000
    )
    reference = crossed_bootstrap_interval(first, second, groups=patients, resamples=6000)
    np.testing.assert_allclose(ours.interval(), reference, atol=0.006)
    assert ours.value[0] == pytest.approx(first.mean() - second.mean())
    alone = crossed_patient_bootstrap([mean_of(one) for one in first.T], None, patients, replicates=6000)
    np.testing.assert_allclose(
        alone.interval(), crossed_bootstrap_interval(first, groups=patients, resamples=6000), atol=0.006
    )


@pytest.mark.parametrize("cases", [8, 30])
def test_for_means_swapping_is_flipping_signs(cases):
    rng = np.random.default_rng(cases)
    first, second = rng.normal(0.15, 0.3, cases), rng.normal(0, 0.3, cases)
    gains = (first - second) / cases
    ours = swap_p(lambda swaps: (1 - 2 * swaps) @ gains, range(cases), permutations=20_000)
    expected = paired_permutation_p(first, second, resamples=20_000)
    assert ours == pytest.approx(expected, abs=1e-12 if cases < 12 else 0.01)


def test_few_patients_are_tried_in_every_pattern():
    values = {(0, 0): 0.3, (1, 1): -0.3, (0, 1): 0.1, (1, 0): -0.1}
    found = swap_p(lambda swaps: np.array([values[int(a), int(b)] for _, a, b in swaps]), ["a", "a", "b"])
    assert found == 0.5
    assert np.isnan(swap_p(lambda swaps: np.full(len(swaps), np.nan), ["a"]))


def test_nothing_to_draw_is_refused():
    with pytest.raises(DataError, match="at least one case"):
        patient_bootstrap(mean_of(np.ones(1)), [])
    with pytest.raises(DataError, match="1 replicate"):
        patient_bootstrap(mean_of(np.ones(1)), ["a"], replicates=0)
    with pytest.raises(DataError, match="level"):
        patient_bootstrap(mean_of(np.ones(1)), ["a"], level=95)
    with pytest.raises(DataError, match="at least one run"):
        crossed_patient_bootstrap([], None, ["a"])
