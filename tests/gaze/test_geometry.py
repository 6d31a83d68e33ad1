from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from gaze_insight.errors import DataError
from gaze_insight.gaze.geometry import Geometry, Rect, View, read_geometry
from gaze_insight.types import Size

SCREEN = {"screen_size_px": {"height": 1080, "width": 1920}}
OPTICS = {**SCREEN, "screen_size_mm": {"height": 299, "width": 531}, "viewing_distance_mm": 650}
SIDES = st.integers(1, 4000)


def rect(left, top, width, height):
    return Rect(left=left, top=top, width=width, height=height)


def unit(geometry, points, t_ms=None, image="a", size=None, **more):
    x, y = zip(*points, strict=True)
    return np.stack(geometry.to_image_unit(x, y, t_ms or [0.0] * len(x), image, size, **more), axis=1)


@given(SIDES, SIDES)
def test_a_letterboxed_image_touches_two_sides_and_is_centred(height, width):
    geometry = Geometry(**SCREEN, fit="letterbox")
    (view,) = geometry.views_of("a", Size(height, width))
    shown = view.screen_px
    assert shown.width / shown.height == pytest.approx(width / height)
    assert shown.left == pytest.approx(1920 - shown.right, abs=1e-6)
    assert shown.top == pytest.approx(1080 - shown.bottom, abs=1e-6)
    assert shown.left >= -1e-9
    assert shown.top >= -1e-9
    assert min(shown.left, shown.top) == pytest.approx(0, abs=1e-6)


def test_letterbox_by_hand():
    portrait = unit(
        Geometry(**SCREEN, fit="letterbox"), [(960, 540), (690, 0), (1230, 1080)], size=Size(400, 200)
    )
    assert_allclose(portrait, [[0.5, 0.5], [0, 0], [1, 1]])
    beside = unit(Geometry(**SCREEN, fit="letterbox"), [(0, 540)], size=Size(400, 200))
    assert beside[0, 0] < 0
    area = Geometry(fit="letterbox", area_px=rect(100, 50, 400, 400))
    assert_allclose(unit(area, [(100, 150), (500, 350)], size=Size(100, 200)), [[0, 0], [1, 1]])


def test_stretch_and_native_centre_by_hand():
    stretched = Geometry(**SCREEN, fit="stretch")
    assert_allclose(unit(stretched, [(480, 270)]), [[0.25, 0.25]])
    native = Geometry(**SCREEN, fit="native_centre")
    assert_allclose(unit(native, [(910, 440), (1010, 640)], size=Size(200, 100)), [[0, 0], [1, 1]])


def test_zoom_and_pan_are_views_in_time():
    window = rect(0, 0, 1000, 1000)
    geometry = Geometry(
        images={
            "a": (
                View(screen_px=window, end_ms=1000),
                View(screen_px=window, start_ms=1000, end_ms=2000, image_frac=rect(0.5, 0.5, 0.25, 0.25)),
                View(screen_px=window, start_ms=2500, image_frac=rect(-0.5, -0.5, 2, 2)),
            )
        }
    )
    times = [0.0, 999.9, 1000.0, 1999.0, 2000.0, 2499.0, 2500.0]
    found = unit(geometry, [(250, 500)] * 7, times)
    assert_allclose(found[:2], [[0.25, 0.5]] * 2)
    assert_allclose(found[2:4], [[0.5625, 0.625]] * 2)
    assert np.isnan(found[4:6]).all()
    assert_allclose(found[6], [0.0, 0.5])


def test_beside_a_zoomed_window_there_is_no_image():
    zoomed = Geometry(views=(View(screen_px=rect(0, 0, 100, 100), image_frac=rect(0, 0, 0.5, 0.5)),))
    found = unit(zoomed, [(100, 100), (150, 50), (250, 50)])
    assert_allclose(found[0], [0.5, 0.5])
    assert np.isnan(found[1]).all()
    assert_allclose(found[2], [1.25, 0.25])


