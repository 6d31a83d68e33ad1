from __future__ import annotations

import json
import time

import numpy as np
import pytest
from sklearn.metrics import f1_score, roc_auc_score
from tests.evaluation.classification_making import drawn_scores, names, patients_of

from gaze_insight.errors import DataError, SettingsError
from gaze_insight.evaluation.patient_summary import summarise_classification, summarise_saliency
from gaze_insight.evaluation.run_comparison import compare
from gaze_insight.evaluation.run_scores import COMPARED, RunScores
from gaze_insight.evaluation.saliency import SaliencyScores


def runs(skill: float, seeds: int = 2, cases: int = 50, base: int = 0, scale: float = 1.0) -> list[RunScores]:
    _, truth = drawn_scores(0, cases=cases, classes=3)
    known = np.nan_to_num(truth, nan=0.5)
    made = []
    for seed in range(seeds):
        rng = np.random.default_rng([base, seed])
        odds = skill * (known - 0.5) + rng.normal(size=truth.shape)
        made.append(
            RunScores(
                [f"case {number}" for number in range(cases)],
                patients_of(cases),
                names(3),
                scale / (1 + np.exp(-odds)),
                truth,
                np.full(3, 0.5 * scale),
                {"cc": rng.normal(0.2 * skill, 0.1, cases)},
                seed,
            )
        )
    return made


def auc(run: RunScores, column: int) -> float:
    known = ~np.isnan(run.labels[:, column])
    return roc_auc_score(run.labels[known, column], run.probabilities[known, column])


def test_the_difference_is_that_of_the_means_over_seeds():
    first, second = runs(2.5), runs(1.0, base=1)
    found = compare(first, second, replicates=200, permutations=200)
    means = [np.mean([auc(run, c) for run in group for c in range(3)]) for group in (first, second)]
    assert (found.first, found.second) == (pytest.approx(means[0]), pytest.approx(means[1]))
    assert found.difference == pytest.approx(means[0] - means[1])
    assert found.ci95_cases[0] < found.difference < found.ci95_cases[1]
    assert found.seeds == (2, 2)
    single = compare(first, second, "auc:finding 1", replicates=100, permutations=50)
    assert single.first == pytest.approx(np.mean([auc(run, 1) for run in first]))
    pooled = compare(first, second, "f1_micro", replicates=100, permutations=50)
    known = ~np.isnan(first[0].labels)
    expected = [f1_score(run.labels[known], run.probabilities[known] >= 0.5) for run in first]
    assert pooled.first == pytest.approx(np.mean(expected))


@pytest.mark.parametrize("metric", [*COMPARED, "cc", "recall:finding 2"])
def test_every_score_tells_a_better_method_from_a_worse_one(metric):
    found = compare(runs(4.0), runs(0.5, base=1), metric, replicates=100, permutations=200)
    sign = -1 if metric.startswith("brier") else 1
    assert sign * found.difference > 0
    assert found.p < 0.05
    assert found.ci95 is not None


def test_under_the_null_p_is_spread_evenly():
    values = [
        compare(
            runs(1.0, seeds=1, cases=40, base=2 * trial + 10),
            runs(1.0, seeds=1, cases=40, base=2 * trial + 11),
            replicates=20,
            permutations=99,
        ).p
        for trial in range(100)
    ]
    assert 0.01 <= np.mean(np.array(values) <= 0.1) <= 0.2
    assert 0.35 <= np.mean(values) <= 0.65


def test_another_scale_alone_is_no_difference_of_auc():
    one = runs(2.0, seeds=1)
    found = compare(one, runs(2.0, seeds=1, scale=0.1), replicates=50, permutations=50)
    assert found.difference == pytest.approx(0)
    assert found.p == 1.0


def test_cases_may_stand_in_any_order():
    one, other = runs(2.0, seeds=1), runs(1.0, seeds=1, base=1)
    order = np.random.default_rng(0).permutation(50)
    run = other[0]
    mixed = RunScores(
        [run.cases[i] for i in order],
        [run.patients[i] for i in order],
        run.findings,
        run.probabilities[order],
        run.labels[order],
        run.thresholds,
        {"cc": run.measures["cc"][order]},
    )
    assert compare(one, [mixed], replicates=50, permutations=50) == compare(
        one, other, replicates=50, permutations=50
    )


