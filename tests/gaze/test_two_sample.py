from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy import stats

from gaze_insight.errors import DataError
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.gaze.reading_statistics import STATISTICS, reading_statistics
from gaze_insight.gaze.telling_apart import (
    FEATURES,
    area_under_curve,
    fit_logistic,
    reading_features,
    tell_apart,
)
from gaze_insight.gaze.two_sample import TwoSampleSettings, compare_readings, holm

QUICK = TwoSampleSettings(permutations=299, resamples=100)


def reading(
    rng: np.random.Generator, *, mean: float = 20, shift: float = 0.0, long: float = 1.0
) -> Fixations:
    count = max(4, rng.poisson(mean))
    duration = long * rng.lognormal(5.7, 0.45, count)
    start = np.concatenate([[0], np.cumsum(duration + rng.uniform(10, 40, count))[:-1]])
    x, y = np.clip(rng.normal(0.5 + shift, 0.1, (2, count)), 0, 1)
    return Fixations(x, y, duration, start, "image_unit")


def disc(side: int = 60) -> np.ndarray:
    down, across = (np.mgrid[:side, :side] + 0.5) / side
    return np.hypot(down - 0.5, across - 0.5) < 0.15


def described(seed: int, count: int = 80, **changes) -> list[dict[str, np.ndarray]]:
    rng = np.random.default_rng(seed)
    return [reading_statistics(reading(rng, **changes), disc()) for _ in range(count)]


