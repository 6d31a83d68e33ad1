"""Gaze to points, boxes and scribbles: geometry where it is known, and label maps pixel by pixel."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from gaze_insight.errors import DataError, SettingsError
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.gaze.selection import GazeSelection, select_gaze
from gaze_insight.gaze.strokes import draw_stroke
from gaze_insight.gaze.weak_labels import (
    WEAK_KINDS,
    BoxLabel,
    BoxSettings,
    PointLabel,
    PointSettings,
    ScribbleLabel,
    ScribbleSettings,
    WeakLabelSettings,
    gaze_to_box,
    gaze_to_points,
    gaze_to_scribble,
    make_weak_label,
)
from gaze_insight.types import Size

SQUARE, WIDE = Size(100, 100), Size(100, 200)
ALL = GazeSelection(skip_first=0, mad_factor=None)


def reading(*places: tuple[float, float], ms: float | list[float] = 300.0) -> Fixations:
    times = ms if isinstance(ms, list) else [ms] * len(places)
    return Fixations.from_rows([(x, y, times[k], 1000.0 * k) for k, (x, y) in enumerate(places)])


def scattered(seed: int = 0, count: int = 25, centre: tuple[float, float] = (0.4, 0.6)) -> Fixations:
    rng = np.random.default_rng(seed)
    return reading(*rng.normal(centre, 0.06, (count, 2)).clip(0, 1).tolist())


def test_the_cross_the_outlier_and_what_is_off_the_image_do_not_count():
    around = [(0.3 + 0.01 * k, 0.3 + 0.013 * (k % 4)) for k in range(8)]
    chosen = select_gaze(reading((0.5, 0.5), *around, (0.95, 0.95), (1.2, 0.3)), SQUARE)
    assert chosen.fixations.x.tolist() == [x for x, _ in around]
    assert chosen.left_out == {"off_image": 1, "first": 1, "outlier": 1}
    assert len(chosen.everywhere) == 10


def test_the_only_fixation_is_kept_though_it_is_the_first():
    assert select_gaze(reading((0.5, 0.5)), SQUARE).left_out == {"off_image": 0, "first": 0, "outlier": 0}


@pytest.mark.parametrize("kind", WEAK_KINDS)
def test_pixels_give_the_same_label_as_fractions(kind):
    unit = scattered()
    pixels = unit.to_frame("image_px", image_size=WIDE)
    drawn = [make_weak_label(kind, one, WIDE).rasterise(WIDE) for one in (unit, pixels)]
    assert np.array_equal(*drawn)


@pytest.mark.parametrize("kind", WEAK_KINDS)
def test_screen_pixels_without_a_geometry_are_refused(kind):
    with pytest.raises(DataError, match="unknown is where the image stood on the screen"):
        make_weak_label(kind, Fixations.from_rows([(500, 400, 200, 0)], "screen_px"), SQUARE)


@pytest.mark.parametrize("kind", WEAK_KINDS)
@pytest.mark.parametrize("gaze", [Fixations.empty(), reading((1.5, 0.5), (0.5, -0.1))])
def test_without_a_fixation_on_the_image_nothing_is_known(kind, gaze):
    label = make_weak_label(kind, gaze, SQUARE)
    assert (label.rasterise(Size(7, 5)) == 255).all()
    assert label.left_out["off_image"] == len(gaze)


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(WEAK_KINDS),
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=12),
    st.tuples(st.integers(1, 60), st.integers(1, 60)),
)
def test_any_reading_makes_a_label_map_at_any_size(kind, places, size):
    label = make_weak_label(kind, reading(*places), Size(90, 120))
    drawn = label.rasterise(Size(*size))
    assert drawn.shape == size
    assert drawn.dtype == np.uint8
    assert set(np.unique(drawn)) <= {0, 1, 255}
    assert (drawn == 1).any()


@pytest.mark.parametrize("kind", WEAK_KINDS)
def test_the_label_turns_with_the_image(kind):
    gaze = scattered()
    turned = Fixations(gaze.y, gaze.x, gaze.duration_ms, gaze.start_ms, "image_unit")
    drawn = make_weak_label(kind, gaze, WIDE, _no_ties()).rasterise(WIDE)
    other = make_weak_label(kind, turned, Size(*WIDE[::-1]), _no_ties()).rasterise(Size(*WIDE[::-1]))
    assert np.mean(drawn != other.T) < 0.01


def _no_ties() -> WeakLabelSettings:
    return WeakLabelSettings(points=PointSettings(background=0))


def test_an_unknown_kind_is_refused_with_the_known_ones():
    with pytest.raises(SettingsError, match="unknown weak label 'polygon'; known: points, box, scribble"):
        make_weak_label("polygon", scattered(), SQUARE)


def test_the_settings_of_each_kind_are_used():
    own = WeakLabelSettings(
        points=PointSettings(foreground=1, background=0),
        box=BoxSettings(inside="unknown"),
        scribble=ScribbleSettings(background_distance_frac=None),
    )
    points, box, scribble = (make_weak_label(kind, scattered(), SQUARE, own) for kind in WEAK_KINDS)
    assert (len(points.foreground), len(points.background)) == (1, 0)
    assert set(np.unique(box.rasterise(SQUARE))) == {0, 255}
    assert scribble.background == ()


# Points


def test_foreground_points_are_fixations_one_in_each_cluster():
    groups = [(0.2, 0.2), (0.8, 0.2), (0.5, 0.8)]
    places = [(x + dx, y) for x, y in groups for dx in (-0.03, 0.0, 0.03)]
    found = gaze_to_points(reading(*places), SQUARE, PointSettings(gaze=ALL, foreground=3)).foreground
    assert found.tolist() == [list(group) for group in groups]


def test_longer_looks_draw_the_point_of_their_cluster():
    gaze = reading((0.2, 0.2), (0.3, 0.2), (0.4, 0.2), ms=[100.0, 100.0, 5000.0])
    found = gaze_to_points(gaze, SQUARE, PointSettings(gaze=ALL, foreground=1))
    assert found.foreground.tolist() == [[0.4, 0.2]]


def test_spread_points_begin_at_the_longest_look():
    gaze = reading((0.2, 0.2), (0.5, 0.2), (0.9, 0.2), ms=[100.0, 900.0, 100.0])
    found = gaze_to_points(gaze, SQUARE, PointSettings(gaze=ALL, foreground=2, choice="spread"))
    assert found.foreground.tolist() == [[0.5, 0.2], [0.9, 0.2]]


@pytest.mark.parametrize("size", [SQUARE, WIDE, Size(300, 40)])
def test_background_points_keep_their_distance_in_lengths_of_the_image(size):
    gaze, least = scattered(), 0.25
    found = gaze_to_points(gaze, size, PointSettings(background_distance_frac=least)).background
    longest = np.array([size.width, size.height]) / max(size)
    away = np.hypot(*((found[:, None] - np.stack([gaze.x, gaze.y], 1)[None]) * longest).transpose(2, 0, 1))
    assert len(found) == 5
    assert away.min() >= least - 1e-9


def test_outliers_too_keep_the_background_away():
    gaze = reading((0.5, 0.5), *[(0.2 + 0.01 * k, 0.2 + 0.01 * (k % 3)) for k in range(9)], (0.8, 0.8))
    found = gaze_to_points(gaze, SQUARE)
    assert found.left_out["outlier"] == 1
    assert np.hypot(*(found.background - 0.8).T).min() >= 0.15


def test_gaze_all_over_the_image_leaves_no_background_point():
    everywhere = [(x, y) for x in np.linspace(0, 1, 6) for y in np.linspace(0, 1, 6)]
    found = gaze_to_points(reading(*everywhere), SQUARE, PointSettings(background_distance_frac=0.3))
    assert found.background.shape == (0, 2)


def test_a_disc_covers_the_pixels_whose_centres_it_holds():
    label = PointLabel(np.array([[0.31, 0.42]]), np.array([[1.0, 1.0], [0.35, 0.5]]), 0.1)
    drawn = label.rasterise(Size(40, 60))
    expected = np.full((40, 60), 255, np.uint8)
    for value, points in ((0, label.background), (1, label.foreground)):
        for x, y in points:
            for row in range(40):
                for column in range(60):
                    if np.hypot(column + 0.5 - 60 * x, row + 0.5 - 40 * y) <= 6:
                        expected[row, column] = value
    expected[39, 59] = 0
    assert np.array_equal(drawn, expected)


# Boxes


def test_the_box_holds_the_gaze_and_its_margin():
    gaze = reading((0.5, 0.5), (0.2, 0.3), (0.6, 0.4), (0.4, 0.7))
    settings = BoxSettings(gaze=GazeSelection(mad_factor=None), margin_frac=0.1)
    assert gaze_to_box(gaze, WIDE, settings).boxes[0] == pytest.approx([0.1, 0.1, 0.7, 0.9])


def test_a_box_ends_at_the_edge_and_is_never_too_small():
    one = gaze_to_box(reading((0.99, 0.5)), SQUARE, BoxSettings(margin_frac=0.0, least_side_frac=0.1))
    assert one.boxes[0] == pytest.approx([0.94, 0.45, 1.0, 0.55])
    shrunk = gaze_to_box(scattered(), SQUARE, BoxSettings(margin_frac=-0.2, least_side_frac=0.1)).boxes[0]
    assert shrunk[2:] - shrunk[:2] == pytest.approx([0.1, 0.1])


def test_trimming_leaves_short_glances_outside():
    places = [(0.3 + 0.01 * k, 0.5) for k in range(10)]
    gaze = reading((0.9, 0.5), *places, (0.05, 0.5), ms=[50.0] + [500.0] * 10 + [50.0])
    for trim, left, right in ((0.0, 0.05, 0.9), (0.02, 0.3, 0.39)):
        box = gaze_to_box(gaze, SQUARE, BoxSettings(gaze=ALL, margin_frac=0, trim_frac=trim)).boxes[0]
        assert (box[0], box[2]) == pytest.approx((left, right))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.integers(1, 50)), min_size=1, max_size=15), st.floats(0, 0.49))
def test_trimming_is_the_weighted_quantile_of_repeated_values(looks, trim):
    gaze = reading(*[(x, 0.5) for x, _ in looks], ms=[float(ms) for _, ms in looks])
    settings_ = BoxSettings(gaze=ALL, margin_frac=0, trim_frac=trim, least_side_frac=1e-9)
    box = gaze_to_box(gaze, SQUARE, settings_).boxes[0]
    repeated = np.sort(np.repeat([x for x, _ in looks], [ms for _, ms in looks]))
    at = min(int(np.floor(trim * len(repeated) + 1e-9)), len(repeated) - 1)
    near = {at, max(0, int(np.ceil(trim * len(repeated) - 1e-9)) - 1)}
    assert min(abs(box[0] - repeated[k]) for k in near) < 1e-6
    assert min(abs(box[2] - repeated[::-1][k]) for k in near) < 1e-6


def test_two_lesions_get_two_boxes_and_a_glance_none():
    left = [(0.15 + 0.02 * k, 0.2) for k in range(5)]
    right = [(0.75 + 0.02 * k, 0.8) for k in range(5)]
    gaze = reading(*left, *right, (0.1, 0.9))
    label = gaze_to_box(gaze, SQUARE, BoxSettings(gaze=ALL, cluster_gap_frac=0.2, margin_frac=0.05))
    assert label.boxes == pytest.approx(np.array([[0.1, 0.15, 0.28, 0.25], [0.7, 0.75, 0.88, 0.85]]))
    assert label.left_out["small_cluster"] == 1
    assert len(gaze_to_box(gaze, SQUARE, BoxSettings(gaze=ALL)).boxes) == 1


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=4, max_size=4), st.integers(1, 20), st.integers(1, 20))
def test_a_pixel_is_inside_where_its_centre_is(sides, height, width):
    left, right = sorted(sides[:2])
    top, bottom = sorted(sides[2:])
    drawn = BoxLabel(np.array([[left, top, right, bottom]])).rasterise(Size(height, width)) == 1
    rows, columns = (np.arange(height) + 0.5), (np.arange(width) + 0.5)
    in_rows = (rows >= top * height) & (rows < bottom * height)
    in_columns = (columns >= left * width) & (columns < right * width)
    for found, expected in ((drawn.any(axis=1), in_rows), (drawn.any(axis=0), in_columns)):
        assert np.array_equal(found, expected) if expected.any() else found.sum() == 1


# Scribbles


def test_the_stroke_follows_the_scan_path_within_its_hull():
    gaze = reading((0.2, 0.2), (0.5, 0.2), (0.5, 0.5), (0.3, 0.6))
    plain = gaze_to_scribble(
        gaze, SQUARE, ScribbleSettings(gaze=ALL, smoothing_rounds=0, longest_jump_frac=None)
    )
    assert plain.foreground[0].tolist() == np.stack([gaze.x, gaze.y], 1).tolist()
    smooth = gaze_to_scribble(gaze, SQUARE, ScribbleSettings(gaze=ALL, longest_jump_frac=None)).foreground[0]
    assert len(smooth) > 4
    assert smooth[[0, -1]].tolist() == [[0.2, 0.2], [0.3, 0.6]]
    turns = np.abs(np.diff(np.unwrap(np.arctan2(*np.diff(smooth, axis=0).T))))
    assert turns.max() < np.pi / 4
    assert ((smooth >= 0.2) & (smooth <= 0.6)).all()


def test_a_long_saccade_lifts_the_pen():
    gaze = reading((0.1, 0.1), (0.2, 0.1), (0.8, 0.8), (0.9, 0.8), (0.1, 0.9))
    pieces = gaze_to_scribble(gaze, SQUARE, ScribbleSettings(gaze=ALL, longest_jump_frac=0.3)).foreground
    assert [len(piece) for piece in pieces] == [2, 2, 1]
    drawn = ScribbleLabel(pieces, (), 0.03).rasterise(SQUARE)
    assert drawn[80, 80] == drawn[90, 10] == 1
    assert drawn[45, 50] == 255


@pytest.mark.parametrize("size", [SQUARE, WIDE])
def test_the_background_stroke_stands_at_its_distance_from_the_hull(size):
    distance = 0.1
    gaze = reading((0.4, 0.4), (0.6, 0.4), (0.6, 0.6), (0.4, 0.6), (0.5, 0.5))
    label = gaze_to_scribble(gaze, size, ScribbleSettings(gaze=ALL, background_distance_frac=distance))
    (ring,) = label.background
    longest = np.array([size.width, size.height]) / max(size)
    low, high = 0.4 * longest, 0.6 * longest
    away = np.hypot(*np.maximum(np.maximum(low - ring * longest, ring * longest - high), 0).T)
    assert away == pytest.approx(distance, abs=2e-3)
    assert np.hypot(*(ring[0] - ring[-1])) < 1e-6


def test_the_background_stroke_ends_at_the_edges_of_the_image():
    gaze = reading((0.05, 0.5), (0.95, 0.5), (0.5, 0.45), (0.5, 0.55))
    label = gaze_to_scribble(gaze, SQUARE, ScribbleSettings(gaze=ALL))
    assert len(label.background) == 2
    drawn = label.rasterise(SQUARE)
    assert (drawn[:30] == 0).any()
    assert (drawn[70:] == 0).any()
    assert all(((line >= 0) & (line <= 1)).all() for line in label.background)


def test_gaze_over_the_whole_image_has_no_background_stroke():
    corners = reading((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
    assert gaze_to_scribble(corners, SQUARE, ScribbleSettings(gaze=ALL)).background == ()


def test_strokes_have_their_width_and_foreground_stays_on_top():
    across = (np.array([[0.1, 0.505], [0.9, 0.505]]),)
    down = (np.array([[0.505, 0.1], [0.505, 0.9]]),)
    drawn = ScribbleLabel(across, down, 0.05).rasterise(SQUARE)
    assert (drawn[:, 30] == 1).sum() == 5
    assert (drawn[20] == 0).sum() == 5
    assert (drawn[48:53, 48:53] == 1).all()
    assert (ScribbleLabel(across, (), 0.001).rasterise(SQUARE)[:, 30] == 1).sum() == 1


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.floats(-3, 20), st.floats(-3, 15)), min_size=1, max_size=4),
    st.sampled_from([0.0, 0.5, 1.3, 4.0]),
)
def test_a_stroke_covers_what_a_loop_over_pixels_finds(line, radius):
    corners = np.array(line)
    drawn = np.zeros((12, 17), np.uint8)
    draw_stroke(drawn, corners, radius, 7)
    for row in range(12):
        for column in range(17):
            away = min(
                distance_to_segment((column + 0.5, row + 0.5), start, end)
                for start, end in zip(corners, [*corners[1:], corners[-1]], strict=True)
            )
            held = any(
                (column, row) == (min(max(int(x), 0), 16), min(max(int(y), 0), 11)) for x, y in corners
            )
            if abs(away - radius) > 0.04:
                assert (drawn[row, column] == 7) == (away < radius or held)


def distance_to_segment(point: tuple[float, float], start: np.ndarray, end: np.ndarray) -> float:
    share = np.linspace(0, 1, 401)[:, None]
    return float(np.hypot(*(start + share * (end - start) - point).T).min())


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 20), st.floats(0, 15)), min_size=2, max_size=5))
def test_the_pixels_of_a_thin_line_touch_each_other(line):
    drawn = np.zeros((15, 20), np.uint8)
    draw_stroke(drawn, np.array(line), 0.5, 1)
    assert ndimage.label(drawn, np.ones((3, 3)))[1] == 1
