"""Agreement beyond the average look, against a literal loop."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import pearsonr

from gaze_insight.errors import DataError
from gaze_insight.evaluation.own_look import agreement_beyond_others


def maps(seed: int, number: int = 7) -> np.ndarray:
    return np.random.default_rng(seed).random((number, 4, 5))


def test_it_is_the_own_correlation_minus_the_mean_of_the_others():
    attention, gaze = maps(0), maps(1)
    found = agreement_beyond_others(attention, gaze)
    for i in range(7):
        each = [pearsonr(attention[i].ravel(), gaze[j].ravel()).statistic for j in range(7)]
        assert found[i] == pytest.approx(each[i] - np.mean([each[j] for j in range(7) if j != i]))


def test_the_average_look_gets_nothing_and_the_own_look_much():
    gaze = maps(2, 40)
    average = np.broadcast_to(gaze.mean(axis=0), gaze.shape)
    assert abs(agreement_beyond_others(average, gaze).mean()) < 1e-12
    assert agreement_beyond_others(gaze, gaze).min() > 0.5


def test_cases_without_gaze_and_constant_maps_are_left_out_of_all():
    attention, gaze = maps(3), maps(4)
    gaze[2], attention[5] = 0, 0.3
    found = agreement_beyond_others(attention, gaze)
    assert np.flatnonzero(np.isnan(found)).tolist() == [2, 5]
    kept = [0, 1, 3, 4, 5, 6]
    assert found[0] == pytest.approx(agreement_beyond_others(attention[kept], gaze[kept])[0])


def test_alone_there_are_no_others_and_shapes_must_agree():
    assert np.isnan(agreement_beyond_others(maps(0, 1), maps(1, 1))).all()
    with pytest.raises(DataError, match=r"one shape \(N, h, w\)"):
        agreement_beyond_others(maps(0), maps(0, 3))
