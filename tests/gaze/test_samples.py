from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gaze_insight.errors import DataError
from gaze_insight.gaze.samples import Samples
from gaze_insight.types import Size

NAN = math.nan


def made(t, x=None, y=None, frame="image_unit", **more):
    return Samples(t, x or [0.5] * len(t), y or [0.5] * len(t), frame, **more)


def test_a_sample_without_x_or_y_is_lost():
    samples = made([0, 1, 2, 3], x=[NAN, 0.1, 0.2, NAN], y=[0.5, NAN, 0.5, NAN])
    assert samples.lost.tolist() == [True, True, False, True]
    assert np.isnan(samples.y[:2]).all()


def test_arrays_are_copies_and_read_only():
    t = np.array([0.0, 1.0])
    samples = Samples(t, t, t, "degrees")
    t[0] = 9
    assert samples.t_ms.tolist() == [0, 1]
    with pytest.raises(ValueError, match="read-only"):
        samples.x[0] = 1


@pytest.mark.parametrize(
    ("t", "x", "y", "frame", "says"),
    [
        ([0, 1], [0], [0, 0], "degrees", "equal lengths"),
        ([0, 0], [0, 0], [0, 0], "degrees", "sample 1 .* does not follow"),
        ([5, 4], [0, 0], [0, 0], "degrees", "time must go forward"),
        ([0, NAN], [0, 0], [0, 0], "degrees", "finite, found nan at sample 1"),
        ([0, 1], [0, math.inf], [0, 0], "degrees", "x must not be infinite.*sample 1"),
        ([0, 1], ["a", 0], [0, 0], "degrees", "x must hold numbers"),
        ([[0, 1]], [0, 1], [0, 0], "degrees", "shape"),
        ([0, 1], [0, 1], [0, 0], "px", "unknown frame 'px'"),
    ],
)
def test_refuses(t, x, y, frame, says):
    with pytest.raises(DataError, match=says):
        Samples(t, x, y, frame)


def test_no_sample_and_one_sample():
    none, one = made([]), made([7.0])
    assert (len(none), none.span_ms, none.loss_share, none.sample_ms.tolist()) == (0, 0.0, 1.0, [])
    assert (one.period_ms, one.span_ms, one.loss_share, one.sample_ms.tolist()) == (0.0, 0.0, 0.0, [0.0])
    assert made([7.0], x=[NAN]).loss_share == 1.0


def test_loss_is_weighted_by_time_and_counts_holes():
    slow_then_fast = made([0, 10, 20, 22, 24], x=[0.5, 0.5, 0.5, NAN, NAN])
    assert slow_then_fast.period_ms == 6.0
    assert slow_then_fast.loss_share == pytest.approx(1 - 22 / 30)
    with_hole = made([0, 4, 8, 108, 112])
    assert with_hole.loss_share == pytest.approx(1 - 5 * 4 / 116)


@given(
    st.lists(st.floats(0.5, 50), min_size=2, max_size=40),
    st.lists(st.booleans(), min_size=40, max_size=40),
)
def test_loss_share_is_a_share_and_falls_with_more_gaze(steps, seen):
    t = np.cumsum(steps)
    x = np.where(seen[: len(t)], 0.5, np.nan)
    samples = Samples(t, x, x, "image_unit")
    everything = Samples(t, np.full(len(t), 0.5), np.full(len(t), 0.5), "image_unit")
    assert 0 <= everything.loss_share <= samples.loss_share <= 1
    assert (samples.sample_ms > 0).all()
    assert samples.sample_ms.sum() <= samples.span_ms + samples.period_ms + 1e-9


def test_select_and_between_keep_facts():
    samples = made([0, 4, 8], x=[0.1, 0.2, 0.3], image_size=Size(2, 3), annotator="p")
    assert samples.select([2, 0]).x.tolist() == [0.1, 0.3]
    assert samples.select([False, True, False]).x.tolist() == [0.2]
    assert samples.select([]).t_ms.tolist() == []
    part = samples.between(4, 9)
    assert (part.t_ms.tolist(), part.image_size, part.annotator) == ([4, 8], Size(2, 3), "p")
    assert len(samples.between(9, 4)) == 0


@pytest.mark.parametrize("which", [[True], [3], [-4], [0.5], ["a"]])
def test_select_refuses(which):
    with pytest.raises(DataError):
        made([0, 4, 8]).select(which)
