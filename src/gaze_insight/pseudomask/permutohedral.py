"""Gaussian filtering in many dimensions over a permutohedral lattice, in time linear in the points."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from gaze_insight.errors import DataError
from gaze_insight.types import FloatArray

__all__ = ["PermutohedralFilter"]

_Ints = NDArray[np.int64]
_LARGEST_KEY = 2**62


class _Simplices(NamedTuple):
    """Where each of the N points lies: D = d + 1 lattice coordinates and vertices a point."""

    origin: _Ints
    """(D, N) the simplex's remainder-0 vertex, divided by D."""
    rank: _Ints
    """(D, N) rank of each coordinate of the point's offset from that vertex, 0 the largest."""
    weights: NDArray[np.float64]
    """(N, D) barycentric weight of each vertex; a row sums to one."""


class PermutohedralFilter:
    r"""Approximate Gaussian filter over N points with d features each.

    With $K_{ij} = \exp(-\frac{1}{2}\lVert f_i - f_j\rVert^2)$ the filter approximates
    $D^{-1/2} K D^{-1/2}$, where $D$ is diagonal with the row sums of $K$: the symmetric normalisation of
    the dense CRF. Values are spread on the corners of the lattice simplex that holds each point (splat),
    blurred with (1/2, 1, 1/2) along each of the d + 1 lattice directions, and read back (slice). Points that
    share a simplex share the work of finding its corners.

    Each point's own value counts ($K_{ii} = 1$). For an indicator function of clustered points the mean error
    against the exact sum is 0.006 with one feature and 0.023 with five (tests/pseudomask).

    Args:
        features: (d, N) features in units of the kernel's standard deviation, finite.

    Raises:
        DataError: The features are not a finite (d, N) array with d, N >= 1, or span so many standard
            deviations that lattice points cannot be numbered in 62 bits.

    Attributes:
        n_points: N.
        n_vertices: Lattice points in use.

    Example:
        >>> line = PermutohedralFilter(np.linspace(0.0, 3.0, 7)[None])
        >>> line.apply(np.array([0, 0, 0, 1, 0, 0, 0])).round(2)
        array([0.09, 0.15, 0.19, 0.21, 0.19, 0.15, 0.1 ], dtype=float32)

    Reference:
        Adams, Baek and Davis: Fast High-Dimensional Filtering Using the Permutohedral Lattice, Eurographics
        2010; Krähenbühl and Koltun: Efficient Inference in Fully Connected CRFs, NIPS 2011.
    """

    def __init__(self, features: FloatArray) -> None:
        features = np.asarray(features)
        if features.ndim != 2 or 0 in features.shape:
            raise DataError(f"features must be (d, N) with d, N >= 1, found shape {features.shape}")
        if not np.isfinite(features).all():
            raise DataError("features must be finite, found NaN or infinity")
        simplices = _enclosing_simplices(_elevate(features.astype(np.float64)))
        self._d = len(features)
        keys, vertex_of, steps = _number_vertices(simplices)
        self.n_points = features.shape[1]
        self.n_vertices = len(keys)
        row_ends = np.arange(self.n_points + 1, dtype=np.int32) * (self._d + 1)
        weights = simplices.weights.astype(np.float32).ravel()
        self._slice: Any = sparse.csr_matrix(
            (weights, vertex_of.ravel(), row_ends), shape=(self.n_points, self.n_vertices)
        )
        self._splat: Any = self._slice.T
        self._neighbours = [_neighbours(keys, step) for step in steps]
        unit = self._filter(np.ones(self.n_points, dtype=np.float32))
        self._norm: NDArray[np.float32] = 1.0 / np.sqrt(unit + np.float32(1e-20))

    def apply(self, values: FloatArray) -> NDArray[np.float32]:
        """Filter one value, or k values, a point.

        Args:
            values: (N,) or (N, k), finite; k may be 0.

        Returns:
            The filtered values, float32, in the shape of ``values``.

        Raises:
            DataError: The first axis of ``values`` has not N entries.

        Example:
            >>> PermutohedralFilter(np.zeros((2, 4))).apply(np.array([1.0, 0, 0, 0])).round(2)
            array([0.25, 0.25, 0.25, 0.25], dtype=float32)
        """
        values = np.asarray(values, dtype=np.float32)
        if values.ndim not in (1, 2) or len(values) != self.n_points:
            raise DataError(
                f"values must be ({self.n_points},) or ({self.n_points}, k), found {values.shape}"
            )
        norm = self._norm if values.ndim == 1 else self._norm[:, None]
        return self._filter(values * norm) * norm

    def _filter(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        lattice = np.zeros((self.n_vertices + 1, *values.shape[1:]), dtype=np.float32)
        lattice[:-1] = self._splat @ values
        for before, after in self._neighbours:
            lattice[:-1] += np.float32(0.5) * (lattice[before] + lattice[after])
        alpha = np.float32(1.0 / (1.0 + 2.0**-self._d))
        filtered: NDArray[np.float32] = (self._slice @ lattice[:-1]) * alpha
        return filtered


def _elevate(features: NDArray[np.float64]) -> NDArray[np.float64]:
    """Map (d, N) features onto the hyperplane of R^(d+1) whose coordinates sum to zero."""
    d, n = features.shape
    axis = np.arange(1, d + 1)
    scale = np.sqrt(2.0 / 3.0) * (d + 1) / np.sqrt(axis * (axis + 1.0))
    elevated = np.empty((d + 1, n))
    tail = np.zeros(n)
    for j in range(d, 0, -1):
        component = features[j - 1] * scale[j - 1]
        elevated[j] = tail - j * component
        tail += component
    elevated[0] = tail
    return elevated


def _enclosing_simplices(elevated: NDArray[np.float64]) -> _Simplices:
    corners, n = elevated.shape
    scaled = elevated / corners
    origin = np.rint(scaled)
    offset = scaled - origin
    excess = origin.sum(axis=0).astype(np.int64)
    rank = np.zeros((corners, n), dtype=np.int64)
    for i in range(corners):
        for j in range(i + 1, corners):
            smaller = offset[i] < offset[j]
            rank[i] += smaller
            rank[j] += ~smaller
    rank += excess
    wrap = (rank < 0).astype(np.int64) - (rank >= corners)
    rank += corners * wrap
    offset -= wrap
    by_rank = np.empty((corners + 1, n))
    np.put_along_axis(by_rank, rank, offset, axis=0)
    by_rank[corners] = by_rank[0] - 1.0
    weights = by_rank[corners - 1 :: -1] - by_rank[corners:0:-1]
    return _Simplices(origin.astype(np.int64) + wrap, rank, np.ascontiguousarray(weights.T))


def _number_vertices(simplices: _Simplices) -> tuple[_Ints, NDArray[np.int32], _Ints]:
    """Give each lattice point in use one number.

    Returns:
        The sorted keys (L,), the vertex numbers of each point's simplex (N, D), and the difference of key
        that one step along each of the D lattice directions makes.
    """
    origin, rank = simplices.origin, simplices.rank
    corners = len(origin)
    d = corners - 1
    low = origin[:d].min(axis=1) - 2
    spans = (origin[:d].max(axis=1) - low + 3) * corners
    if float(np.prod(spans.astype(np.float64))) * corners**d >= _LARGEST_KEY:
        raise DataError(
            f"the features span too many standard deviations for the lattice ({spans.tolist()} of its units)",
            remedy="use larger kernel widths or scale the features down",
        )
    radix = np.concatenate([[1], np.cumprod(spans[:-1])]).astype(np.int64)
    order = corners ** np.arange(d, dtype=np.int64)
    simplex_key = (radix @ (origin[:d] - low[:, None])) * corners**d + order @ rank[:d]
    _, first, simplex_of = np.unique(simplex_key, return_index=True, return_inverse=True)
    base = radix @ ((origin[:d, first] - low[:, None]) * corners)
    shift = np.arange(corners)[:, None] - corners * (
        np.arange(corners)[None] > d - np.arange(corners)[:, None]
    )
    vertex_keys = base + (radix[:, None] * shift[:, rank[:d, first]]).sum(axis=1)
    keys, vertex = np.unique(vertex_keys.T, return_inverse=True)
    vertex_of = vertex.reshape(-1, corners).astype(np.int32)[simplex_of]
    steps = -np.full(corners, radix.sum())
    steps[:d] += corners * radix
    return keys, vertex_of, steps


def _neighbours(keys: _Ints, step: int) -> tuple[_Ints, _Ints]:
    """Find, for each key, the places of key - step and key + step; the number of keys where absent."""
    n = len(keys)
    place = np.minimum(np.searchsorted(keys, keys + step), n - 1)
    present = np.flatnonzero(keys[place] == keys + step)
    before, after = np.full(n, n), np.full(n, n)
    after[present] = place[present]
    before[place[present]] = present
    return before, after
