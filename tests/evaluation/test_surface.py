from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from gaze_insight.errors import DataError
from gaze_insight.evaluation.overlap import EmptyPolicy
from gaze_insight.evaluation.surface import average_surface_distance, hd95, surface_distances


def blob(seed: int, shape: tuple[int, int] = (40, 52)) -> np.ndarray:
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), 4)
    return noise > np.quantile(noise, 0.8)


def outline_points(mask: np.ndarray) -> list[tuple[int, int]]:
    height, width = mask.shape

    def inside(i: int, j: int) -> bool:
        return 0 <= i < height and 0 <= j < width and bool(mask[i, j])

    return [
        (i, j)
        for i in range(height)
        for j in range(width)
        if mask[i, j] and not all(inside(i + a, j + b) for a, b in ((0, 1), (1, 0), (0, -1), (-1, 0)))
    ]


def literal_distances(first: np.ndarray, second: np.ndarray, spacing: tuple[float, float]) -> list[float]:
    others = outline_points(second)
    return [
        min(math.hypot((i - a) * spacing[0], (j - b) * spacing[1]) for a, b in others)
        for i, j in outline_points(first)
    ]


@pytest.mark.parametrize("spacing", [(1.0, 1.0), (0.5, 2.0)])
@pytest.mark.parametrize("seed", range(3))
def test_equals_a_literal_loop(seed, spacing):
    pred, target = blob(seed, (18, 22)), blob(seed + 100, (18, 22))
    forth, back = surface_distances(pred, target, spacing)
    literal_forth = literal_distances(pred, target, spacing)
    literal_back = literal_distances(target, pred, spacing)
    np.testing.assert_allclose(forth, literal_forth)
    np.testing.assert_allclose(back, literal_back)
    assert hd95(pred, target, spacing) == pytest.approx(
        max(np.percentile(literal_forth, 95), np.percentile(literal_back, 95))
    )
    assert average_surface_distance(pred, target, spacing) == pytest.approx(
        np.mean(literal_forth + literal_back)
    )


@pytest.mark.parametrize("spacing", [(1.0, 1.0), (0.7, 0.3)])
@pytest.mark.parametrize("seed", range(4))
def test_equals_monai(seed, spacing):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import torch
        from monai.metrics import compute_average_surface_distance, compute_hausdorff_distance

        pred, target = blob(seed), blob(seed + 50)
        a, b = torch.tensor(pred)[None, None].float(), torch.tensor(target)[None, None].float()
        reference = compute_hausdorff_distance(
            a, b, include_background=True, percentile=95, spacing=list(spacing)
        )
        reference_asd = compute_average_surface_distance(
            a, b, include_background=True, symmetric=True, spacing=list(spacing)
        )
    assert hd95(pred, target, spacing) == pytest.approx(float(reference), rel=1e-5)
    assert average_surface_distance(pred, target, spacing) == pytest.approx(float(reference_asd), rel=1e-5)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.floats(0.1, 5))
def test_is_symmetric_scales_with_the_spacing_and_is_zero_for_the_same_mask(seed, size):
    pred, target = blob(seed), blob(seed + 1)
    for measure in (hd95, average_surface_distance):
        assert measure(pred, pred) == 0
        assert measure(pred, target) == pytest.approx(measure(target, pred))
        assert measure(pred, target, (size, size)) == pytest.approx(size * measure(pred, target))


def test_a_shift_is_measured_in_pixels():
    pred, target = np.zeros((30, 30), bool), np.zeros((30, 30), bool)
    pred[5:15, 5] = target[5:15, 12] = True
    assert hd95(pred, target) == average_surface_distance(pred, target) == 7


def test_empty_masks_score_by_the_policy():
    empty, full = np.zeros((30, 40), bool), np.ones((30, 40), bool)
    for measure in (hd95, average_surface_distance):
        assert measure(empty, empty) == 0
        assert measure(empty, full) == measure(full, empty) == 50
        assert measure(empty, full, (0.1, 0.1)) == pytest.approx(5)
        assert math.isnan(measure(empty, full, policy=EmptyPolicy(one_empty_distance="exclude")))
        assert measure(empty, empty, policy=EmptyPolicy(both_empty_distance=2.0)) == 2


def test_refuses_a_spacing_that_is_no_size():
    mask = np.ones((3, 3), bool)
    with pytest.raises(DataError, match="above 0"):
        hd95(mask, mask, (0.0, 1.0))
    with pytest.raises(DataError, match="above 0"):
        hd95(mask, mask, (math.nan, 1.0))
