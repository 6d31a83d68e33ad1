"""Warm-up of a loss's weight."""

from __future__ import annotations

import math

__all__ = ["gaussian_ramp"]


def gaussian_ramp(progress: float) -> float:
    """Rise from 0.0067 to 1 along exp(-5 (1 - t)^2).

    Source: Laine and Aila, "Temporal Ensembling for Semi-Supervised Learning", ICLR 2017.

    Args:
        progress: t, the share of the warm-up that has passed; values outside [0, 1] count as the nearest end.

    Returns:
        The factor in [exp(-5), 1].

    Example:
        >>> [round(gaussian_ramp(t), 4) for t in (0, 0.5, 1, 2)]
        [0.0067, 0.2865, 1.0, 1.0]
    """
    remaining = 1.0 - min(max(progress, 0.0), 1.0)
    return math.exp(-5.0 * remaining * remaining)