def test_unequal_seeds_have_no_p_and_a_single_seed_no_interval_over_seeds():
    unequal = compare(runs(2.0, seeds=3), runs(1.0, seeds=2, base=1), replicates=50)
    assert unequal.p is None
    assert unequal.ci95 is not None
    assert compare(runs(2.0, seeds=1), runs(1.0, seeds=1, base=1), replicates=50).ci95 is None


def test_a_measure_counts_where_all_runs_have_it():
    first, second = runs(2.0, seeds=1), runs(1.0, seeds=1, base=1)
    first[0].measures["cc"][:5] = np.nan
    second[0].measures["cc"][3:10] = np.nan
    found = compare(first, second, "cc", replicates=50, permutations=50)
    assert found.cases == 40
    assert found.second == pytest.approx(second[0].measures["cc"][10:].mean())
    first[0].measures["cc"][:] = np.nan
    with pytest.raises(DataError, match="no case has it"):
        compare(first, second, "cc")


def test_runs_that_do_not_fit_are_refused():
    first, second = runs(2.0, seeds=1), runs(1.0, seeds=1, cases=49)
    with pytest.raises(DataError, match="1 cases are in one of them"):
        compare(first, second)
    with pytest.raises(DataError, match="found 1, 0"):
        compare(first, [])
    with pytest.raises(SettingsError, match="unknown score 'dice'"):
        compare(first, first, "dice")
    run = first[0]
    other = 1 - run.labels
    changed = RunScores(run.cases, run.patients, run.findings, run.probabilities, other, run.thresholds)
    with pytest.raises(DataError, match="labels of the runs differ"):
        compare(first, [changed])
    with pytest.raises(DataError, match="thresholds"):
        RunScores(run.cases, run.patients, run.findings, run.probabilities, run.labels, np.ones(2))
    with pytest.raises(DataError, match="twice"):
        RunScores(["a", "a"], "ab", ["e"], np.ones((2, 1)), np.ones((2, 1)), np.ones(1))


def test_the_summary_holds_every_number_with_its_interval():
    prob, truth = drawn_scores(0, cases=80)
    truth[:, 3] = np.where(np.isnan(truth[:, 3]), np.nan, 0)
    start = time.process_time()
    summary = summarise_classification(prob, truth, [0.5] * 4, names(4), patients_of(80), replicates=300)
    assert time.process_time() - start < 5
    json.dumps(summary, allow_nan=False)
    assert summary["skipped"] == {
        "finding 3": f"no positive among {(~np.isnan(truth[:, 3])).sum()} known cases"
    }
    rows = summary["classes"]
    known = ~np.isnan(truth[:, 0])
    assert rows["finding 0"]["auc"]["mean"] == pytest.approx(roc_auc_score(truth[known, 0], prob[known, 0]))
    macro = summary["classifier"]["auc_macro"]
    assert macro["mean"] == pytest.approx(np.mean([row["auc"]["mean"] for row in rows.values()]))
    assert macro["ci95"][0] < macro["mean"] < macro["ci95"][1]
    assert {"f1_macro", "f1_micro", "precision_macro", "recall_micro", "ece", "ece_micro"} <= set(
        summary["classifier"]
    )
    for row in rows.values():
        for metric in ("auc", "average_precision", "f1", "brier"):
            low, high = row[metric]["ci95"]
            assert low <= row[metric]["mean"] <= high


def test_nothing_known_gives_a_summary_of_nothing():
    summary = summarise_classification([[0.5]], [[np.nan]], [0.5], ["Edema"], ["a"], replicates=20)
    assert summary["classifier"]["auc_macro"] == {"mean": None, "ci95": None, "dropped": 20}
    assert summary["findings_scored"] == 0
    with pytest.raises(DataError, match="patient of each"):
        summarise_classification([[0.5]], [[1]], [0.5], ["Edema"], [])


def test_agreement_is_averaged_over_the_cases_that_have_it():
    scores = [SaliencyScores(cc=0.1 * number, reasons={"nss": "no fixation"}) for number in range(5)]
    scores.append(SaliencyScores(reasons={"cc": "no gaze", "nss": "no fixation"}))
    summary = summarise_saliency(scores, list("aabbcd"), replicates=100)
    assert list(summary) == ["cc"]
    assert summary["cc"]["mean"] == pytest.approx(0.2)
    assert summary["cc"]["left_out"] == {"no gaze": 1}
    assert summarise_saliency([], []) == {}
    with pytest.raises(DataError, match="patient of each"):
        summarise_saliency(scores, ["a"])
