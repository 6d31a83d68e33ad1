"""Known offsets and drifts, put into simulated readings, are found again and undone."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from gaze_insight.errors import DataError, SettingsError
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.gaze.offset import Offset, corrected, cross_offset, estimate_offset, running_offset
from gaze_insight.gaze.simulator import SimulatorSettings, simulate_fixations
from gaze_insight.gaze.trend import trend


def lesion(seed: int, size: int = 96) -> np.ndarray:
    rng = np.random.default_rng(seed)
    row, column = rng.uniform(0.3, 0.7, 2) * size
    down, across = np.mgrid[:size, :size] + 0.5
    return ((down - row) / rng.uniform(9, 24)) ** 2 + ((across - column) / rng.uniform(9, 24)) ** 2 < 1


def recorded(offset: tuple[float, float], count: int = 30, seed: int = 0):
    rng = np.random.default_rng(seed)
    targets = {f"i{k}": lesion(1000 * seed + k) for k in range(count)}
    off = Offset(-offset[0], -offset[1])
    readings = {
        one: corrected(simulate_fixations(mask, SimulatorSettings.kvasir(), rng), off)
        for one, mask in targets.items()
    }
    return {one: reading.select(np.arange(1, len(reading))) for one, reading in readings.items()}, targets


@pytest.mark.parametrize("offset", [(0.0, 0.0), (0.05, -0.03), (-0.07, 0.02), (0.01, 0.06)])
def test_a_known_offset_is_found_again(offset):
    readings, targets = recorded(offset)
    found = estimate_offset(readings, targets)
    assert found.dx_frac == pytest.approx(offset[0], abs=0.012)
    assert found.dy_frac == pytest.approx(offset[1], abs=0.012)
    assert found.readings == 30
    if max(map(abs, offset)) > 0.02:
        assert found.share_after > found.share_before + 0.02


def test_the_interval_holds_the_truth_about_as_often_as_it_says():
    held = 0
    for seed in range(15):
        offset = tuple(np.random.default_rng(seed).uniform(-0.06, 0.06, 2))
        found = estimate_offset(*recorded(offset, count=15, seed=seed))
        held += found.interval_x[0] <= offset[0] <= found.interval_x[1]
        held += found.interval_y[0] <= offset[1] <= found.interval_y[1]
        assert found.interval_x[0] <= found.interval_x[1]
    assert held >= 24


def test_the_share_on_target_is_that_of_a_literal_count():
    readings, targets = recorded((0.04, 0.0), count=5)
    found = estimate_offset(readings, targets)
    on = looked = 0.0
    for one, reading in readings.items():
        for x, y, duration, _ in reading.to_rows():
            row, column = int(np.floor(y * 96)), int(np.floor(x * 96))
            looked += duration
            on += duration * (0 <= row < 96 and 0 <= column < 96 and bool(targets[one][row, column]))
    assert found.share_before == pytest.approx(on / looked)


def test_undoing_an_offset_brings_back_what_was():
    reading = Fixations.from_rows([(0.2, 0.3, 200, 0), (0.99, 0.5, 300, 250)], annotator="a")
    moved = corrected(reading, Offset(-0.1, 0.2))
    assert moved.x.tolist() == pytest.approx([0.3, 1.09])
    assert (moved.annotator, moved.inside.tolist()) == ("a", [True, False])
    back = corrected(moved, Offset(0.1, -0.2))
    np.testing.assert_allclose(back.to_rows(), reading.to_rows())


def test_readings_without_target_or_fixation_are_left_out_and_none_is_an_error():
    readings, targets = recorded((0.0, 0.0), count=4)
    targets["i0"] = np.zeros((8, 8), dtype=bool)
    del targets["i1"]
    readings["i2"] = Fixations.empty()
    assert estimate_offset(readings, targets).readings == 1
    with pytest.raises(DataError, match="no reading has both"):
        estimate_offset({"a": Fixations.empty()}, {"a": np.ones((4, 4), dtype=bool)})
    with pytest.raises(SettingsError, match="max_shift_frac"):
        estimate_offset(readings, targets, max_shift_frac=0)


def test_the_running_offset_is_a_median_over_neighbours():
    first = np.random.default_rng(0).normal(0.5, 0.02, (40, 2))
    followed = running_offset(first, window=7)
    for at in range(40):
        near = first[max(0, at - 3) : at + 4]
        np.testing.assert_allclose(followed[at], np.median(near, axis=0) - np.median(first, axis=0))
    assert running_offset(first[:3], window=31).shape == (3, 2)
    np.testing.assert_allclose(running_offset(first[:3], window=31), 0)
    assert running_offset(np.zeros((0, 2))).shape == (0, 2)
    with pytest.raises(SettingsError, match="window"):
        running_offset(first, window=0)


def test_offset_and_drift_by_the_cross():
    rng = np.random.default_rng(1)
    order = rng.permutation(200)
    first = np.stack([0.53 + 0.0002 * order, np.full(200, 0.48)], axis=1) + rng.normal(0, 0.01, (200, 2))
    found = cross_offset(first, order.tolist(), cross=(0.5, 0.5))
    assert found.dx_frac == pytest.approx(0.05, abs=0.004)
    assert found.interval_x[0] < 0.05 < found.interval_x[1]
    assert found.dy_frac == pytest.approx(-0.02, abs=0.003)
    assert found.drift_x is not None
    assert found.drift_x.slope == pytest.approx(0.02, abs=0.004)
    assert found.drift_x.certain
    assert not found.drift_y.certain
    assert found.wander_p == 0.01


def test_an_unknown_cross_gives_no_offset_and_no_order_no_drift():
    first = np.random.default_rng(2).normal((0.56, 0.45), 0.02, (50, 2))
    found = cross_offset(first)
    assert (found.dx_frac, found.dy_frac, found.known) == (0.0, 0.0, False)
    assert found.cross_x_frac == pytest.approx(0.56, abs=0.01)
    assert (found.drift_x, found.wander_frac, found.wander_p) == (None, None, None)


def test_a_new_calibration_wanders_and_noise_alone_does_not():
    rng = np.random.default_rng(3)
    noise = rng.normal(0.5, 0.03, (150, 2))
    steps = noise + np.where((np.arange(150) // 50 == 1)[:, None], (0.08, 0.0), (0.0, 0.0))
    order = list(range(150))
    assert cross_offset(steps, order).wander_p == 0.01
    assert cross_offset(noise, order).wander_p > 0.05


@pytest.mark.parametrize("wrong", [np.zeros((0, 2)), np.zeros(4), np.zeros((3, 3))])
def test_first_fixations_need_their_shape(wrong):
    with pytest.raises(DataError, match=r"\(N, 2\)"):
        cross_offset(wrong)


def test_each_first_fixation_needs_its_place():
    with pytest.raises(DataError, match="found 2 for 3"):
        cross_offset(np.zeros((3, 2)), [0, 1])


def test_the_trend_is_the_median_of_all_pairwise_slopes():
    rng = np.random.default_rng(4)
    place, values = np.arange(25.0), rng.normal(size=25)
    slopes = [(values[j] - values[i]) / (j - i) for i in range(25) for j in range(i + 1, 25)]
    line = trend(place, values, per=10)
    assert line.slope == pytest.approx(10 * np.median(slopes))
    _, _, low, high = stats.theilslopes(values, place)
    assert (line.low, line.high) == pytest.approx((10 * low, 10 * high))


def test_a_trend_needs_three_values_in_more_than_one_place_and_takes_thousands():
    assert trend([0, 1], [1.0, 2.0]) is None
    assert trend([3, 3, 3], [1.0, 2.0, 3.0]) is None
    with pytest.raises(DataError, match="one shape"):
        trend([0, 1, 2], [1.0])
    many = trend(np.arange(9000), 0.5 * np.arange(9000))
    assert many.slope == pytest.approx(0.5)
