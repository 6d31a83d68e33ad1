"""Appearance, GrabCut and random walks against literal transcriptions of what they say they do."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from pseudomask_making import EVERYTHING, evidence_of, gaze_on, painted
from scipy.special import expit

from gaze_insight.gaze.fixations import Fixations
from gaze_insight.pseudomask.appearance import AppearanceSettings, appearance_codes, appearance_logit
from gaze_insight.pseudomask.evidence import PriorSettings
from gaze_insight.pseudomask.grabcut import GrabCutSettings, grabcut, looks_of
from gaze_insight.pseudomask.random_walk import RandomWalkSettings, random_walk

GAZE = gaze_on(0.5, 0.5, 0.25, 0.25, count=6)
NOISE = np.random.default_rng(4).integers(0, 255, (15, 20, 3)).astype(np.uint8)


def kernel(sigma: float, reach: int) -> list[float]:
    weights = [math.exp(-0.5 * (k / sigma) ** 2) for k in range(-reach, reach + 1)]
    return [weight / sum(weights) for weight in weights]


def smoothed(counts: list[float], sigma: float) -> list[float]:
    """Smooth a histogram, its ends reflected."""
    reach, n = int(3 * sigma + 0.5), len(counts)
    weights = kernel(sigma, reach)
    result = []
    for i in range(n):
        total = 0.0
        for k, weight in zip(range(-reach, reach + 1), weights, strict=True):
            at = (i + k) % (2 * n)
            total += weight * counts[at if at < n else 2 * n - 1 - at]
        result.append(total)
    return result


@pytest.mark.parametrize("rounds", [1, 3])
def test_appearance_equals_expectation_maximisation_written_out(rounds):
    chosen = AppearanceSettings(
        lightness_bins=6, colour_bins=1, texture_bins=1, smooth_frac=0, rounds=rounds, weight=0.7
    )
    evidence = evidence_of(NOISE, GAZE, long_side_px=20)
    codes, shape = appearance_codes(evidence.image, chosen)
    assert shape == (6, 1, 1, 1)
    prior = [min(5.0, max(-5.0, float(value))) for value in evidence.prior_logit.ravel()]
    reach = chosen.near_frac + chosen.near_per_radius * evidence.radius_frac
    near = [float(value) > -reach for value in evidence.distance.ravel()]
    assert 0 < sum(near) < len(near)
    found = list(prior)
    for _ in range(rounds):
        inside, outside = [0.0] * 6, [0.0] * 6
        for code, value, close in zip(codes, found, near, strict=True):
            p = 1 / (1 + math.exp(-value))
            inside[code] += p
            outside[code] += (1 - p) * close
        ratio = []
        one, other = smoothed(inside, 0.7), smoothed(outside, 0.7)
        for a, b in zip(one, other, strict=True):
            value = math.log((a / sum(one) + 0.03 / 6) / (b / sum(other) + 0.03 / 6))
            ratio.append(min(3.0, max(-3.0, value)))
        found = [p + 0.7 * ratio[code] for p, code in zip(prior, codes, strict=True)]
    np.testing.assert_allclose(appearance_logit(evidence, chosen).ravel(), found, atol=1e-4)


def test_codes_are_places_on_each_axis_between_its_quantiles():
    lightness = cv2.cvtColor(NOISE, cv2.COLOR_RGB2LAB)
    codes, _ = appearance_codes(NOISE, AppearanceSettings(texture_bins=1))
    axes = []
    for channel in range(3):
        values = lightness[..., channel].astype(float).ravel()
        low, high = np.quantile(values[::7], [0.01, 0.99])
        axes.append([min(11, max(0, int((v - low) * 12 / (high - low)))) for v in values])
    assert codes.tolist() == [(a * 12 + b) * 12 + c for a, b, c in zip(*axes, strict=True)]


def test_steps_of_one_grey_level_are_told_apart():
    image = np.repeat(np.array([[100, 106], [112, 103]], np.uint8)[..., None], 3, axis=2)
    image = np.kron(image, np.ones((12, 12, 1), np.uint8))
    codes, _ = appearance_codes(image, AppearanceSettings(texture_bins=1))
    assert len(np.unique(codes)) == 4


def test_a_ratio_weighs_nothing_without_weight():
    evidence = evidence_of(NOISE, GAZE, long_side_px=20)
    found = appearance_logit(evidence, AppearanceSettings(weight=0))
    np.testing.assert_allclose(found, np.clip(evidence.prior_logit, -5, 5), atol=1e-6)


@pytest.mark.parametrize("chosen", [RandomWalkSettings(), RandomWalkSettings(edge_rgb=60, prior_weight=0.3)])
@pytest.mark.parametrize("shape", [(15, 20), (20, 1), (1, 20), (1, 1)])
def test_random_walk_equals_the_dense_solution(chosen, shape):
    image = (NOISE // 6 + 100)[: shape[0], : shape[1]] if shape[0] < 20 else np.full((20, 1, 3), 9, np.uint8)
    evidence = evidence_of(image, GAZE, long_side_px=max(shape))
    height, width = evidence.size
    system = chosen.prior_weight * np.eye(height * width)
    colour = evidence.image.astype(float)
    for i in range(height):
        for j in range(width):
            for k, m in ((i + 1, j), (i, j + 1)):
                if k < height and m < width:
                    step = math.sqrt(sum((colour[i, j, c] - colour[k, m, c]) ** 2 for c in range(3)))
                    a, b, weight = i * width + j, k * width + m, math.exp(-step / chosen.edge_rgb)
                    system[a, a] += weight
                    system[b, b] += weight
                    system[a, b] -= weight
                    system[b, a] -= weight
    prior = expit(np.clip(evidence.prior_logit.astype(float), -5, 5)).ravel()
    expected = np.linalg.solve(system, chosen.prior_weight * prior).reshape(height, width)
    np.testing.assert_allclose(random_walk(evidence, chosen), expected, atol=2e-3)


def test_random_walk_of_a_full_grid_is_converged():
    image = painted(np.indices((96, 128)).sum(axis=0) > 110, 150, 90, noise=8)
    evidence = evidence_of(image, gaze_on(0.6, 0.5, 0.3, 0.3), long_side_px=96)
    rough = random_walk(evidence)
    # Weighted means: nothing leaves the range of the prior, and its mean stays.
    prior = expit(np.clip(evidence.prior_logit, -5, 5))
    assert prior.min() - 1e-3 <= rough.min()
    assert rough.max() <= prior.max() + 1e-3
    assert rough.mean() == pytest.approx(prior.mean(), abs=1e-3)


def test_grabcut_keeps_what_the_prior_is_sure_of():
    image = np.random.default_rng(1).integers(0, 255, (72, 96, 3)).astype(np.uint8)
    evidence = evidence_of(image, gaze_on(0.5, 0.5, 0.25, 0.25))
    found, chosen = grabcut(evidence), GrabCutSettings()
    assert set(np.unique(found)) == {0.0, 1.0}
    assert (found[evidence.prior_logit > chosen.sure_foreground] == 1).all()
    assert (found[evidence.prior_logit < chosen.sure_background] == 0).all()


@pytest.mark.parametrize("wide", [True, False])
def test_grabcut_gives_the_prior_where_a_class_has_no_pixel(wide):
    prior = PriorSettings(gaze=EVERYTHING, margin_frac=0.5 if wide else -0.2, margin_of_one=0, heat_weight=0)
    rows = [
        (x, y, 200.0, float(i)) for i, (x, y) in enumerate([(0.3, 0.3), (0.7, 0.3), (0.7, 0.7), (0.3, 0.7)])
    ]
    evidence = evidence_of(NOISE, Fixations.from_rows(rows), prior, 64)
    expected = evidence.prior_logit > 0
    assert expected.all() if wide else not expected.any()
    np.testing.assert_array_equal(grabcut(evidence) == 1, expected)


def test_grabcut_on_a_coarser_grid_is_soft_at_the_edge_only():
    mask = np.indices((144, 192))[1] > 90
    evidence = evidence_of(painted(mask, 200, 80, noise=3), gaze_on(0.7, 0.5, 0.2, 0.3), long_side_px=192)
    found = grabcut(evidence, GrabCutSettings(long_side_px=64))
    between = (found > 0) & (found < 1)
    assert 0 < between.mean() < 0.1
    assert 0 <= found.min() <= found.max() <= 1


def test_the_start_of_other_random_numbers_does_not_reach_grabcut():
    image = np.random.default_rng(1).integers(0, 255, (72, 96, 3)).astype(np.uint8)
    evidence = evidence_of(image, gaze_on(0.5, 0.5, 0.25, 0.25))
    found = []
    for seed in (1, 99):
        cv2.setRNGSeed(seed)
        cv2.randu(np.zeros((5, 5), np.uint8), 0, 255)
        found.append(grabcut(evidence))
    np.testing.assert_array_equal(*found)


def test_grey_looks_are_stretched_and_say_lightness_mean_and_spread():
    image = np.repeat((90 + 6 * (np.indices((40, 40))[1] > 20)).astype(np.uint8)[..., None], 3, axis=2)
    looks = looks_of(image, grey=True)
    assert (looks[..., 0].min(), looks[..., 0].max()) == (0, 255)
    assert looks[5, 2, 1] == 0
    assert looks[5, 38, 1] == 255
    assert looks[5, 2, 2] == 0
    assert looks[5, 20, 2] > 200
    np.testing.assert_array_equal(looks_of(image, grey=False), cv2.cvtColor(image, cv2.COLOR_RGB2LAB))
