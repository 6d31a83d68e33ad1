from __future__ import annotations

import numpy as np


def drawn_scores(
    seed: int = 0, cases: int = 60, classes: int = 4, unknown: float = 0.15, levels: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities that know something of the labels, some of which are unknown; rounded to make ties."""
    rng = np.random.default_rng(seed)
    labels = (rng.random((cases, classes)) < 0.4).astype(np.float64)
    labels[:2] = [[0.0] * classes, [1.0] * classes]
    odds = 1.2 * (labels - 0.5) + rng.normal(size=labels.shape)
    probabilities = 1 / (1 + np.exp(-odds))
    if levels:
        probabilities = np.round(probabilities * levels) / levels
    labels[2:][rng.random((cases - 2, classes)) < unknown] = np.nan
    return probabilities, labels


def names(classes: int) -> list[str]:
    return [f"finding {number}" for number in range(classes)]


def patients_of(cases: int, seed: int = 0, each: int = 2) -> list[int]:
    return np.random.default_rng(seed).integers(0, max(1, cases // each), cases).tolist()
