from __future__ import annotations

import time

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from language_making import make_blob

from gaze_insight.errors import DataError
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.language.measured import MeasuredDescriber, MeasuredSettings, describe_measured
from gaze_insight.language.registry import DESCRIBERS
from gaze_insight.language.schema import LOCATIONS
from gaze_insight.language.symmetry import SYMMETRIES, apply_symmetry


def look_at(*places: tuple[float, float], duration_ms: float = 200.0) -> Fixations:
    rows = [(x, y, duration_ms, 250.0 * index) for index, (x, y) in enumerate(places)]
    return Fixations.from_rows(rows, frame="image_unit")


def transformed(array: np.ndarray, code: int) -> np.ndarray:
    """Turn the first two axes."""
    channels_first = torch.from_numpy(np.moveaxis(np.atleast_3d(array), 2, 0).copy())
    turned = np.moveaxis(apply_symmetry(channels_first, code).numpy(), 0, 2)
    return np.ascontiguousarray(turned if array.ndim == 3 else turned[..., 0])


@pytest.mark.parametrize("place", range(9))
def test_a_blob_is_found_where_it_is(place):
    row, column = divmod(place, 3)
    image, soft = make_blob(row=(row + 0.5) / 3, column=(column + 0.5) / 3)
    assert describe_measured(image, soft).location == LOCATIONS[place]


@pytest.mark.parametrize("code", range(SYMMETRIES))
@settings(max_examples=12, deadline=None)
@given(
    row=st.sampled_from([0.2, 0.5, 0.8]),
    column=st.sampled_from([0.2, 0.5, 0.8]),
    high=st.sampled_from([8, 16]),
)
def test_the_description_of_the_turned_image_is_the_turned_description(code, row, column, high):
    image, soft = make_blob(row=row, column=column, radii=(high, 13))
    described = describe_measured(image, soft)
    again = describe_measured(transformed(image, code), transformed(soft, code))
    assert again == described.under(code)


def test_the_area_is_the_share_of_lesion_pixels():
    image, soft = make_blob()
    smaller = cv2.resize(image, (64, 48))
    expected = 100 * (soft >= 0.4).sum() / soft.size
    assert describe_measured(image, soft).area_percentage == pytest.approx(expected, abs=0.01)
    assert describe_measured(smaller, soft).area_percentage == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize(
    ("radii", "shape"),
    [((14, 14), "round"), ((14, 19), "oval"), ((30, 9), "elongated"), ((9, 30), "elongated")],
)
def test_the_shape_follows_the_axes(radii, shape):
    assert describe_measured(*make_blob(radii=radii)).shape == shape


def test_a_hollow_outline_is_irregular():
    image, soft = make_blob(radii=(30, 30))
    soft[20:50, 62:66] = 0.02
    soft[40:60, 70:110] = 0.02
    described = describe_measured(image, soft)
    assert (described.shape, described.boundary) == ("irregular", "irregular")


def test_a_star_is_spiculated():
    image, soft = make_blob(radii=(10, 10))
    angle = np.linspace(0, 2 * np.pi, 17)[:-1]
    radius = np.where(np.arange(16) % 2, 42, 12)
    tips = np.stack([64 + radius * np.cos(angle), 48 + radius * np.sin(angle)], axis=1)
    cv2.fillPoly(soft, [tips.round().astype(np.int32)], 0.95)
    assert describe_measured(image, soft).texture == "spiculated"


@pytest.mark.parametrize(
    ("lightness", "brightness"), [((180, 90), "brighter"), ((60, 150), "darker"), ((100, 100), "similar")]
)
def test_brightness_is_against_the_surroundings(lightness, brightness):
    assert describe_measured(*make_blob(lightness=lightness)).brightness == brightness


def test_a_sharp_edge_is_clear_and_a_washed_one_ambiguous():
    generator = np.random.default_rng(0)
    noise = generator.normal(0, 6, (96, 128, 1))
    boundaries = []
    for blur, lightness in [(0.0, (200, 90)), (0.8, (110, 90))]:
        image, soft = make_blob(radii=(22, 22), blur=blur, lightness=lightness)
        noisy = np.clip(image + noise, 0, 255).astype(np.uint8)
        boundaries.append(describe_measured(noisy, soft).boundary)
    assert boundaries == ["clear", "ambiguous"]


