"""Scores by the size of the lesion: where a mean hides who is served badly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from gaze_insight.evaluation.cases import CaseScore

__all__ = ["SizeStratum", "size_strata"]

_NAMES = {1: ("all",), 2: ("small", "large"), 3: ("small", "medium", "large")}


@dataclass(frozen=True)
class SizeStratum:
    """The scores of the cases whose lesion covers a certain share of the image.

    Args:
        name: "small", "medium", "large" (or "all").
        low_frac: Smallest true area in it, as a share of the image.
        high_frac: Largest true area in it.
        scores: Its scores.

    Example:
        >>> SizeStratum("small", 0.01, 0.05, ()).name
        'small'
    """

    name: str
    low_frac: float
    high_frac: float
    scores: tuple[CaseScore, ...]


def size_strata(scores: Sequence[CaseScore], parts: int = 3) -> list[SizeStratum]:
    """Split the scores of one head into parts of equal count by the true area of the lesion.

    Cases whose true mask is empty belong to no size and are left out (their number is what is missing).

    Args:
        scores: Scores of one head.
        parts: How many strata, 1 to 3; fewer come back where there are fewer than two cases for each.

    Returns:
        Strata from small to large; empty if no case has a lesion.

    Example:
        >>> rows = [CaseScore(str(i), "student", 1, 1, 0, 0, None, None, i / 100, i / 100) for i in range(10)]
        >>> [(s.name, len(s.scores)) for s in size_strata(rows)]
        [('small', 3), ('medium', 3), ('large', 3)]
    """
    sized = sorted((score for score in scores if score.true_area_frac > 0), key=lambda s: s.true_area_frac)
    if not sized:
        return []
    count = max(1, min(parts, 3, len(sized) // 2))
    edges = np.linspace(0, len(sized), count + 1).round().astype(int)
    return [
        SizeStratum(
            name=name,
            low_frac=sized[start].true_area_frac,
            high_frac=sized[stop - 1].true_area_frac,
            scores=tuple(sized[start:stop]),
        )
        for name, (start, stop) in zip(_NAMES[count], pairwise(edges), strict=True)
    ]
