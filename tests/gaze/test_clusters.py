"""Groups of points, against literal loops and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from gaze_insight.errors import DataError, SettingsError
from gaze_insight.gaze.clusters import farthest_points, linked_groups, weighted_clusters

positions = arrays(
    np.float64,
    st.tuples(st.integers(1, 25), st.just(2)),
    elements=st.floats(0, 1).map(lambda value: round(value, 2)),
)


def looped_farthest(points: np.ndarray, count: int, first: int) -> list[int]:
    chosen = [first]
    while len(chosen) < count:
        gaps = [min(np.linalg.norm(p - points[one]) for one in chosen) for p in points]
        if max(gaps) == 0:
            break
        chosen.append(int(np.argmax(gaps)))
    return chosen


def looped_groups(points: np.ndarray, gap: float) -> list[int]:
    """Flood each unvisited point's neighbourhood."""
    group = [-1] * len(points)
    for start in range(len(points)):
        if group[start] >= 0:
            continue
        number, waiting = max(group) + 1, [start]
        while waiting:
            one = waiting.pop()
            group[one] = number
            near = [k for k in range(len(points)) if np.hypot(*(points[k] - points[one])) <= gap]
            waiting += [k for k in near if group[k] < 0]
    return group


@settings(max_examples=60, deadline=None)
@given(positions, st.integers(1, 6))
def test_farthest_points_are_those_of_a_literal_loop(points, count):
    found = farthest_points(points, count, first=len(points) - 1)
    assert found.tolist() == looped_farthest(points, count, len(points) - 1)


@settings(max_examples=60, deadline=None)
@given(positions, st.sampled_from([0.0751, 0.1549, 0.3051]))
def test_linked_groups_are_those_of_a_flood(points, gap):
    assert linked_groups(points, gap).tolist() == looped_groups(points, gap)


@settings(max_examples=60, deadline=None)
@given(positions, st.integers(1, 6))
def test_clusters_are_a_fixed_point_of_lloyds_rounds(points, count):
    weights = 1.0 + np.arange(len(points)) % 3
    group = weighted_clusters(points, weights, count)
    assert sorted(set(group.tolist())) == list(range(group.max() + 1))
    assert group.max() < count
    assert group[np.unique(group, return_index=True)[1]].tolist() == list(range(group.max() + 1))
    means = [
        np.average(points[group == k], axis=0, weights=weights[group == k]) for k in range(max(group) + 1)
    ]
    away = np.array([[np.hypot(*(p - mean)) for mean in means] for p in points])
    assert np.allclose(away[np.arange(len(points)), group], away.min(axis=1))


def test_clusters_are_as_tight_as_those_of_scikit_learn():
    cluster = pytest.importorskip("sklearn.cluster")
    rng = np.random.default_rng(0)
    centres = np.array([[0.1, 0.1], [0.8, 0.2], [0.5, 0.9]])
    points = np.concatenate([centre + rng.normal(0, 0.05, (20, 2)) for centre in centres])
    weights = rng.uniform(100, 900, len(points))
    group = weighted_clusters(points, weights, 3)
    theirs = cluster.KMeans(3, n_init=10, random_state=0).fit(points, sample_weight=weights)
    mean = np.array([np.average(points[group == k], axis=0, weights=weights[group == k]) for k in range(3)])
    assert (weights * ((points - mean[group]) ** 2).sum(axis=1)).sum() == pytest.approx(theirs.inertia_)
    assert len(set(zip(group.tolist(), theirs.labels_.tolist(), strict=True))) == 3


def test_a_heavy_point_draws_its_cluster():
    points = np.array([[0.0, 0], [0.4, 0], [1.0, 0]])
    light, heavy = np.ones(3), np.array([1.0, 1.0, 1e4])
    assert weighted_clusters(points, light, 2).tolist() == [0, 0, 1]
    assert weighted_clusters(points, heavy, 2)[2] != weighted_clusters(points, heavy, 2)[0]


def test_coinciding_points_make_one_cluster_and_no_point_none():
    same, nothing = np.full((4, 2), 0.5), np.zeros((0, 2))
    assert weighted_clusters(same, np.ones(4), 3).tolist() == [0, 0, 0, 0]
    assert farthest_points(same, 3).tolist() == [0]
    assert [len(weighted_clusters(nothing, np.ones(0), 2)), len(farthest_points(nothing, 2))] == [0, 0]
    assert len(linked_groups(nothing, 0.1)) == 0
    assert linked_groups(same[:1], 0.1).tolist() == [0]


def test_what_cannot_be_grouped_is_refused():
    with pytest.raises(DataError, match=r"shape \(N, 2\), found \(3,\)"):
        farthest_points(np.zeros(3), 1)
    with pytest.raises(DataError, match="weight above 0"):
        weighted_clusters(np.zeros((2, 2)), np.array([1.0, 0.0]), 1)
    with pytest.raises(SettingsError, match="at least 1, found 0"):
        weighted_clusters(np.zeros((2, 2)), np.ones(2), 0)
    with pytest.raises(SettingsError, match="at least 0, found -1"):
        farthest_points(np.zeros((2, 2)), -1)
    with pytest.raises(SettingsError, match="gap must be above 0"):
        linked_groups(np.zeros((2, 2)), 0.0)
