"""Cutting cases in parts that share no patient."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gaze_insight.cohort.case import Case
from gaze_insight.errors import DataError

__all__ = ["cut_folds"]


def cut_folds(cases: Sequence[Case], folds: int, seed: int) -> list[list[Case]]:
    """Cut cases in folds of nearly equal size; the cases of a patient stay together.

    Patients are shuffled, those with most cases placed first, each into the smallest fold so far. A case
    without a patient stands for itself. The cut depends on the ids, the patients and the seed, not on the
    order of the cases.

    Args:
        cases: The cases.
        folds: How many folds, at least one.
        seed: Seed of the shuffle.

    Returns:
        The cases of each fold, in the order given.

    Raises:
        DataError: There are fewer patients (or cases without one) than folds.

    Example:
        >>> from pathlib import Path
        >>> cases = [Case(str(i), Path("x.png"), patient=f"p{i // 2}") for i in range(8)]
        >>> [[case.patient for case in fold] for fold in cut_folds(cases, 2, seed=0)]
        [['p1', 'p1', 'p2', 'p2'], ['p0', 'p0', 'p3', 'p3']]
    """
    groups: dict[tuple[bool, str], list[str]] = {}
    for case in sorted(cases, key=lambda case: case.id):
        groups.setdefault((case.patient is None, case.patient or case.id), []).append(case.id)
    if len(groups) < folds:
        raise DataError(
            f"expected {folds} patients (or cases without one) for {folds} folds, found {len(groups)}",
            remedy="use fewer folds",
        )
    members = list(groups.values())
    shuffled = [members[index] for index in np.random.default_rng(seed).permutation(len(members))]
    sizes, fold_of = [0] * folds, {}
    for group in sorted(shuffled, key=len, reverse=True):
        smallest = sizes.index(min(sizes))
        sizes[smallest] += len(group)
        fold_of.update(dict.fromkeys(group, smallest))
    return [[case for case in cases if fold_of[case.id] == number] for number in range(folds)]
