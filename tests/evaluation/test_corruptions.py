"""Corruptions: identity, order of severity, nothing moves, and each against an independent account of it."""

from __future__ import annotations

import io
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage

from gaze_insight.errors import DataError, SettingsError
from gaze_insight.evaluation.corruptions import CORRUPTIONS, SEVERITIES, corrupt
from gaze_insight.evaluation.other_scope import field_of_view, other_scope
from gaze_insight.types import Size

DRAWN = ("motion_blur", "sensor_noise", "specular_glare", "colour_cast")


def scene(height: int = 240, width: int = 320, seed: int = 0) -> np.ndarray:
    """A warm, shaded, textured image with a bright blob."""
    rng = np.random.default_rng(seed)
    down, across = np.mgrid[:height, :width]
    shade = 150 - 60 * np.hypot(down / height - 0.5, across / width - 0.5)
    blob = 60 * np.exp(-((down - 0.4 * height) ** 2 + (across - 0.55 * width) ** 2) / (0.12 * height) ** 2)
    texture = ndimage.gaussian_filter(rng.normal(size=(height, width)), 1.5) * 60
    channels = [(shade + blob + texture) * share for share in (1.0, 0.65, 0.5)]
    return np.clip(np.stack(channels, axis=-1), 0, 255).astype(np.uint8)


def psnr(first: np.ndarray, second: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.mean((first.astype(float) - second) ** 2)))