def test_of_views_at_one_time_the_last_that_holds_the_point_counts():
    below = View(screen_px=rect(0, 0, 1000, 1000))
    lens = View(screen_px=rect(400, 400, 100, 100), image_frac=rect(0.42, 0.42, 0.05, 0.05))
    found = unit(Geometry(views=(below, lens)), [(450, 450), (100, 100), (1500, 100)])
    assert_allclose(found, [[0.445, 0.445], [0.1, 0.1], [1.5, 0.1]])


def test_a_view_of_another_session_is_left_out():
    mine = View(screen_px=rect(0, 0, 10, 10), session="p1")
    other = View(screen_px=rect(0, 0, 100, 100), session="p2")
    geometry = Geometry(images={"a.png": (mine, other)})
    assert_allclose(unit(geometry, [(5, 5)], session="p1"), [[0.5, 0.5]])
    assert_allclose(unit(geometry, [(5, 5)], session="p2"), [[0.05, 0.05]])
    assert np.isnan(unit(geometry, [(5, 5)])).all()


def test_lost_gaze_stays_lost_and_nothing_stays_nothing():
    geometry = Geometry(**SCREEN, fit="stretch")
    x, y = geometry.to_image_unit([np.nan, 960], [540, 540], [0, 1], "a")
    assert np.isnan(x).tolist() == [True, False]
    assert np.isnan(y[1]).item() is False
    assert geometry.to_image_unit([], [], [], "a")[0].shape == (0,)


@given(st.floats(-500, 2500), st.floats(-500, 1500), SIDES, SIDES)
def test_fractions_lead_back_to_the_screen(x, y, height, width):
    geometry = Geometry(**SCREEN, fit="letterbox")
    (view,) = geometry.views_of("a", Size(height, width))
    found = unit(geometry, [(x, y)], size=Size(height, width))[0]
    shown = view.screen_px
    assert found[0] * shown.width + shown.left == pytest.approx(x, abs=1e-6)
    assert found[1] * shown.height + shown.top == pytest.approx(y, abs=1e-6)


def test_degrees_agree_with_pymovements():
    transforms = pytest.importorskip("pymovements.transforms.numpy")
    rng = np.random.default_rng(3)
    points = rng.uniform([-200, -200], [2100, 1300], (200, 2))
    # There a pixel's centre has whole coordinates, here its edges.
    expected = transforms.pix2deg(points - 0.5, (1920, 1080), (53.1, 29.9), 65.0, "upper left")
    x, y = Geometry(**OPTICS).to_degrees(points[:, 0], points[:, 1])
    assert_allclose(np.stack([x, y], axis=1), expected, rtol=1e-12)


@pytest.mark.parametrize("axis", ["up", "down"])
def test_degrees_lead_back_to_the_screen(axis):
    geometry = Geometry(**OPTICS, degrees_y=axis)
    points = np.random.default_rng(5).uniform(0, 1080, (50, 2))
    x, y = geometry.to_degrees(points[:, 0], points[:, 1])
    assert_allclose(np.stack(geometry.from_degrees(x, y), axis=1), points, rtol=1e-9)
    assert (np.sign(y) == np.sign(points[:, 1] - 540) * (1 if axis == "down" else -1)).all()


def test_one_pixel_at_the_centre_spans_what_degrees_per_px_says():
    geometry = Geometry(**OPTICS)
    across, down = geometry.degrees_per_px()
    x, y = geometry.to_degrees([959.5, 960.5], [539.5, 540.5])
    assert (x[1] - x[0], y[1] - y[0]) == (pytest.approx(across), pytest.approx(down))
    assert across == pytest.approx(np.degrees(531 / 1920 / 650), rel=1e-6)


