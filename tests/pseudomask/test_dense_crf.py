from __future__ import annotations

import json

import numpy as np
import pytest
from make_dense_crf_golden import CASES, GOLDEN, generate, pydensecrf_foreground, split_arguments
from pydantic import ValidationError

from gaze_insight.errors import DataError
from gaze_insight.pseudomask.dense_crf import DenseCrfSettings, bilateral_features, dense_crf
from gaze_insight.types import Size

# Measured: at most 9e-7 on these cases and 4e-7 on photographs of 256 pixels.
TOLERANCE = 1e-5
RENAMED = {"sxy": "bilateral_sxy_px", "srgb": "bilateral_srgb"}


def settings_for(crf_arguments: dict[str, float]) -> DenseCrfSettings:
    return DenseCrfSettings(**{RENAMED.get(k, k): v for k, v in crf_arguments.items()})


@pytest.fixture(scope="module")
def golden():
    with np.load(GOLDEN) as stored:
        return dict(stored)


def exact_crf(image: np.ndarray, prob: np.ndarray, settings: DenseCrfSettings) -> np.ndarray:
    """Do mean field over both classes with the exact kernel, pair by pair."""
    features = bilateral_features(image, settings.bilateral_sxy_px, settings.bilateral_srgb)
    n = features.shape[1]
    kernel = np.array(
        [[np.exp(-0.5 * np.sum((features[:, i] - features[:, j]) ** 2)) for j in range(n)] for i in range(n)]
    )
    kernel /= np.sqrt(np.outer(kernel.sum(axis=1), kernel.sum(axis=1)))
    p = prob.ravel().astype(float)
    unary = -np.log(np.clip(np.stack([1 - p, p]), settings.probability_floor, None))
    q = np.exp(-unary) / np.exp(-unary).sum(axis=0)
    for _ in range(settings.iterations):
        energy = unary - settings.compat * q @ kernel
        q = np.exp(-energy) / np.exp(-energy).sum(axis=0)
    return q[1].reshape(prob.shape)


@pytest.mark.parametrize("name", sorted(CASES))
def test_equals_the_stored_output_of_pydensecrf2(golden, name):
    assert json.loads(str(golden["cases"])) == CASES
    _, crf = split_arguments(CASES[name])
    ours = dense_crf(golden[f"{name}_image"], golden[f"{name}_prob"], settings_for(crf))
    np.testing.assert_allclose(ours, golden[f"{name}_foreground"], atol=TOLERANCE, rtol=0)


def test_stored_outputs_are_far_from_their_inputs(golden):
    moved = {name: np.abs(golden[f"{name}_foreground"] - golden[f"{name}_prob"]).max() for name in CASES}
    assert sum(change > 0.1 for change in moved.values()) >= 4


@pytest.mark.parametrize("seed", range(3))
def test_equals_pydensecrf2_where_it_is_installed(seed):
    pytest.importorskip("pydensecrf")
    image, prob = generate(90, 120, seed)
    crf = {"sxy": 30.0, "srgb": 10.0, "compat": 3.0, "iterations": 10}
    reference = pydensecrf_foreground(image, prob, **crf)
    np.testing.assert_allclose(dense_crf(image, prob, settings_for(crf)), reference, atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("compat", [1.0, 3.0])
def test_is_close_to_exact_mean_field(compat):
    image, prob = generate(14, 18, seed=6)
    settings = DenseCrfSettings(bilateral_sxy_px=8, bilateral_srgb=20, compat=compat)
    exact, ours = exact_crf(image, prob, settings), dense_crf(image, prob, settings)
    # The lattice approximates the kernel; measured mean differences are 0.001 and 0.002.
    assert np.abs(ours - exact).mean() < 0.004
    assert np.abs(exact - prob).mean() > 0.04
    assert np.mean((ours > 0.5) == (exact > 0.5)) > 0.98


def test_labels_follow_colour_edges():
    image = np.zeros((20, 30, 3), np.uint8)
    image[:, 15:] = 180
    prob = np.where(np.arange(30) >= 12, 0.7, 0.3) * np.ones((20, 1))
    q = dense_crf(image, prob, DenseCrfSettings(compat=5.0))
    assert (q[:, 15:] > 0.5).all()
    assert (q[:, :15] < 0.5).all()


def test_both_classes_are_treated_alike():
    image, prob = generate(24, 30, seed=8)
    np.testing.assert_allclose(dense_crf(image, 1 - prob), 1 - dense_crf(image, prob), atol=1e-5)


def test_grey_equals_three_equal_channels():
    image, prob = generate(20, 22, seed=9)
    grey = image[..., 0]
    np.testing.assert_array_equal(dense_crf(grey, prob), dense_crf(np.stack([grey] * 3, axis=-1), prob))


@pytest.mark.parametrize("off", [{"compat": 0.0}, {"iterations": 0}])
def test_without_a_pairwise_term_or_iteration_the_input_comes_back(off):
    image, prob = generate(16, 20, seed=10)
    np.testing.assert_allclose(dense_crf(image, prob, DenseCrfSettings(**off)), prob, atol=2e-5)


@pytest.mark.parametrize("level", [0.0, 1.0])
def test_a_certain_map_stays_certain(level):
    image, _ = generate(16, 20, seed=11)
    q = dense_crf(image, np.full((16, 20), level))
    np.testing.assert_allclose(q, level, atol=1e-4)


def test_inputs_are_left_as_they_were_and_output_is_a_probability():
    image, prob = generate(17, 23, seed=12)
    copies = image.copy(), prob.copy()
    q = dense_crf(image, prob)
    assert q.dtype == np.float32
    assert q.shape == (17, 23)
    assert q.min() >= 0
    assert q.max() <= 1
    np.testing.assert_array_equal(image, copies[0])
    np.testing.assert_array_equal(prob, copies[1])


def test_the_reference_size_scales_the_spatial_width_with_the_image():
    settings = DenseCrfSettings(reference_long_side_px=512)
    assert settings.sxy_px_at(Size(200, 256)) == 40.0
    assert settings.sxy_px_at(Size(512, 300)) == 80.0
    image, prob = generate(24, 32, seed=13)
    scaled = dense_crf(image, prob, DenseCrfSettings(reference_long_side_px=64))
    np.testing.assert_array_equal(scaled, dense_crf(image, prob, DenseCrfSettings(bilateral_sxy_px=40)))


@pytest.mark.parametrize(
    ("image", "prob", "message"),
    [
        (np.zeros((4, 5, 3), np.float32), np.zeros((4, 5)), "image must be uint8"),
        (np.zeros((4, 5, 4), np.uint8), np.zeros((4, 5)), "image must be uint8"),
        (np.zeros((0, 5, 3), np.uint8), np.zeros((0, 5)), "no pixels"),
        (np.zeros((4, 5, 3), np.uint8), np.zeros((5, 4)), r"prob must be \(4, 5\)"),
        (np.zeros((4, 5), np.uint8), np.full((4, 5), 1.5), r"\[0, 1\]"),
        (np.zeros((4, 5), np.uint8), np.full((4, 5), np.nan), r"\[0, 1\]"),
    ],
)
def test_bad_input_is_refused(image, prob, message):
    with pytest.raises(DataError, match=message):
        dense_crf(image, prob)


@pytest.mark.parametrize(
    "wrong",
    [{"bilateral_srgb": 0}, {"compat": -1}, {"iterations": -1}, {"sxy": 3}, {"reference_long_side_px": 0}],
)
def test_bad_settings_are_refused(wrong):
    with pytest.raises(ValidationError):
        DenseCrfSettings(**wrong)
