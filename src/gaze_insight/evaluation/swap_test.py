"""A paired test for scores that are no means of cases: the two models' outputs are swapped by patient."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray

from gaze_insight.evaluation.patient_bootstrap import patient_numbers

__all__ = ["swap_p"]

Floats = NDArray[np.float64]
_EXACT_UP_TO = 12
_BLOCK = 1_000_000


def swap_p(
    differences: Callable[[Floats], Floats],
    patients: Sequence[Hashable],
    *,
    permutations: int = 1000,
    seed: int = 0,
) -> float:
    """Two-sided p-value of a paired test that swaps the two models' outputs patient by patient.

    Under the null hypothesis the models are exchangeable within each patient. An AUC is no mean of cases, so
    that flipping signs of differences is no test of it: the outputs themselves are swapped, and the
    difference is computed anew (Venkatraman and Begg, Biometrika 83, 1996, who swap ranks within each model;
    swap ranks where the models' scales differ). Up to 12 patients every pattern is tried and the value is
    exact; beyond, p = (1 + #{as extreme}) / (1 + permutations).

    Args:
        differences: From swaps (R, N), 1 where a case's outputs are swapped and 0 where not, to the
            differences (R,). A pattern of which the difference is NaN counts as extreme.
        patients: The patient of each case, (N,).
        permutations: Patterns drawn where there are too many to try all.
        seed: Seed of the drawing.

    Returns:
        In (0, 1]; NaN where the difference of the models as they are is not defined.

    Raises:
        DataError: There is no case.

    Example:
        >>> gains = np.array([0.1, 0.1, 0.1])
        >>> swap_p(lambda swaps: (1 - 2 * swaps) @ gains, list("abc"))
        0.25
    """
    numbers = patient_numbers(patients)
    count = int(numbers.max()) + 1
    observed = abs(float(differences(np.zeros((1, len(numbers))))[0]))
    if math.isnan(observed):
        return math.nan
    exact = count <= _EXACT_UP_TO
    rng = np.random.default_rng(seed)
    patterns = np.array(list(product((0.0, 1.0), repeat=count))) if exact else None
    number = permutations if patterns is None else len(patterns)
    extreme, step = 0, max(1, _BLOCK // len(numbers))
    for start in range(0, number, step):
        width = min(step, number - start)
        drawn = rng.integers(0, 2, size=(width, count)) if patterns is None else patterns[start:][:width]
        found = np.abs(differences(drawn[:, numbers].astype(np.float64)))
        extreme += int((~(found < observed - 1e-12)).sum())
    return extreme / number if exact else (1 + extreme) / (1 + number)