MISSING = [
    ({}, lambda g: g.views_of("a"), "where image 'a' stood on the screen"),
    ({"fit": "letterbox"}, lambda g: g.views_of("a", Size(1, 1)), "the screen's size in pixels"),
    ({**SCREEN, "fit": "letterbox"}, lambda g: g.views_of("a"), "the size of image 'a' in pixels"),
    ({**SCREEN, "fit": "native_centre"}, lambda g: g.views_of("a"), "the size of image 'a' in pixels"),
    ({}, lambda g: g.to_degrees([0], [0]), "the screen's size in pixels"),
    (SCREEN, lambda g: g.degrees_per_px(), "the screen's size in millimetres"),
    (
        {**SCREEN, "screen_size_mm": {"height": 1, "width": 1}},
        lambda g: g.from_degrees([0], [0]),
        "the viewing distance",
    ),
]


@pytest.mark.parametrize(("known", "ask", "fact"), MISSING)
def test_a_missing_fact_is_named_with_the_key_to_state(known, ask, fact):
    with pytest.raises(DataError, match="unknown is") as caught:
        ask(Geometry(**known))
    assert fact in caught.value.message
    assert "state it in the geometry" in caught.value.remedy


BAD = {
    "screen_size: {height: 1, width: 2}": ("unknown key 'screen_size'", "screen_size_"),
    "screen_size_px: [1080, 1920]": ("screen_size_px: expected a mapping with height and width", None),
    "screen_size_px: {height: 0, width: 2}": ("screen_size_px: height and width must be above 0", None),
    "screen_size_px: {height: 2, wide: 2}": ("expected the keys height and width, found 'wide'", None),
    "viewing_distance_mm: -6": ("viewing_distance_mm: expected", None),
    "fit: best": ("fit: expected", None),
    "fit: letterbox\nviews: [{screen_px: {left: 0, top: 0, width: 1, height: 1}}]": (
        "fit must be stated, not letterbox",
        None,
    ),
    "area_px: {left: 0, top: 0, width: 1, height: 1}": ("area_px has no effect", None),
    "views: [{screen_px: {left: 0, top: 0, width: 0, height: 1}}]": ("views.0.screen_px.width: expect", None),
    "views: [{screen_px: {left: 0, top: 0, widht: 1, height: 1}}]": (
        "views.0.screen_px.width: expected a value, found none",
        None,
    ),
    "views: [{screen_px: {left: 0, top: 0, width: 1, height: 1}, start: 2}]": (
        "unknown key 'views.0.start'",
        "did you mean 'start_ms'?",
    ),
    "views: [{screen_px: {left: 0, top: 0, width: 1, height: 1}, start_ms: 9, end_ms: 9}]": (
        "views.0: end_ms must be above start_ms 9, found 9",
        None,
    ),
    "images: {a: []}": ("images: 'a' has no view", None),
    "images: {a.png: [], x/a.jpg: []}": ("images: 'x/a.jpg' is listed twice (its id is 'a')", None),
    "- 1": ("expected a mapping of keys to values, found list", None),
    "fit: stretch\nfit: stated": ("the key 'fit' is given twice", None),
    "fit: {": ("not valid YAML or JSON", None),
}


@pytest.mark.parametrize("text", BAD)
def test_a_bad_geometry_names_file_and_key(tmp_path, text):
    message, remedy = BAD[text]
    path = tmp_path / "screen.yaml"
    path.write_text(text)
    with pytest.raises(DataError) as caught:
        read_geometry(path)
    assert message in caught.value.message
    assert caught.value.path == path
    if remedy is not None:
        assert remedy in caught.value.remedy


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match="found none") as caught:
        read_geometry(tmp_path / "screen.yaml")
    assert caught.value.path == tmp_path / "screen.yaml"


def test_a_geometry_survives_json_and_yaml(tmp_path):
    geometry = Geometry(
        **OPTICS,
        degrees_y="up",
        images={"a": (View(screen_px=rect(1, 2, 3, 4), start_ms=5, image_frac=rect(0, 0, 0.5, 1)),)},
    )
    path = tmp_path / "g.json"
    path.write_text(geometry.model_dump_json())
    assert read_geometry(path) == geometry
    assert json.loads(path.read_text())["screen_size_px"] == {"height": 1080, "width": 1920}
    assert Geometry.model_validate(geometry.model_dump()) == geometry