def light(stored: np.ndarray) -> np.ndarray:
    value = stored / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def shown(linear: np.ndarray) -> np.ndarray:
    kept = np.clip(linear, 0, 1)
    return 255 * np.where(kept <= 0.0031308, 12.92 * kept, 1.055 * kept ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_severity_0_is_a_copy(name):
    image = scene()
    same = corrupt(image, name, 0)
    assert np.array_equal(same, image)
    assert not np.shares_memory(same, image)


@pytest.mark.parametrize("name", CORRUPTIONS)
@pytest.mark.parametrize("seed", [0, 1])
def test_images_get_worse_with_severity(name, seed):
    image = scene(seed=seed)
    before = image.copy()
    quality = [psnr(corrupt(image, name, severity, seed=seed, case="a"), image) for severity in SEVERITIES]
    assert quality == sorted(quality, reverse=True)
    assert len(set(quality)) == len(SEVERITIES)
    assert quality[0] > 20
    assert np.array_equal(image, before)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_what_is_drawn_depends_on_seed_and_case_alone(name):
    image = scene(60, 80)
    first, again = (corrupt(image, name, 4, seed=1, case="a") for _ in range(2))
    other_case, other_seed = corrupt(image, name, 4, seed=1, case="b"), corrupt(image, name, 4, case="a")
    assert np.array_equal(first, again)
    differs = [not np.array_equal(first, one) for one in (other_case, other_seed)]
    assert differs == [name in DRAWN] * 2


@pytest.mark.parametrize("name", [name for name in CORRUPTIONS if name not in ("specular_glare", "darker")])
def test_nothing_moves(name):
    """A blob keeps its centre of mass; blocks and noise move it by chance where they are strong."""
    down, across = np.mgrid[:200, :260]
    blob = 60 + 120 * np.exp(-((down - 90) ** 2 + (across - 140) ** 2) / 20**2)
    image = np.repeat(blob[..., None], 3, axis=2).astype(np.uint8)
    severity = 1 if name in ("jpeg", "sensor_noise") else 5
    made = corrupt(image, name, severity, case="a").mean(axis=2)[30:150, 80:200]
    weight = np.clip(made - np.median(made[:5]), 0, None)
    weight[weight < 0.3 * weight.max()] = 0
    centre = ndimage.center_of_mass(weight)
    assert np.allclose(centre, (60, 60), atol=0.35)


@given(
    height=st.integers(1, 40), width=st.integers(1, 40), name=st.sampled_from(sorted(CORRUPTIONS)),
    severity=st.integers(0, 5),
)  # fmt: skip
@settings(max_examples=120, deadline=None)
def test_any_size_keeps_shape_and_type(height, width, name, severity):
    made = corrupt(np.full((height, width, 3), 90, np.uint8), name, severity)
    assert made.shape == (height, width, 3)
    assert made.dtype == np.uint8


def test_what_cannot_be_corrupted_is_refused():
    image = scene(20, 20)
    with pytest.raises(SettingsError, match="unknown corruption 'fog'; known: defocus_blur"):
        corrupt(image, "fog", 1)
    for severity in (-1, 6):
        with pytest.raises(SettingsError, match="from 1 to 5"):
            corrupt(image, "jpeg", severity)
    for bad in (image[..., 0], image.astype(float), image[:0]):
        with pytest.raises(DataError, match=r"must be \(H, W, 3\) uint8"):
            corrupt(bad, "jpeg", 1)


def test_values_of_all_severities_lie_in_order():
    for kind in CORRUPTIONS.values():
        assert len(kind.values) == len(SEVERITIES)
        assert list(kind.values) in (sorted(set(kind.values)), sorted(set(kind.values), reverse=True))


def test_defocus_is_a_disc_over_light():
    image = scene(50, 70)
    radius = CORRUPTIONS["defocus_blur"].value(5) * 70
    kernel = np.zeros((9, 9))
    for row in range(9):
        for column in range(9):
            away = ((row - 4) ** 2 + (column - 4) ** 2) ** 0.5
            kernel[row, column] = min(1.0, max(0.0, radius + 0.5 - away))
    kernel /= kernel.sum()
    blurred = [ndimage.convolve(light(image[..., c]), kernel, mode="mirror") for c in range(3)]
    assert np.abs(corrupt(image, "defocus_blur", 5) - shown(np.stack(blurred, axis=-1))).max() <= 0.6


def test_motion_spreads_a_point_over_a_segment():
    """A uniform segment of length L has a variance of L^2 / 12 along it."""
    image = np.zeros((401, 401, 3), np.uint8)
    image[196:205, 196:205] = 255
    made = light(corrupt(image, "motion_blur", 5, case="a"))[..., 0]
    down, across = np.mgrid[:401, :401] - 200
    spread = np.cov(np.stack([down.ravel(), across.ravel()]), aweights=made.ravel(), ddof=0)
    beside, along = np.linalg.eigvalsh(spread)
    length = CORRUPTIONS["motion_blur"].value(5) * 401
    own = (81 - 1) / 12
    assert beside == pytest.approx(own, abs=0.5)
    assert along == pytest.approx(length**2 / 12 + own, rel=0.02)
    assert made.sum() == pytest.approx(81, rel=0.01)


@pytest.mark.parametrize("name", ["brighter", "darker"])
def test_exposure_multiplies_light(name):
    image = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)
    for severity in SEVERITIES:
        expected = shown(light(image) * 2.0 ** CORRUPTIONS[name].value(severity))
        assert np.abs(corrupt(image, name, severity) - expected).max() <= 0.55


def test_contrast_shrinks_towards_the_mean_luma():
    image = scene(40, 40)
    mean = (image @ np.array([0.299, 0.587, 0.114])).mean()
    kept = CORRUPTIONS["low_contrast"].value(3)
    assert np.abs(corrupt(image, "low_contrast", 3) - (mean + kept * (image - mean))).max() <= 0.51


def test_jpeg_is_that_of_another_library():
    image = scene(96, 128)
    buffer = io.BytesIO()
    quality = int(CORRUPTIONS["jpeg"].value(2))
    Image.fromarray(image).save(buffer, "JPEG", quality=quality, subsampling="4:2:0")
    theirs = np.asarray(Image.open(buffer).convert("RGB")).astype(float)
    ours = corrupt(image, "jpeg", 2)
    assert np.abs(ours - theirs).mean() < 0.5
    assert psnr(ours, image) == pytest.approx(psnr(theirs, image), abs=0.2)


