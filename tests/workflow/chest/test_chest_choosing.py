from __future__ import annotations

import math

import numpy as np

from gaze_insight.evaluation.radiograph_cases import RadiographTable
from gaze_insight.evaluation.saliency import SaliencyScores
from gaze_insight.workflow.chest.reporting import choose_radiographs


def table(agreement: list[float], probabilities: list[float]) -> RadiographTable:
    """Cases that all have the finding; the probability says how well each is told."""
    count = len(agreement)
    names = tuple(f"case {number}" for number in range(count))
    return RadiographTable(
        names,
        names,
        ("Edema",),
        np.array(probabilities)[:, None],
        np.ones((count, 1)),
        tuple(SaliencyScores(cc=value) for value in agreement),
    )


def test_cases_are_shown_by_agreement_and_then_by_fit_to_the_labels():
    agreement = [math.nan, 0.9, 0.1, 0.5, math.nan, math.nan, math.nan]
    chosen = choose_radiographs(table(agreement, [0.2, 0.99, 0.01, 0.4, 0.6, 0.9, 0.5]), 1)
    first, second = "agreement with gaze", "probability of its labels"
    assert chosen == [
        (1, "best", first),
        (3, "median", first),
        (2, "worst", first),
        (5, "best", second),
        (4, "median", second),
        (0, "worst", second),
    ]


def test_without_gaze_the_labels_choose_and_no_case_stands_twice():
    chosen = choose_radiographs(table([math.nan] * 2, [0.3, 0.8]), 2)
    assert [(row, rank) for row, rank, _ in chosen] == [(1, "best"), (0, "best")]
    assert {why for _, _, why in chosen} == {"probability of its labels"}
