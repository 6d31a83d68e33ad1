"""Which fixations of a reading lie far from all the others."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gaze_insight.errors import SettingsError
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.types import BoolArray

__all__ = ["accompanied", "inliers", "robust_distance"]

_MAD_TO_SD = 1.4826
_MEAN_TO_SD = 1.2533


def robust_distance(fixations: Fixations) -> NDArray[np.float64]:
    """Say how far each fixation is from the reading's middle, in robust standard deviations.

    With ``m`` the coordinate-wise median of the positions and ``d_i = |p_i - m|``::

        r_i = (d_i - median(d)) / (1.4826 * median(|d - median(d)|))

    Durations play no part. Lengths are those of the image where its size is known, so that a wide image does
    not shorten horizontal distances. Where more than half of the ``d_i`` are equal, the median of the
    deviations is 0, and 1.2533 times their mean stands in for it (Iglewicz & Hoaglin, How to detect and
    handle outliers, 1993).

    Args:
        fixations: The reading, in any frame.

    Returns:
        Distances without unit, float64, shape (N,): negative for a fixation nearer than most; all 0 where all
        are equally far from the middle; empty for an empty reading.

    Example:
        >>> row = [(0.50, 0.5, 200, 0), (0.52, 0.5, 200, 1), (0.49, 0.5, 200, 2), (0.9, 0.5, 200, 3)]
        >>> robust_distance(Fixations.from_rows(row)).round(1).tolist()
        [-0.7, -0.7, 0.7, 50.6]
    """
    if len(fixations) == 0:
        return np.zeros(0)
    points = np.stack([fixations.x, fixations.y], axis=1)
    if fixations.frame == "image_unit" and fixations.image_size is not None:
        points = points * (fixations.image_size.width, fixations.image_size.height)
    distance = np.hypot(*(points - np.median(points, axis=0)).T)
    away = distance - np.median(distance)
    scale = _MAD_TO_SD * float(np.median(np.abs(away)))
    if scale <= 1e-9 * distance.max():
        scale = _MEAN_TO_SD * float(np.abs(away).mean())
    if scale <= 1e-9 * distance.max():
        return np.zeros(len(fixations))
    relative: NDArray[np.float64] = away / scale
    return relative


def inliers(fixations: Fixations, *, mad_factor: float = 3.0, min_kept: int = 3) -> BoolArray:
    """Say which fixations belong to where the others are.

    A fixation is kept where `robust_distance` is at most `mad_factor`. 3 is the customary cut: it leaves out
    0.3 % of a normal sample on both sides.

    Args:
        fixations: The reading, in any frame.
        mad_factor: Largest distance kept, in robust standard deviations; above 0.
        min_kept: At least this many are kept, the nearest first; so a reading of up to `min_kept` fixations
            is kept whole.

    Returns:
        True for a kept fixation, boolean, shape (N,); empty for an empty reading.

    Raises:
        SettingsError: `mad_factor` is not above 0, or `min_kept` is below 0.

    Example:
        >>> row = [(0.50, 0.5, 200, 0), (0.52, 0.5, 200, 1), (0.49, 0.5, 200, 2), (0.9, 0.5, 200, 3)]
        >>> inliers(Fixations.from_rows(row)).tolist()
        [True, True, True, False]
    """
    if not mad_factor > 0:
        raise SettingsError(f"mad_factor must be above 0, found {mad_factor:g}")
    if min_kept < 0:
        raise SettingsError(f"min_kept must be at least 0, found {min_kept}")
    distance = robust_distance(fixations)
    kept: BoolArray = distance <= mad_factor
    if kept.sum() < min_kept:
        kept[np.argsort(distance, kind="stable")[:min_kept]] = True
    return kept


def accompanied(
    fixations: Fixations, *, least_heat: float = 0.25, sigma_frac: float = 0.09, from_count: int = 10
) -> BoolArray:
    r"""Say which fixations lie where others looked too.

    Fixation i is kept where the heat of all others at its place,
    $\sum_{j \ne i} t_j \exp(-\lVert p_i - p_j \rVert^2 / 2\sigma^2)$ with durations $t_j$, is at least
    ``least_heat`` of the largest such heat. Unlike distances from the middle, this holds where as many
    fixations are spurious as are true.

    Args:
        fixations: The reading, in ``image_unit`` or ``image_px``.
        least_heat: Share of the largest heat.
        sigma_frac: Sigma as a fraction of the image's longer side, or of 1 where its size is not known.
        from_count: A reading of fewer fixations is kept whole: so few can't tell what is crowded.

    Returns:
        True for a kept fixation, boolean, shape (N,); empty for an empty reading.

    Example:
        >>> rows = [(0.5 + 0.01 * k, 0.5, 200, k) for k in range(10)] + [(0.05, 0.9, 200, 10)]
        >>> accompanied(Fixations.from_rows(rows)).tolist().index(False)
        10
    """
    count = len(fixations)
    if count < max(2, from_count):
        return np.ones(count, dtype=np.bool_)
    points = np.stack([fixations.x, fixations.y], axis=1)
    if fixations.image_size is not None:
        height, width = fixations.image_size
        sides = (1.0, 1.0) if fixations.frame == "image_px" else (width, height)
        points = points * sides / max(height, width)
    square = ((points[:, None] - points[None]) ** 2).sum(axis=2)
    nearness = np.exp(-square / (2 * sigma_frac**2))
    np.fill_diagonal(nearness, 0.0)
    heat = np.einsum("ij,j->i", nearness, fixations.duration_ms)
    kept: BoolArray = heat >= least_heat * heat.max()
    return kept
