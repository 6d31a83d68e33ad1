"""The distance to a hull against point-by-point loops that share nothing with it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gaze_insight.errors import DataError
from gaze_insight.pseudomask.hull import hull_distance
from gaze_insight.types import Size


def turn(a, b, c) -> float:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def chain(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the convex hull by Andrew's monotone chain."""
    halves = []
    for order in (points, points[::-1]):
        half: list[tuple[float, float]] = []
        for point in order:
            while len(half) > 1 and turn(half[-2], half[-1], point) <= 0:
                half.pop()
            half.append(point)
        halves.append(half[:-1])
    return halves[0] + halves[1]


def to_segment(p, a, b) -> float:
    length = (b[0] - a[0]) ** 2 + (b[1] - a[1]) ** 2
    along = 0.0
    if length > 0:
        along = ((p[0] - a[0]) * (b[0] - a[0]) + (p[1] - a[1]) * (b[1] - a[1])) / length
        along = min(1.0, max(0.0, along))
    return math.hypot(p[0] - a[0] - along * (b[0] - a[0]), p[1] - a[1] - along * (b[1] - a[1]))


def is_inside(p, corners) -> bool:
    """Count the edges that a ray to the right crosses."""
    crossed = False
    for a, b in zip(corners, corners[1:] + corners[:1], strict=True):
        if (a[1] > p[1]) != (b[1] > p[1]) and p[0] < a[0] + (p[1] - a[1]) / (b[1] - a[1]) * (b[0] - a[0]):
            crossed = not crossed
    return crossed


def literal(points: np.ndarray, size: Size) -> np.ndarray:
    corners = sorted({(float(x), float(y)) for x, y in points})
    corners = chain(corners) if len(corners) > 1 else corners
    found = np.empty(size)
    for i in range(size.height):
        for j in range(size.width):
            p = (j + 0.5, i + 0.5)
            nearest = min(
                to_segment(p, a, b) for a, b in zip(corners, corners[1:] + corners[:1], strict=True)
            )
            found[i, j] = nearest if len(corners) > 2 and is_inside(p, corners) else -nearest
    return found


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("count", [1, 2, 3, 4, 9, 40])
def test_equals_a_loop_over_pixels_and_edges(count, seed):
    points = np.random.default_rng(seed).uniform(-8, 25, (count, 2))
    size = Size(11, 17)
    np.testing.assert_allclose(hull_distance(points, size), literal(points, size), atol=2e-5)


@pytest.mark.parametrize(
    "points",
    [
        [(3.2, 4.1)],
        [(3.2, 4.1)] * 5,
        [(1, 1), (9, 5)],
        [(1, 1), (5, 3), (9, 5), (1, 1)],
        [(2, 0), (2, 4), (2, 9)],
        [(-3, 4.5), (30, 4.5), (5, 4.5)],
        [(-30, -30), (-20, -30), (-25, -22)],
        [(-30, -30), (60, -30), (60, 60), (-30, 60)],
        [(0, 0), (12, 0), (12, 10), (0, 10), (6, 0), (6, 10), (0, 5)],
    ],
)
def test_degenerate_and_off_grid_hulls_equal_the_loop(points):
    size = Size(10, 12)
    found = hull_distance(np.array(points, float), size)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, literal(np.array(points, float), size), atol=2e-5)


@pytest.mark.parametrize("points", [[(3.3, 4.1)], [(1, 1), (9, 5.5)], [(1, 2), (5, 2), (9, 2)]])
def test_points_and_lines_have_no_inside(points):
    assert (hull_distance(np.array(points, float), Size(10, 12)) <= 0).all()


@given(st.integers(0, 10**6), st.integers(1, 7))
@settings(max_examples=40, deadline=None)
def test_points_that_nearly_coincide_do_not_cut_the_hull(seed, digits):
    rng = np.random.default_rng(seed)
    corners = np.array([(1.0, 1), (13, 2), (11, 9), (2, 8)])
    points = corners[rng.integers(0, 4, 20)] + rng.normal(0, 10.0**-digits, (20, 2))
    points = np.concatenate([corners, points])
    size = Size(10, 14)
    expected, found = literal(points, size), hull_distance(points, size)
    clear = np.abs(expected) > 1e-4
    np.testing.assert_allclose(found[clear], expected[clear], atol=1e-4)


@given(st.integers(0, 10**6), st.integers(-6, 6), st.integers(-6, 6), st.sampled_from([0.5, 2.0, 3.0]))
@settings(max_examples=30, deadline=None)
def test_distances_move_and_grow_with_the_points(seed, right, down, scale):
    points = np.random.default_rng(seed).uniform(6, 14, (6, 2))
    here, there = (
        hull_distance(points, Size(20, 20)),
        hull_distance(points + np.array([right, down]), Size(20, 20)),
    )
    inner = here[6:14, 6:14]
    np.testing.assert_allclose(there[6 + down : 14 + down, 6 + right : 14 + right], inner, atol=1e-4)
    middle = np.array([10.5, 10.5])
    grown = hull_distance((points - middle) * scale + middle, Size(20, 20))
    assert grown[10, 10] == pytest.approx(scale * here[10, 10], abs=1e-4)


def test_the_order_of_points_and_those_within_play_no_part():
    rng = np.random.default_rng(3)
    points = rng.uniform(2, 18, (12, 2))
    more = np.concatenate([points[::-1], [points.mean(axis=0)], points[:3]])
    np.testing.assert_allclose(
        hull_distance(points, Size(20, 20)), hull_distance(more, Size(20, 20)), atol=1e-5
    )


@pytest.mark.parametrize("points", [np.zeros((0, 2)), np.zeros((3, 3)), np.zeros(2)])
def test_what_are_no_points_is_refused(points):
    with pytest.raises(DataError, match=r"points must be \(N, 2\) with N above 0"):
        hull_distance(points, Size(4, 4))
