"""Agreement of attention with a case's own gaze, beyond what any other case's gaze would give."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gaze_insight.errors import DataError

__all__ = ["agreement_beyond_others"]


def agreement_beyond_others(attention: ArrayLike, gaze: ArrayLike) -> NDArray[np.float64]:
    """Correlation with the own gaze, minus the mean correlation with the gaze of the other cases.

    o_i = CC(A_i, G_i) - mean over j != i of CC(A_i, G_j). All readings of one kind of image share an average
    look, and a map of it agrees with each of them: it gets 0 here on average. The idea is that of the
    shuffled AUC (Tatler et al., 2005, Vision Research 45), with the correlation in place of the AUC.

    Args:
        attention: (N, h, w), at least 0.
        gaze: The same shape; a map that is 0 everywhere stands for a case without gaze.

    Returns:
        (N,), in [-2, 2]; NaN for cases without gaze or with a constant map, and where no other case has gaze.

    Raises:
        DataError: The shapes differ, or are not (N, h, w).

    Example:
        >>> maps = np.eye(4).reshape(4, 2, 2)
        >>> agreement_beyond_others(maps, maps).round(2).tolist()
        [1.33, 1.33, 1.33, 1.33]
        >>> agreement_beyond_others(maps[[0, 0]], maps[[0, 0]]).tolist()
        [0.0, 0.0]
    """
    ours, theirs = np.asarray(attention, dtype=np.float64), np.asarray(gaze, dtype=np.float64)
    if ours.ndim != 3 or ours.shape != theirs.shape:
        raise DataError(f"expected two arrays of one shape (N, h, w), found {ours.shape} and {theirs.shape}")
    table = _standard(ours) @ _standard(theirs).T
    known = ~np.isnan(table)
    others = known.sum(axis=1) - np.diag(known)
    total = np.where(known, table, 0.0).sum(axis=1) - np.where(np.diag(known), np.diag(table), 0.0)
    mean = np.full(len(table), np.nan)
    np.divide(total, others, out=mean, where=others > 0)
    return np.asarray(np.diag(table) - mean)


def _standard(maps: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each map as a vector of mean 0 and length 1; NaN for a constant one."""
    flat = maps.reshape(len(maps), -1)
    centred = flat - flat.mean(axis=1, keepdims=True)
    length = np.linalg.norm(centred, axis=1, keepdims=True)
    scale = np.abs(flat).max(axis=1, keepdims=True) * flat.shape[1] ** 0.5
    out: NDArray[np.float64] = np.full(centred.shape, np.nan)
    np.divide(centred, length, out=out, where=length > 1e-12 * np.maximum(scale, 1e-300))
    return out
