from __future__ import annotations

import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from gaze_insight.errors import DataError
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.gaze.heatmap import HeatMapSettings, grid_size, render_heatmap
from gaze_insight.types import Size

unit = st.floats(0, 1)
points = st.lists(st.tuples(unit, unit, st.floats(50, 2000)), min_size=1, max_size=8)


def looked(*places, duration_ms=200.0) -> Fixations:
    rows = [(*place, duration_ms)[:3] for place in places]
    return Fixations.from_rows([(*row, 300.0 * k) for k, row in enumerate(rows)])


def literal(fixations, size, recipe) -> np.ndarray:
    """The definition, pixel by pixel."""
    grid = grid_size(size, recipe.long_side_px)
    heat = np.zeros(grid)
    sigma_px = recipe.sigma_frac * max(grid)
    for i in range(grid.height):
        for j in range(grid.width):
            for x, y, duration, _ in fixations.to_rows():
                dx, dy = j + 0.5 - x * grid.width, i + 0.5 - y * grid.height
                heat[i, j] += duration * math.exp(-(dx * dx + dy * dy) / (2 * sigma_px**2))
    return heat / heat.max()


def test_equals_the_literal_loop():
    fixations = looked((0.2, 0.3, 100), (0.7, 0.9, 400), (0.99, 0.5, 50))
    recipe = HeatMapSettings(long_side_px=32)
    size = Size(240, 320)
    np.testing.assert_allclose(
        render_heatmap(fixations, size, recipe), literal(fixations, size, recipe), atol=2e-6
    )


@pytest.mark.parametrize(
    "recipe", [HeatMapSettings.gazemedseg_kvasir(), HeatMapSettings.gazemedseg_prostate()]
)
def test_published_recipe_equals_delta_map_and_gaussian_filter(recipe):
    rng = np.random.default_rng(3)
    fixations = looked(*rng.uniform(0.02, 0.98, size=(25, 2)).tolist())
    delta = np.zeros((768, 768))
    for x, y, duration, _ in fixations.to_rows():
        delta[math.floor(y * 768), math.floor(x * 768)] += duration
    expected = gaussian_filter(delta, sigma=recipe.sigma_frac * 768)
    expected = (expected - expected.min()) / np.ptp(expected)
    found = render_heatmap(fixations, Size(768, 768), recipe)
    assert np.abs(found - expected).max() < 0.01


def test_square_recipe_stretches_spots_with_the_image_and_aspect_keeps_them_round():
    size = Size(200, 400)
    for name, ratio in (("square", 2.0), ("aspect", 1.0)):
        recipe = HeatMapSettings(recipe=name, sigma_frac=0.05)
        heat = render_heatmap(looked((0.5, 0.5)), size, recipe) > 0.5
        assert heat.any(axis=0).sum() / heat.any(axis=1).sum() == pytest.approx(ratio, rel=0.08)


@settings(max_examples=30, deadline=None)
@given(points, st.integers(1, 10), st.integers(1, 10))
def test_shifting_the_gaze_shifts_the_map(places, right, down):
    side = 64
    inner = [(0.35 + 0.2 * x, 0.35 + 0.2 * y, d) for x, y, d in places]
    recipe = HeatMapSettings(long_side_px=side, sigma_frac=0.03)
    before = render_heatmap(looked(*inner), Size(side, side), recipe)
    moved = looked(*[(x + right / side, y + down / side, d) for x, y, d in inner])
    after = render_heatmap(moved, Size(side, side), recipe)
    np.testing.assert_allclose(after[down:, right:], before[:-down, :-right], atol=1e-5)


@settings(max_examples=30, deadline=None)
@given(points)
def test_flipping_the_gaze_flips_the_map_and_the_range_is_unit(places):
    size = Size(90, 120)
    recipe = HeatMapSettings(long_side_px=40)
    heat = render_heatmap(looked(*places), size, recipe)
    flipped = render_heatmap(looked(*[(1 - x, y, d) for x, y, d in places]), size, recipe)
    np.testing.assert_allclose(flipped, heat[:, ::-1], atol=1e-5)
    assert heat.dtype == np.float32
    assert heat.max() == 1.0
    assert heat.min() >= 0.0


