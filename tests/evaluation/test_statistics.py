from __future__ import annotations

import json
import math
from itertools import product

import numpy as np
import pytest
from scipy import stats

from gaze_insight.errors import DataError
from gaze_insight.evaluation.cases import CaseScore
from gaze_insight.evaluation.statistics import (
    bootstrap_interval,
    paired_permutation_p,
    summarise_heads,
    summarise_scores,
)
from gaze_insight.evaluation.strata import size_strata


def score(
    case: str, value: float = 0.8, head: str = "student", area: float = 0.1, **more: float
) -> CaseScore:
    known = {"hd95_px": 2.0, "asd_px": 1.0, "hd95_mm": None, "asd_mm": None} | more
    return CaseScore(
        id=case, head=head, dice=value, iou=value / 2, true_area_frac=area, predicted_area_frac=area, **known
    )


def test_the_interval_agrees_with_scipy():
    values = np.random.default_rng(1).beta(8, 2, 80)
    reference = stats.bootstrap((values,), np.mean, method="percentile", n_resamples=8000, rng=2)
    ours = bootstrap_interval(values, resamples=8000, seed=3)
    np.testing.assert_allclose(ours, reference.confidence_interval, atol=0.003)


def test_the_interval_covers_the_true_mean_as_often_as_it_says():
    rng = np.random.default_rng(0)
    inside = 0
    for trial in range(200):
        low, high = bootstrap_interval(rng.normal(size=60), level=0.9, resamples=400, seed=trial)
        inside += low <= 0 <= high
    assert 0.83 <= inside / 200 <= 0.95


def test_groups_widen_the_interval_of_dependent_cases():
    patients = np.repeat(np.random.default_rng(0).normal(size=15), 10)
    groups = np.repeat(np.arange(15), 10).tolist()
    alone = np.subtract(*bootstrap_interval(patients)[::-1])
    grouped = np.subtract(*bootstrap_interval(patients, groups=groups)[::-1])
    assert grouped > 2 * alone


def test_groups_of_one_are_the_same_as_no_groups():
    values = np.random.default_rng(4).normal(size=30)
    assert bootstrap_interval(values, groups=list("abcdefghijklmnopqrstuvwxyz1234")) == pytest.approx(
        bootstrap_interval(values)
    )


def test_is_reproducible_and_a_single_value_has_no_width():
    values = [0.1, 0.5, 0.9]
    assert bootstrap_interval(values, seed=7) == bootstrap_interval(values, seed=7)
    assert bootstrap_interval([0.4]) == (0.4, 0.4)


@pytest.mark.parametrize("values", [[], [0.1, math.nan], [[0.1, 0.2]], [math.inf]])
def test_refuses_values_that_have_no_mean(values):
    with pytest.raises(DataError, match="finite"):
        bootstrap_interval(values)


def test_refuses_a_level_or_groups_that_do_not_fit():
    with pytest.raises(DataError, match="level"):
        bootstrap_interval([1.0], level=1.0)
    with pytest.raises(DataError, match="2 values and 1 groups"):
        bootstrap_interval([1.0, 2.0], groups=["a"])


def test_the_permutation_test_is_exact_for_few_cases():
    a, b = np.array([0.9, 0.4, 0.8, 0.6]), np.array([0.5, 0.5, 0.7, 0.2])
    observed = abs(np.sum(a - b))
    literal = [abs(np.dot(signs, a - b)) >= observed - 1e-12 for signs in product((1, -1), repeat=4)]
    assert paired_permutation_p(a, b) == np.mean(literal)


def test_the_permutation_test_agrees_with_scipy_for_many_cases():
    rng = np.random.default_rng(0)
    a = rng.normal(0.25, 1, 60)
    b = np.zeros(60)
    reference = stats.permutation_test(
        (a, b), lambda x, y: np.mean(x - y), permutation_type="samples", n_resamples=9999, rng=1
    )
    assert paired_permutation_p(a, b) == pytest.approx(reference.pvalue, abs=0.015)


def test_the_permutation_test_knows_equal_and_clearly_different_methods():
    values = np.random.default_rng(0).normal(size=40)
    assert paired_permutation_p(values, values) == 1
    assert paired_permutation_p(values + 1, values) == pytest.approx(1 / 10_001)
    assert paired_permutation_p(values + 1, values, groups=["one patient"] * 40) == 1
    with pytest.raises(DataError, match="same cases"):
        paired_permutation_p([1.0], [1.0, 2.0])


def test_the_summary_has_the_form_of_the_run_file():
    rows = [score(str(i), value) for i, value in enumerate((0.6, 0.8, 1.0))]
    summary = summarise_scores(rows)
    assert set(summary) == {"dice", "iou", "hd95_px", "asd_px"}
    assert summary["dice"]["mean"] == pytest.approx(0.8)
    assert summary["dice"]["sd"] == pytest.approx(0.2)
    assert summary["dice"]["n"] == 3
    low, high = summary["dice"]["ci95"]
    assert 0.6 <= low < 0.8 < high <= 1.0
    assert json.loads(json.dumps(summary)) == summary
    assert summarise_scores([]) == {}


def test_the_summary_counts_what_the_policy_excludes_and_averages_mm_where_known():
    rows = [score("a", hd95_px=math.nan), score("b", hd95_px=4.0, hd95_mm=0.4, asd_mm=0.1)]
    summary = summarise_scores(rows)
    assert (summary["hd95_px"]["mean"], summary["hd95_px"]["excluded"], summary["hd95_px"]["n"]) == (4, 1, 1)
    assert (summary["hd95_mm"]["mean"], summary["hd95_mm"]["n"]) == (0.4, 1)
    assert "hd95_px" not in summarise_scores(rows[:1])


def test_the_summary_refuses_mixed_heads_and_double_cases():
    with pytest.raises(DataError, match="student, teacher"):
        summarise_scores([score("a"), score("b", head="teacher")])
    with pytest.raises(DataError, match="scored twice"):
        summarise_scores([score("a"), score("a")])


def test_heads_are_summarised_apart_and_patients_are_drawn_whole():
    values = np.repeat(np.linspace(0.1, 0.9, 6), 5)
    rows = [score(str(i), v, head) for head in ("student", "teacher") for i, v in enumerate(values)]
    apart = summarise_heads(rows)
    assert list(apart) == ["student", "teacher"]
    grouped = summarise_heads(rows, groups={str(i): i // 5 for i in range(30)})
    width = np.subtract(*apart["student"]["dice"]["ci95"][::-1])
    assert np.subtract(*grouped["student"]["dice"]["ci95"][::-1]) > 1.5 * width
    unknown_patients = summarise_heads(rows, groups={})
    assert unknown_patients["student"]["dice"]["ci95"] == pytest.approx(apart["student"]["dice"]["ci95"])


def test_strata_are_of_equal_count_and_ordered_by_size():
    rows = [score(str(i), area=area) for i, area in enumerate((0.5, 0.01, 0.2, 0.02, 0.3, 0.04, 0.0))]
    strata = size_strata(rows)
    assert [(s.name, s.low_frac, s.high_frac) for s in strata] == [
        ("small", 0.01, 0.02),
        ("medium", 0.04, 0.2),
        ("large", 0.3, 0.5),
    ]
    assert sum(len(s.scores) for s in strata) == 6
    assert [s.name for s in size_strata(rows[:4])] == ["small", "large"]
    assert size_strata([score("a", area=0.0)]) == []
