from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.evaluation.classification_making import drawn_scores, names

from gaze_insight.errors import DataError, SettingsError
from gaze_insight.evaluation.thresholds import choose_thresholds, find_thresholds


def gain(prob: np.ndarray, truth: np.ndarray, cut: float, by: str) -> float:
    tp = fp = fn = tn = 0
    for p, y in zip(prob, truth, strict=True):
        if math.isnan(y):
            continue
        tp += p >= cut and y == 1
        fp += p >= cut and y == 0
        fn += p < cut and y == 1
        tn += p < cut and y == 0
    return 2 * tp / (2 * tp + fp + fn) if by == "f1" else tp / (tp + fn) + tn / (tn + fp) - 1


@pytest.mark.parametrize("by", ["f1", "youden"])
@pytest.mark.parametrize("levels", [0, 6])
def test_no_other_threshold_is_better(by, levels):
    prob, truth = drawn_scores(4, cases=50, levels=levels)
    found = find_thresholds(prob, truth, names(4), by)
    for column, name in enumerate(names(4)):
        reached = gain(prob[:, column], truth[:, column], found.values[name], by)
        tried = [gain(prob[:, column], truth[:, column], cut, by) for cut in np.linspace(0, 1, 1001)]
        assert reached == pytest.approx(found.reached[name])
        assert reached >= max(tried) - 1e-12
    assert choose_thresholds(prob, truth, by).tolist() == list(found.values.values())


def test_of_equally_good_thresholds_the_nearest_to_one_half_is_taken():
    assert choose_thresholds([[0.1], [0.9]], [[0], [1]])[0] == 0.5
    assert choose_thresholds([[0.6], [0.9]], [[0], [1]])[0] == 0.75


def test_one_value_alone_falls_back_and_says_so():
    found = find_thresholds([[0.9, 0.9], [0.8, 0.8]], [[1, np.nan], [1, np.nan]], ["Edema", "Hernia"])
    assert dict(found.values) == {"Edema": 0.5, "Hernia": 0.5}
    assert found.fell_back["Edema"] == "no negative among 2 cases to choose on"
    assert found.fell_back["Hernia"] == "no positive among 0 cases to choose on"
    assert found.reached == {}


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 1, width=32), min_size=2, max_size=12), st.integers(0, 2**12 - 1))
def test_neighbouring_numbers_are_told_apart(values, bits):
    truth = np.array([float(bits >> place & 1) for place in range(len(values))])
    if len(set(truth)) < 2:
        return
    prob = np.array(values)
    found = find_thresholds(prob[:, None], truth[:, None], ["a"])
    assert gain(prob, truth, found.values["a"], "f1") == pytest.approx(found.reached["a"])


def test_wrong_questions_are_refused():
    with pytest.raises(SettingsError, match="known: f1, youden"):
        choose_thresholds([[0.5]], [[1]], by="best")  # type: ignore[arg-type]
    with pytest.raises(DataError, match="expected 1 names"):
        find_thresholds([[0.5]], [[1]], ["a", "b"])
    with pytest.raises(DataError, match="by case and class"):
        choose_thresholds([0.5], [1])