def test_statistics_agree_with_a_literal_loop():
    own, target = reading(np.random.default_rng(3)), disc()
    found = reading_statistics(own, target)
    n = len(own)
    assert list(found) == list(STATISTICS)
    assert found["count"].tolist() == [n]
    gaps = [own.start_ms[i + 1] - own.start_ms[i] - own.duration_ms[i] for i in range(n - 1)]
    jumps = [((own.x[i + 1] - own.x[i]) ** 2 + (own.y[i + 1] - own.y[i]) ** 2) ** 0.5 for i in range(n - 1)]
    np.testing.assert_allclose(found["gap_ms"], gaps)
    np.testing.assert_allclose(found["saccade_frac"], jumps)
    sds = [np.sqrt(np.cov(column, aweights=own.duration_ms, ddof=0)) for column in (own.x, own.y)]
    assert found["dispersion_frac"][0] == pytest.approx(np.mean(sds))
    on = [bool(target[min(59, int(own.y[i] * 60)), min(59, int(own.x[i] * 60))]) for i in range(n)]
    for third in range(3):
        part = [on[i] for i in range(n) if i * 3 // n == third]
        assert found[f"on_target_third_{third + 1}"][0] == pytest.approx(np.mean(part))
    assert found["on_target_first_3"][0] == pytest.approx(np.mean(on[:3]))
    for k in range(1, 5):
        away = np.hypot(own.x[k - 1] - 0.5, own.y[k - 1] - 0.5)
        assert found[f"distance_{k}_frac"][0] == pytest.approx(away)


def test_short_readings_and_missing_targets_leave_statistics_out():
    two = Fixations.from_rows([(0.5, 0.5, 200, 0), (0.6, 0.5, 200, 250)])
    found = reading_statistics(two, disc())
    assert found["distance_2_frac"].size == 1
    assert found["distance_3_frac"].size == 0
    assert found["on_target_third_3"].size == 0
    bare = reading_statistics(two, np.zeros((4, 4), bool))
    assert bare["distance_1_frac"].size == 0
    assert bare["saccade_frac"].tolist() == pytest.approx([0.1])
    empty = reading_statistics(Fixations.empty(), disc())
    assert empty["count"].tolist() == [0.0]
    assert all(empty[name].size == 0 for name in STATISTICS if name != "count")
    with pytest.raises(DataError, match=r"shape \(H, W\)"):
        reading_statistics(two, np.zeros(4, bool))


def test_a_fixation_off_the_image_is_off_the_target():
    off = Fixations.from_rows([(1.2, 0.5, 200, 0), (0.5, 0.5, 200, 250)])
    assert reading_statistics(off, np.ones((5, 5), bool))["on_target_first_3"].tolist() == [0.5]


def test_distances_are_those_of_scipy():
    real, simulated = described(0, 30), described(1, 35, mean=26)
    found = {one.name: one for one in compare_readings(real, simulated, QUICK).comparisons}
    assert list(found) == list(STATISTICS)
    for name, one in found.items():
        a, b = (np.concatenate([row[name] for row in side]) for side in (real, simulated))
        assert one.ks == pytest.approx(stats.ks_2samp(a, b).statistic)
        assert one.wasserstein_sd == pytest.approx(stats.wasserstein_distance(a, b) / a.std())
        assert one.energy == pytest.approx(stats.energy_distance(a, b) / np.sqrt(a.std()))
        wins = np.sign(b[:, None] - a[None, :]).mean()
        assert one.cliffs_delta == pytest.approx(wins)
        assert one.wasserstein_sd >= abs(one.shift_sd) - 1e-9
        assert one.low_sd < one.high_sd


def test_p_values_are_close_to_the_exact_test():
    rng = np.random.default_rng(5)
    a, b = rng.normal(0, 1, 40), rng.normal(0.7, 1, 45)
    real, simulated = ([{"count": np.array([value])} for value in side] for side in (a, b))
    (one,) = compare_readings(real, simulated, TwoSampleSettings(permutations=1999)).comparisons
    assert one.p == pytest.approx(stats.ks_2samp(a, b, method="exact").pvalue, abs=0.012)


def test_p_values_keep_their_level_where_fixations_of_a_reading_are_alike():
    """Readings have their own mean; a test that took fixations as independent would reject nearly always."""
    rejected = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        sides = [
            [{"duration_ms": rng.normal(rng.normal(300, 80), 10, 15)} for _ in range(12)] for _ in range(2)
        ]
        (one,) = compare_readings(*sides, TwoSampleSettings(permutations=259, resamples=20)).comparisons
        rejected += one.p <= 0.05
    assert rejected <= 6


def test_equal_simulators_are_alike_and_other_ones_differ():
    real = described(0, 400)
    same = compare_readings(real, described(1, 400), QUICK)
    assert {one.verdict for one in same.comparisons} == {"equivalent"}
    assert same.separation_verdict == "equivalent"
    assert same.verdict == "equivalent"
    other = compare_readings(real, described(1, 400, mean=32, long=1.6), QUICK)
    verdicts = {one.name: one.verdict for one in other.comparisons}
    assert verdicts["count"] == verdicts["duration_ms"] == "different"
    assert verdicts["gap_ms"] == verdicts["saccade_frac"] == "equivalent"
    assert other.separation_verdict == "different"
    assert other.separation.alone["duration_ms_mean"] > 0.8 > 0.6 > other.separation.alone["gap_ms_mean"]
    assert other.verdict == "different"


def test_readings_at_the_margin_are_seldom_called_alike_or_different():
    found = []
    settings = TwoSampleSettings(permutations=259, resamples=60)
    for seed in range(40):
        rng = np.random.default_rng(seed)
        sides = [[{"count": np.array([value])} for value in rng.normal(m, 1, 80)] for m in (0, 0.25)]
        found.append(compare_readings(*sides, settings).comparisons[0].verdict)
    assert found.count("equivalent") <= 5
    assert found.count("different") <= 5


def test_few_readings_leave_it_undecided():
    found = compare_readings(described(0, 10), described(1, 10), QUICK)
    assert found.verdict == "undecided"
    assert found.comparisons[0].chance_sd > 0.1


def test_pairs_make_the_test_sharper():
    """Each image has its own mean; the simulated reading is a little above the real one of its image."""
    rng = np.random.default_rng(2)
    level = rng.normal(20, 6, 60)
    real = [{"count": np.array([value])} for value in level]
    simulated = [{"count": np.array([value + 1 + rng.normal(0, 0.3)])} for value in level]
    apart, paired = (
        compare_readings(real, simulated, QUICK, paired=flag).comparisons[0] for flag in (False, True)
    )
    assert paired.p < 0.02 < 0.1 < apart.p
    assert paired.chance_sd < apart.chance_sd


def test_statistics_that_few_readings_have_are_left_out_by_name():
    real = [{"count": np.array([3.0]), "gap_ms": np.array([20.0])[: i < 4]} for i in range(10)]
    found = compare_readings(real, real, QUICK, paired=True)
    assert [one.name for one in found.comparisons] == ["count"]
    assert "gap_ms" in found.left_out
    (one,) = found.comparisons
    assert (one.wasserstein_sd, one.p, one.verdict) == (0.0, 1.0, "equivalent")


def test_too_few_permutations_for_any_verdict_are_refused():
    with pytest.raises(ValidationError, match="at least 259"):
        TwoSampleSettings(permutations=258)
    assert TwoSampleSettings(permutations=129, alpha=0.1).alpha == 0.1


@pytest.mark.parametrize(
    ("real", "simulated", "paired", "words"),
    [(4, 20, False, "at least 5"), (20, 4, False, "at least 5"), (20, 21, True, "as many, found 20 and 21")],
)
def test_sides_that_cannot_be_compared_are_refused(real, simulated, paired, words):
    rows = [{"count": np.array([float(n)])} for n in range(30)]
    with pytest.raises(DataError, match=words):
        compare_readings(rows[:real], rows[:simulated], QUICK, paired=paired)


@given(st.lists(st.floats(0, 1), max_size=12))
@settings(max_examples=60, deadline=None)
def test_holm_is_the_step_down_rule(p):
    found = holm(p)
    order = sorted(range(len(p)), key=lambda i: p[i])
    worst = 0.0
    for step, i in enumerate(order):
        worst = max(worst, min(1.0, (len(p) - step) * p[i]))
        assert found[i] == pytest.approx(worst)


def test_the_regression_and_the_area_are_those_of_scikit_learn():
    linear = pytest.importorskip("sklearn.linear_model")
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(120, 6))
    y = (x @ rng.normal(size=6) + rng.normal(size=120) > 0.3).astype(int)
    for penalty in (0.5, 4.0):
        own, intercept = fit_logistic(x, y, penalty)
        theirs = linear.LogisticRegression(C=1 / penalty, tol=1e-10, max_iter=5000).fit(x, y)
        np.testing.assert_allclose(own, theirs.coef_[0], atol=1e-4)
        assert intercept == pytest.approx(theirs.intercept_[0], abs=1e-4)
    scores = np.round(x[:, 0], 1)
    assert area_under_curve(scores, y) == pytest.approx(metrics.roc_auc_score(y, scores))