def test_texture_is_against_the_surroundings():
    image, soft = make_blob(radii=(26, 26), lightness=(120, 120))
    inside = soft[..., None] > 0.5
    generator = np.random.default_rng(0)
    grain = generator.normal(0, 12, (96, 128, 1))
    rough = np.clip(image + grain * inside, 0, 255).astype(np.uint8)
    smooth = np.clip(image + grain * ~inside, 0, 255).astype(np.uint8)
    relief = cv2.GaussianBlur(generator.normal(0, 1, (96, 128)), (0, 0), 4)[..., None]
    lobulated = np.clip(image + grain + 25 * relief / relief.std() * inside, 0, 255).astype(np.uint8)
    words = [describe_measured(picture, soft).texture for picture in (rough, smooth, lobulated)]
    assert words == ["rough", "smooth", "lobulated"]


def test_confidence_falls_when_the_looking_is_elsewhere_or_the_labels_are_undecided():
    image, soft = make_blob()
    on, off = (0.5, 0.5), (0.05, 0.05)
    assert describe_measured(image, soft).confidence == "high"
    assert describe_measured(image, soft, look_at(on, on)).confidence == "high"
    assert describe_measured(image, soft, look_at(on, off)).confidence == "moderate"
    assert describe_measured(image, soft, look_at(on, off, off, off)).confidence == "low"
    assert describe_measured(image, soft * 0.5, look_at(on)).confidence == "low"


def test_fixations_may_be_in_pixels_and_off_the_image():
    image, soft = make_blob()
    in_pixels = Fixations.from_rows([(64, 48, 200, 0), (500, -3, 100, 300)], frame="image_px")
    in_units = look_at((0.5, 0.5), (0.05, 0.05))
    assert describe_measured(image, soft, in_pixels).confidence == "high"
    assert describe_measured(image, soft, in_units).location == "centre"


def test_the_largest_of_two_regions_gives_the_place_and_both_the_area():
    image, soft = make_blob(row=0.75, column=0.8, radii=(15, 15))
    one = describe_measured(image, soft)
    soft[4:10, 4:10] = 0.9
    both = describe_measured(image, soft)
    assert both.location == one.location == "lower right"
    assert both.area_percentage > one.area_percentage


@pytest.mark.parametrize("level", [0.0, 0.39])
def test_no_region_is_nothing_seen(level):
    image, _ = make_blob()
    described = describe_measured(image, np.full((96, 128), level), look_at((0.5, 0.5)))
    assert not described.visible
    assert described.remarks == "the gaze points at no region"


def test_no_fixation_is_nothing_seen():
    described = describe_measured(*make_blob(), Fixations.empty())
    assert (described.location, described.confidence, described.area_percentage) == ("not visible", "low", 0)
    assert described.remarks == "no fixation was recorded"


@pytest.mark.parametrize("soft", [np.ones((1, 1)), np.ones((40, 60)), np.eye(1, 90)])
def test_extreme_regions_have_words(soft):
    image = np.full((40, 60, 3), 7, np.uint8)
    assert describe_measured(image, soft.astype(np.float32)).visible


@pytest.mark.parametrize(
    ("image", "soft", "message"),
    [
        (np.zeros((4, 4), np.uint8), np.zeros((4, 4)), r"\(H, W, 3\) uint8"),
        (np.zeros((4, 4, 3), np.float32), np.zeros((4, 4)), "found .* float32"),
        (np.zeros((4, 4, 3), np.uint8), np.zeros((1, 4, 4)), r"must be \(h, w\)"),
        (np.zeros((4, 4, 3), np.uint8), np.full((4, 4), 255.0), r"\[0, 1\], found 255"),
        (np.zeros((4, 4, 3), np.uint8), np.full((4, 4), np.nan), r"\[0, 1\], found nan"),
    ],
)
def test_wrong_arrays_are_refused(image, soft, message):
    with pytest.raises(DataError, match=message):
        MeasuredDescriber().describe("case-7", image, soft, None)
    with pytest.raises(DataError, match="case-7"):
        MeasuredDescriber().describe("case-7", image, soft, None)


def test_the_registry_builds_it_with_its_settings():
    describer = DESCRIBERS["measured"](MeasuredSettings(foreground=0.97))
    assert not describer.describe("a", *make_blob(), None).visible


def test_it_is_the_same_each_time_and_fast():
    image, soft = make_blob(500, 600, radii=(120, 90))
    soft = cv2.resize(soft, (256, 213), interpolation=cv2.INTER_AREA)
    first = describe_measured(image, soft, look_at((0.5, 0.5)))
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        assert describe_measured(image, soft, look_at((0.5, 0.5))) == first
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 0.03