def test_resolution_averages_blocks_and_interpolates():
    pixels = int(CORRUPTIONS["low_resolution"].value(5))
    image = scene(4 * 30, 4 * pixels)
    blocks = image.reshape(30, 4, pixels, 4, 3).mean(axis=(1, 3))
    planes = [Image.fromarray(blocks[..., c].astype(np.float32)) for c in range(3)]
    wide = [np.asarray(one.resize((4 * pixels, 120), Image.Resampling.BILINEAR)) for one in planes]
    assert np.abs(corrupt(image, "low_resolution", 5) - np.stack(wide, axis=-1)).max() <= 0.6
    small = scene(20, pixels)
    assert np.array_equal(corrupt(small, "low_resolution", 5), small)


@pytest.mark.parametrize("side", [320, 960])
@pytest.mark.parametrize("grey", [60, 180])
def test_noise_has_the_variance_of_its_model_at_any_size(side, grey):
    image = np.full((side, side, 3), grey, np.uint8)
    made = corrupt(image, "sensor_noise", 1).astype(float) / 255
    deviation = CORRUPTIONS["sensor_noise"].value(1) * np.sqrt(0.2 + 0.8 * grey / 255)
    assert made.mean() == pytest.approx(grey / 255, abs=0.002)
    assert made.std() == pytest.approx(deviation, rel=0.02)


def test_noise_survives_shrinking_alike_in_small_and_large_images():
    left = []
    for side in (320, 960):
        made = corrupt(np.full((side, side, 3), 128, np.uint8), "sensor_noise", 3)
        step = side // 80
        left.append(made.reshape(80, step, 80, step, 3).mean(axis=(1, 3)).std())
    assert left[1] == pytest.approx(left[0], rel=0.35)


def test_glare_covers_its_share_and_grows_from_the_same_places():
    image = np.full((400, 500, 3), 60, np.uint8)
    lit = [corrupt(image, "specular_glare", severity, case="b")[..., 0] > 157 for severity in SEVERITIES]
    for severity, one in zip(SEVERITIES, lit, strict=True):
        share = CORRUPTIONS["specular_glare"].value(severity)
        assert 0.5 * share < one.mean() < 1.05 * share
    for smaller, larger in pairwise(lit):
        assert (larger | ~smaller).all()


def test_a_cast_keeps_the_mean_of_the_stops_and_has_its_length():
    image = np.full((8, 8, 3), 100, np.uint8)
    for case in ("a", "b", "c"):
        made = corrupt(image, "colour_cast", 3, case=case)[0, 0]
        gains = np.log2(light(made) / light(np.array(100)))
        assert gains.mean() == pytest.approx(0, abs=0.03)
        assert np.linalg.norm(gains) == pytest.approx(CORRUPTIONS["colour_cast"].value(3), abs=0.05)


def test_the_corners_of_another_scope_are_black_and_nothing_else():
    seen = field_of_view(Size(50, 70), 1.0)
    for row in range(50):
        for column in range(70):
            away = min(row + 0.5, 49.5 - row) + min(column + 0.5, 69.5 - column)
            assert seen[row, column] == (away > 8)
    made = corrupt(np.full((50, 70, 3), 200, np.uint8), "other_scope", 5)
    assert np.array_equal(made.max(axis=2) > 0, seen)


def test_another_scope_is_bluer_paler_and_darker_at_the_edge():
    image = np.full((100, 140, 3), (180, 110, 90), np.uint8)
    made = other_scope(image, 1.0)
    middle, edge = made[50, 70], made[50, 5]
    assert np.ptp(middle) < np.ptp(image[0, 0] / 255)
    assert middle[2] / middle[0] > 90 / 180
    loss = light(255 * edge.astype(float)).sum() / light(255 * middle.astype(float)).sum()
    assert loss == pytest.approx(1 - 0.75 * (1 - 2 * 5.5 / 140) ** 2 / 2, abs=0.03)


def test_other_lines_of_another_scope_stand_apart():
    image = np.zeros((120, 500, 3), np.uint8)
    image[:, 240:260] = 200
    made = other_scope(image, 1.0)[30:90].sum(axis=2)
    centres = (made * np.arange(500)).sum(axis=1) / made.sum(axis=1)
    assert centres[1::2].mean() - centres[::2].mean() == pytest.approx(0.008 * 500, abs=0.05)
    assert centres.mean() == pytest.approx(249.5, abs=0.1)
