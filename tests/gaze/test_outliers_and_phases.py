"""Outliers, and the phases of a reading, against literal loops and planted truths."""

from __future__ import annotations

import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gaze_insight.errors import SettingsError
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.gaze.outliers import inliers, robust_distance
from gaze_insight.gaze.phases import PhaseSettings, find_phases
from gaze_insight.types import Size


def reading(points, *, size: Size | None = None, duration_ms: float = 200.0) -> Fixations:
    rows = [(x, y, duration_ms, 250.0 * place) for place, (x, y) in enumerate(points)]
    return Fixations.from_rows(rows, image_size=size)


points_lists = st.lists(
    st.tuples(st.floats(0, 1, allow_subnormal=False), st.floats(0, 1, allow_subnormal=False)), max_size=30
)


def cloud(seed: int = 0, count: int = 30, at=(0.4, 0.6), spread: float = 0.03) -> np.ndarray:
    return np.random.default_rng(seed).normal(at, spread, size=(count, 2))


def test_the_distance_is_what_a_plain_computation_gives():
    points = cloud()
    middle = (statistics.median(points[:, 0]), statistics.median(points[:, 1]))
    away = [float(np.hypot(x - middle[0], y - middle[1])) for x, y in points]
    typical = statistics.median(away)
    scale = 1.4826 * statistics.median([abs(one - typical) for one in away])
    np.testing.assert_allclose(robust_distance(reading(points)), [(one - typical) / scale for one in away])


def test_planted_outliers_are_found_and_nothing_else():
    points = np.vstack([cloud(), [[0.9, 0.1], [0.05, 0.05]]])
    kept = inliers(reading(points))
    assert not kept[-2:].any()
    assert kept[:-2].mean() > 0.9


@given(points_lists, st.integers(0, 5))
def test_enough_are_kept_and_they_are_the_nearest(points, min_kept):
    one = reading(points)
    distance, kept = robust_distance(one), inliers(one, min_kept=min_kept)
    assert kept.shape == (len(one),)
    assert kept.sum() >= min(min_kept, len(one))
    if kept.any() and not kept.all():
        assert distance[kept].max() <= distance[~kept].min()


def test_durations_do_not_matter_and_a_wide_image_is_measured_in_its_pixels():
    points = np.vstack([cloud(), [[0.4, 0.75]]])
    longer = Fixations.from_rows([(x, y, 90.0 * (1 + k % 7), 1000.0 * k) for k, (x, y) in enumerate(points)])
    np.testing.assert_allclose(robust_distance(reading(points)), robust_distance(longer))
    wide = Size(height=100, width=400)
    in_px = reading(points, size=wide).to_frame("image_px")
    np.testing.assert_allclose(robust_distance(reading(points, size=wide)), robust_distance(in_px))


def test_where_most_positions_are_one_the_mean_deviation_decides():
    points = [(0.5, 0.5)] * 9 + [(0.9, 0.5)]
    assert inliers(reading(points)).tolist() == [True] * 9 + [False]
    assert inliers(reading([(0.5, 0.5)] * 6)).all()
    assert inliers(reading([])).tolist() == []


def test_short_readings_are_kept_whole():
    assert inliers(reading([(0.1, 0.1), (0.11, 0.1), (0.9, 0.9)])).all()


@pytest.mark.parametrize("wrong", [{"mad_factor": 0.0}, {"mad_factor": float("nan")}, {"min_kept": -1}])
def test_settings_of_inliers_are_checked(wrong):
    with pytest.raises(SettingsError, match=next(iter(wrong))):
        inliers(reading([(0.5, 0.5)]), **wrong)


def test_the_scan_begins_where_it_was_planted():
    search = [(0.5, 0.5), (0.9, 0.1), (0.1, 0.1), (0.8, 0.8)]
    found = find_phases(reading([*search, *cloud(count=20)]))
    assert (found.first_scan, found.cross) == (4, True)
    assert found.search_ms == 1000.0
    assert found.search_ms + found.scan_ms == reading([*search, *cloud(count=20)]).span_ms
    assert found.scan(24).sum() == 20


def test_a_single_look_at_the_target_on_the_way_is_no_landing():
    path = [(0.5, 0.5), (0.4, 0.6), (0.9, 0.1), (0.1, 0.2), *cloud(count=20, spread=0.02)]
    assert find_phases(reading(path), PhaseSettings(consecutive=2)).first_scan == 4
    assert find_phases(reading(path), PhaseSettings(consecutive=1)).first_scan == 1


def test_the_cross_is_not_the_scan_even_where_the_target_is_at_the_centre():
    path = cloud(count=20, at=(0.5, 0.5), spread=0.02)
    assert find_phases(reading(path)).first_scan == 1
    elsewhere = PhaseSettings(cross_x_frac=0.1, cross_y_frac=0.1)
    found = find_phases(reading(path), elsewhere)
    assert (found.cross, found.first_scan) == (False, 0)


def test_phases_by_a_literal_loop():
    rules = PhaseSettings(consecutive=3, spread_factor=1.5)
    for seed in range(30):
        path = np.vstack([[[0.5, 0.5]], np.random.default_rng(seed).uniform(0, 1, (6, 2)), cloud(seed, 9)])
        later = path[len(path) // 2 :]
        middle = np.median(later, axis=0)
        reach = 1.5 * np.median([np.hypot(*(one - middle)) for one in later])
        expected = len(path)
        for at in range(1, len(path) - 2):
            if all(np.hypot(*(path[at + k] - middle)) <= reach for k in range(3)):
                expected = at
                break
        assert find_phases(reading(path), rules).first_scan == expected


def test_readings_that_hold_too_little_have_no_scan():
    empty = find_phases(Fixations.empty())
    assert (empty.first_scan, empty.cross, empty.search_share) == (0, False, 0.0)
    alone = find_phases(reading([(0.5, 0.5)]))
    assert (alone.first_scan, alone.search_ms, alone.scan_ms, alone.search_share) == (1, 200.0, 0.0, 1.0)