def test_separable_labels_do_not_break_the_regression():
    coefficients, _ = fit_logistic(np.array([[-9.0], [-8.0], [8.0], [9.0]]), [0, 0, 1, 1], 1e-3)
    assert np.isfinite(coefficients).all()
    with pytest.raises(DataError, match="both 0 and 1"):
        fit_logistic(np.zeros((3, 1)), [1, 1, 1])
    with pytest.raises(DataError, match="both labels"):
        area_under_curve([0.1, 0.2], [0, 0])


def test_the_classifier_finds_what_no_mean_shows_and_nothing_where_there_is_nothing():
    rng = np.random.default_rng(4)
    narrow = [{"count": rng.normal(20, 1, 1)} for _ in range(150)]
    wide = [{"count": rng.normal(20, 6, 1)} for _ in range(150)]
    assert tell_apart(narrow, wide, resamples=20).auc > 0.75
    nothing = tell_apart(described(0, 150), described(1, 150), resamples=200)
    assert abs(nothing.auc - 0.5) < 0.12
    assert nothing.low < nothing.auc < nothing.high


def test_features_are_finite_or_missing_and_named():
    row = reading_features(described(0, 1)[0])
    assert row.shape == (len(FEATURES),)
    assert np.isfinite(row).all()
    assert FEATURES[1:3] == ("duration_ms_mean", "duration_ms_sd")
    only = reading_features(reading_statistics(Fixations.from_rows([(0.5, 0.5, 200, 0)])))
    assert np.isnan(only[FEATURES.index("gap_ms_mean")])


@pytest.mark.parametrize("paired", [True, False])
def test_folds_need_as_many_readings(paired):
    rows = [{"count": np.array([float(n)])} for n in range(3)]
    with pytest.raises(DataError, match="5 folds"):
        tell_apart(rows, rows, paired=paired)
