from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics
from tests.evaluation.classification_making import drawn_scores, names

from gaze_insight.errors import DataError
from gaze_insight.evaluation.classification import (
    CLASS_METRICS,
    classification_scores,
    roc_auc,
    roc_curve,
)


def by_sklearn(prob: np.ndarray, truth: np.ndarray, cut: float) -> dict[str, float]:
    known = ~np.isnan(truth)
    p, y = prob[known], truth[known].astype(int)
    called = (p >= cut).astype(int)
    return {
        "auc": metrics.roc_auc_score(y, p),
        "average_precision": metrics.average_precision_score(y, p),
        "f1": metrics.f1_score(y, called, zero_division=0),
        "precision": metrics.precision_score(y, called, zero_division=0),
        "recall": metrics.recall_score(y, called),
        "brier": metrics.brier_score_loss(y, p),
        "ece": literal_ece(p, y),
    }


def literal_ece(p: np.ndarray, y: np.ndarray, bins: int = 10) -> float:
    total = 0.0
    for number in range(bins):
        inside = [i for i in range(len(p)) if min(int(p[i] * bins), bins - 1) == number]
        if inside:
            gap = np.mean([p[i] for i in inside]) - np.mean([y[i] for i in inside])
            total += len(inside) / len(p) * abs(gap)
    return total


@pytest.mark.parametrize("levels", [0, 7])
@pytest.mark.parametrize("seed", range(3))
def test_rows_macro_and_micro_agree_with_sklearn_on_the_known_entries(seed, levels):
    prob, truth = drawn_scores(seed, levels=levels)
    cuts = np.array([0.3, 0.5, 0.6, 0.45])
    scores = classification_scores(prob, truth, cuts, names(4))
    rows = [by_sklearn(prob[:, c], truth[:, c], cuts[c]) for c in range(4)]
    for name, row in zip(names(4), rows, strict=True):
        for metric in CLASS_METRICS:
            assert getattr(scores.classes[name], metric) == pytest.approx(row[metric], abs=1e-9), metric
    for metric in CLASS_METRICS:
        assert getattr(scores.macro, metric) == pytest.approx(
            np.mean([row[metric] for row in rows]), abs=1e-9
        )
    shifted = np.where(prob >= cuts, 1.0, 0.0)
    known = ~np.isnan(truth)
    assert scores.micro.auc == pytest.approx(metrics.roc_auc_score(truth[known], prob[known]))
    assert scores.micro.f1 == pytest.approx(metrics.f1_score(truth[known], shifted[known]))
    assert scores.micro.brier == pytest.approx(np.mean((prob[known] - truth[known]) ** 2))
    assert scores.unknown == int((~known).sum())
    assert scores.micro.positives + scores.micro.negatives == known.sum()


def test_a_finding_with_one_value_has_no_row_but_counts_among_all_entries():
    prob = np.array([[0.9, 0.2, 0.1], [0.1, 0.6, 0.5], [0.6, 0.5, 0.5]])
    truth = np.array([[1, 1, np.nan], [0, 1, np.nan], [0, np.nan, np.nan]])
    scores = classification_scores(prob, truth, [0.5] * 3, ["Edema", "Fracture", "Hernia"])
    assert list(scores.classes) == ["Edema"]
    assert scores.skipped == {"Fracture": "no negative among 2 known cases", "Hernia": "no case has a label"}
    assert scores.macro.auc == 1.0
    assert (scores.micro.positives, scores.micro.negatives) == (3, 2)
    assert scores.micro.recall == pytest.approx(2 / 3)


def test_without_any_finding_to_score_the_means_are_not_a_number():
    scores = classification_scores([[0.4]], [[math.nan]], [0.5], ["Edema"])
    assert math.isnan(scores.macro.auc)
    assert math.isnan(scores.micro.f1)
    assert scores.classes == {}


def test_nothing_called_positive_scores_0():
    scores = classification_scores([[0.4], [0.2]], [[1], [0]], [0.9], ["Edema"])
    row = scores.classes["Edema"]
    assert (row.f1, row.precision, row.recall, row.auc) == (0, 0, 0, 1)


@pytest.mark.parametrize(
    ("prob", "truth", "cuts", "findings", "words"),
    [
        ([[0.5]], [[2]], [0.5], ["a"], "1, 0 or NaN"),
        ([[1.5], [0.5]], [[1], [0]], [0.5], ["a"], r"\[0, 1\]"),
        ([[math.nan]], [[1]], [0.5], ["a"], "case 0, class 0"),
        ([[0.5, 0.5]], [[1, 0]], [0.5], ["a", "b"], "a threshold and a name"),
        ([[0.5, 0.5]], [[1, 0]], [0.5, 0.5], ["a", "a"], "name of its own"),
        (np.empty((0, 1)), np.empty((0, 1)), [0.5], ["a"], "by case and class"),
    ],
)
def test_what_does_not_belong_together_is_refused(prob, truth, cuts, findings, words):
    with pytest.raises(DataError, match=words):
        classification_scores(prob, truth, cuts, findings)


@given(
    st.lists(st.tuples(st.integers(0, 9), st.booleans()), min_size=2, max_size=30).filter(
        lambda rows: len({label for _, label in rows}) == 2
    )
)
def test_auc_is_the_share_of_pairs_in_order_and_knows_only_order(rows):
    scores = np.array([score for score, _ in rows], dtype=float)
    labels = np.array([label for _, label in rows], dtype=float)
    pairs = [(a > b) + (a == b) / 2 for a, x in rows for b, y in rows if x and not y]
    assert roc_auc(scores, labels) == pytest.approx(np.mean(pairs))
    assert roc_auc(scores**3 + 5, labels) == pytest.approx(roc_auc(scores, labels))
    assert roc_auc(-scores, labels) == pytest.approx(1 - roc_auc(scores, labels))


def test_the_roc_curve_is_that_of_sklearn_and_its_area_is_the_auc():
    prob, truth = drawn_scores(5, levels=9)
    false, true = roc_curve(prob[:, 0], truth[:, 0])
    known = ~np.isnan(truth[:, 0])
    expected = metrics.roc_curve(truth[known, 0], prob[known, 0], drop_intermediate=False)
    np.testing.assert_allclose(false, expected[0])
    np.testing.assert_allclose(true, expected[1])
    assert np.trapezoid(true, false) == pytest.approx(roc_auc(prob[:, 0], truth[:, 0]))
    assert len(roc_curve([0.5, 0.6], [1, 1])[0]) == 0
