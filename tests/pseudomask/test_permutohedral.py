from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gaze_insight.errors import DataError
from gaze_insight.pseudomask.permutohedral import PermutohedralFilter


def exact_filter(features: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Sum the Gaussian kernel over all pairs of points, with the symmetric normalisation."""
    n = features.shape[1]
    kernel = np.empty((n, n))
    for i in range(n):
        for j in range(n):
            kernel[i, j] = np.exp(-0.5 * np.sum((features[:, i] - features[:, j]) ** 2))
    norm = 1.0 / np.sqrt(kernel.sum(axis=1))
    return norm * (kernel @ (norm * values))


def clustered_features(d: int, n: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    centres = rng.uniform(0, 5, (d, 3))
    return centres[:, rng.integers(0, 3, n)] + rng.normal(0, 0.7, (d, n))


@pytest.mark.parametrize("d", [1, 2, 3, 5])
def test_filter_is_close_to_the_exact_gaussian_sum(d):
    features = clustered_features(d, 250, seed=d)
    values = (features[0] > np.median(features[0])).astype(float)
    exact, ours = exact_filter(features, values), PermutohedralFilter(features).apply(values)
    # The lattice is an approximation: measured mean errors are 0.006 (d = 1) to 0.023 (d = 5).
    assert np.abs(ours - exact).mean() < 0.03
    assert np.corrcoef(ours, exact)[0, 1] > 0.99


def test_points_far_apart_do_not_mix():
    features = np.array([[0.0, 0.1, 40.0, 40.1], [0.0, 0.1, -40.0, -40.1]])
    filtered = PermutohedralFilter(features).apply(np.array([1.0, 1.0, 0.0, 0.0]))
    assert filtered[:2] == pytest.approx(1.0, abs=0.05)
    assert np.all(filtered[2:] == 0.0)


def test_columns_are_filtered_independently():
    lattice = PermutohedralFilter(clustered_features(3, 60, seed=1))
    values = np.random.default_rng(2).normal(size=(60, 4))
    together = lattice.apply(values)
    apart = np.stack([lattice.apply(column) for column in values.T], axis=1)
    np.testing.assert_allclose(together, apart, atol=1e-6)


def test_no_columns_give_no_columns():
    assert PermutohedralFilter(np.zeros((2, 5))).apply(np.zeros((5, 0))).shape == (5, 0)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 5), st.integers(1, 40), st.integers(0, 10_000), st.floats(0.1, 30.0))
def test_filter_is_linear_positive_and_bounded(d, n, seed, spread):
    rng = np.random.default_rng(seed)
    lattice = PermutohedralFilter(rng.normal(0, spread, (d, n)))
    first, second = rng.random(n), rng.random(n)
    combined = lattice.apply(2 * first + second)
    np.testing.assert_allclose(combined, 2 * lattice.apply(first) + lattice.apply(second), atol=1e-4)
    assert np.all(lattice.apply(first) >= 0)
    assert np.linalg.norm(lattice.apply(first)) <= 1.05 * np.linalg.norm(first)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 5), st.integers(0, 10_000))
def test_the_order_of_points_does_not_matter(d, seed):
    rng = np.random.default_rng(seed)
    features, values, order = rng.normal(0, 2, (d, 30)), rng.random(30), rng.permutation(30)
    np.testing.assert_allclose(
        PermutohedralFilter(features[:, order]).apply(values[order]),
        PermutohedralFilter(features).apply(values)[order],
        atol=1e-5,
    )


def test_barycentric_weights_of_every_point_sum_to_one_and_are_not_negative():
    lattice = PermutohedralFilter(np.random.default_rng(0).normal(0, 9, (5, 500)))
    weights = lattice._slice.data.reshape(500, 6)
    assert weights.min() >= -1e-6
    np.testing.assert_allclose(weights.sum(axis=1), 1.0, atol=1e-5)


@pytest.mark.parametrize("shape", [(0, 4), (3, 0), (4,), (2, 2, 2)])
def test_features_of_wrong_shape_are_refused(shape):
    with pytest.raises(DataError, match=r"features must be \(d, N\)"):
        PermutohedralFilter(np.zeros(shape))


def test_features_that_are_not_finite_are_refused():
    with pytest.raises(DataError, match="finite"):
        PermutohedralFilter(np.array([[0.0, np.nan]]))


def test_features_too_wide_for_the_lattice_are_refused_with_a_remedy():
    with pytest.raises(DataError, match="span too many standard deviations") as caught:
        PermutohedralFilter(np.random.default_rng(0).normal(0, 1e6, (5, 10)))
    assert "larger kernel widths" in str(caught.value)


@pytest.mark.parametrize("shape", [(3,), (5, 2, 2), ()])
def test_values_of_wrong_shape_are_refused(shape):
    with pytest.raises(DataError, match="values must be"):
        PermutohedralFilter(np.zeros((2, 5))).apply(np.zeros(shape))