@pytest.mark.parametrize("place", [(0.0, 0.0), (1.0, 1.0), (0.0, 0.5), (0.5, 1.0)])
def test_the_published_recipe_keeps_the_mass_of_an_edge_and_never_wraps(place):
    recipe = HeatMapSettings(long_side_px=64, sigma_frac=0.05, recipe="square")
    heat = render_heatmap(looked(place), Size(64, 64), recipe)
    row, column = np.unravel_index(int(heat.argmax()), heat.shape)
    assert abs((column + 0.5) / 64 - place[0]) < 0.02
    assert abs((row + 0.5) / 64 - place[1]) < 0.02
    opposite = heat[int((1 - place[1]) * 63), int((1 - place[0]) * 63)]
    assert opposite < 1e-6
    both = render_heatmap(looked(place, (0.3, 0.3)), Size(64, 64), recipe)
    near_edge = both[np.hypot(*np.meshgrid(*[(np.arange(64) + 0.5) / 64 - p for p in place])) < 0.25].sum()
    at_middle = both[:, :][_disc((0.3, 0.3), 64, 0.25) & ~_disc(place, 64, 0.25)].sum()
    assert near_edge == pytest.approx(at_middle, rel=0.05)


def _disc(centre, side, radius) -> np.ndarray:
    y, x = (np.mgrid[:side, :side] + 0.5) / side
    return np.hypot(x - centre[0], y - centre[1]) < radius


def test_duration_or_count():
    fixations = looked((0.25, 0.5, 900), (0.75, 0.5, 300))
    size, grid = Size(64, 64), {"long_side_px": 64, "sigma_frac": 0.04}
    by_duration = render_heatmap(fixations, size, HeatMapSettings(weight="duration", **grid))
    by_count = render_heatmap(fixations, size, HeatMapSettings(weight="count", **grid))
    assert by_duration[:, 32:].max() == pytest.approx(1 / 3, abs=1e-3)
    assert by_count[:, 32:].max() == pytest.approx(1.0, abs=1e-3)


def test_nobody_looked():
    size = Size(50, 100)
    off = looked((1.5, 0.5), (0.5, -0.2))
    for fixations in (Fixations.empty(), off):
        heat = render_heatmap(fixations, size)
        assert heat.shape == (128, 256)
        assert not heat.any()


def test_pixels_are_placed_and_other_frames_refused():
    size = Size(100, 200)
    fixations = looked((0.3, 0.6))
    pixels = fixations.to_frame("image_px", image_size=size)
    np.testing.assert_allclose(render_heatmap(pixels, size), render_heatmap(fixations, size), atol=1e-6)
    with pytest.raises(DataError, match="screen"):
        render_heatmap(Fixations.from_rows([(5, 5, 100, 0)], frame="screen_px"), size)


@given(st.integers(1, 5000), st.integers(1, 5000), st.integers(8, 1024))
def test_grid_keeps_the_aspect_ratio(height, width, long_side):
    grid = grid_size(Size(height, width), long_side)
    assert max(grid) == long_side
    assert min(grid) >= 1
    for side, original in zip(grid, (height, width), strict=True):
        assert side == pytest.approx(max(1, long_side * original / max(height, width)), abs=0.5)


def test_a_grid_of_nothing_is_refused():
    with pytest.raises(DataError):
        grid_size(Size(0, 10), 256)


def test_it_is_fast():
    fixations = looked(*np.random.default_rng(0).random((40, 2)).tolist())
    best = min(_seconds(lambda: render_heatmap(fixations, Size(530, 622))) for _ in range(7))
    assert best < 0.02


def _seconds(call) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start
