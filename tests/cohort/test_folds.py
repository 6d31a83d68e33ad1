from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gaze_insight.cohort.case import Case
from gaze_insight.cohort.folds import cut_folds
from gaze_insight.errors import DataError


def made(patients: list[int | None]) -> list[Case]:
    named = [None if one is None else f"p{one}" for one in patients]
    return [Case(f"c{index:03}", Path("x.png"), patient=who) for index, who in enumerate(named)]


@given(
    st.lists(st.one_of(st.none(), st.integers(0, 12)), min_size=20, max_size=40), st.integers(2, 4),
    st.integers(0, 99),
)  # fmt: skip
def test_each_case_lies_in_one_fold_and_no_patient_in_two(patients, folds, seed):
    cases = made(patients)
    groups = {case.patient or case.id for case in cases}
    if len(groups) < folds:
        return
    cut = cut_folds(cases, folds, seed)
    assert sorted(case.id for fold in cut for case in fold) == [case.id for case in cases]
    where = {}
    for number, fold in enumerate(cut):
        assert fold
        assert [case.id for case in fold] == sorted(case.id for case in fold)
        for case in fold:
            assert where.setdefault(case.patient or case.id, number) == number
    largest = max(sum((case.patient or case.id) == one for case in cases) for one in groups)
    sizes = [len(fold) for fold in cut]
    assert max(sizes) - min(sizes) <= largest


def test_the_cut_depends_on_the_seed_and_not_on_the_order():
    cases = made([None] * 30)
    ids = [{case.id for case in fold} for fold in cut_folds(cases, 2, 4)]
    shuffled = [cases[index] for index in np.random.default_rng(0).permutation(30)]
    assert [{case.id for case in fold} for fold in cut_folds(shuffled, 2, 4)] == ids
    assert [{case.id for case in fold} for fold in cut_folds(cases, 2, 5)] != ids
    assert [len(fold) for fold in ids] == [15, 15]


def test_a_patient_called_like_a_case_is_not_that_case():
    cases = [Case("a", Path("x.png"), patient="b"), Case("b", Path("x.png"))]
    assert [[case.id for case in fold] for fold in cut_folds(cases, 2, 0)] in ([["a"], ["b"]], [["b"], ["a"]])


@pytest.mark.parametrize("patients", [[], [1, 1, 1], [None]])
def test_too_few_patients_are_refused(patients):
    with pytest.raises(DataError, match=r"expected 2 patients .* for 2 folds, found [01]"):
        cut_folds(made(patients), 2, 0)
