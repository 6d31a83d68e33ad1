"""One method over seeds: its mean against literal computation, its intervals, and what is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score
from tests.evaluation.classification_making import drawn_scores, names, patients_of

from gaze_insight.errors import DataError, SettingsError
from gaze_insight.evaluation.run_estimate import estimate
from gaze_insight.evaluation.run_scores import RunScores


def make_runs(seeds: int = 3, cases: int = 60, skill: float = 2.0, draw: int = 0) -> list[RunScores]:
    _, truth = drawn_scores(draw, cases=cases, classes=3)
    made = []
    for seed in range(seeds):
        rng = np.random.default_rng([draw, seed])
        odds = skill * (np.nan_to_num(truth, nan=0.5) - 0.5) + rng.normal(size=truth.shape)
        measure = rng.normal(0.4, 0.1, cases)
        measure[seed] = np.nan
        made.append(
            RunScores(
                [f"case {number}" for number in range(cases)],
                patients_of(cases),
                names(3),
                1 / (1 + np.exp(-odds)),
                truth,
                np.array([0.4, 0.5, 0.6]),
                {"cc": measure, "nss": np.full(cases, np.nan)},
                seed,
            )
        )
    return made


def literal(run: RunScores, score, *, decided: bool = False) -> float:
    """Mean over findings of a score of the cases whose label is known."""
    values = []
    for column in range(len(run.findings)):
        known = [i for i in range(len(run.cases)) if not np.isnan(run.labels[i, column])]
        answers = [run.probabilities[i, column] for i in known]
        if decided:
            answers = [answer >= run.thresholds[column] for answer in answers]
        values.append(score([run.labels[i, column] for i in known], answers))
    return float(np.mean(values))


@pytest.mark.parametrize(
    ("metric", "score", "decided"),
    [
        ("auc_macro", roc_auc_score, False),
        ("average_precision_macro", average_precision_score, False),
        ("f1_macro", f1_score, True),
    ],
)
def test_an_estimate_is_the_mean_over_seeds_of_the_score_of_a_run(metric, score, decided):
    group = make_runs()
    expected = [literal(run, score, decided=decided) for run in group]
    found = estimate(group, metric, replicates=100)
    assert found.metric == metric
    assert found.seed_values == pytest.approx(expected)
    assert found.mean == pytest.approx(sum(expected) / 3)
    assert found.sd_seeds == pytest.approx(np.std(expected, ddof=1))
    assert found.ci95_cases[0] < found.mean < found.ci95_cases[1]
    assert found.ci95[0] < found.mean < found.ci95[1]
    assert found.cases == 60


def test_a_measure_counts_on_the_cases_that_every_run_has():
    group = make_runs()
    found = estimate(group, "cc", replicates=100)
    assert found.cases == 57
    assert found.seed_values == pytest.approx([run.measures["cc"][3:].mean() for run in group])


def test_neither_the_order_of_runs_nor_that_of_cases_matters():
    group = make_runs()
    order = np.random.default_rng(1).permutation(60)
    mixed = [
        RunScores(
            [run.cases[i] for i in order],
            [run.patients[i] for i in order],
            run.findings,
            run.probabilities[order],
            run.labels[order],
            run.thresholds,
            {name: values[order] for name, values in run.measures.items()},
            run.seed,
        )
        for run in (group[2], group[1])
    ]
    assert estimate([*mixed, group[0]], replicates=100) == estimate(group, replicates=100)


def test_one_seed_has_no_spread_and_no_interval_over_seeds():
    found = estimate(make_runs(1), replicates=100)
    assert found.sd_seeds is found.ci95 is None
    assert found.ci95_cases is not None
    assert found.seed_values == (found.mean,)


def test_the_interval_over_seeds_is_no_narrower_than_that_over_patients():
    for draw in range(3):
        found = estimate(make_runs(draw=draw), replicates=400)
        width, fixed = (high - low for low, high in (found.ci95, found.ci95_cases))
        assert width > 0.95 * fixed


def test_the_interval_covers_the_truth():
    """Log odds of negatives and positives are normal, 2 apart: their AUC is Phi(2 / sqrt(2))."""
    expected = 0.5 * (1 + math.erf(1))
    held = 0
    for draw in range(40):
        low, high = estimate(make_runs(3, 80, 2.0, draw + 10), replicates=200).ci95_cases
        held += low <= expected <= high
    assert held >= 34


def test_what_cannot_be_estimated_is_refused():
    group = make_runs(2, 20)
    with pytest.raises(DataError, match="expected runs of each method, found 0"):
        estimate([])
    with pytest.raises(SettingsError, match="unknown score 'auc'"):
        estimate(group, "auc")
    with pytest.raises(DataError, match="nothing is known of nss"):
        estimate(group, "nss")
    with pytest.raises(DataError, match="compared on the same cases"):
        estimate([group[0], make_runs(2, 19)[1]])
    turned = RunScores(
        group[1].cases, group[1].patients, group[1].findings, group[1].probabilities, 1 - group[1].labels,
        group[1].thresholds, group[1].measures, 1,
    )  # fmt: skip
    with pytest.raises(DataError, match="labels of the runs differ"):
        estimate([group[0], turned])
