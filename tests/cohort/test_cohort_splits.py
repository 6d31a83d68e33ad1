from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from cohort_making import picture
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from gaze_insight.cohort.case import Case
from gaze_insight.cohort.images import write_png
from gaze_insight.cohort.splits import (
    SplitSettings,
    make_splits,
    near_duplicate_groups,
    split_from_files,
    thumbnail,
)
from gaze_insight.errors import DataError

BLIND = SplitSettings(near_duplicate_ncc=None)


def cases_of(patients: list[str | None]) -> dict[str, Case]:
    return {f"{i:03d}": Case(f"{i:03d}", Path("x.png"), patient=one) for i, one in enumerate(patients)}


@given(st.lists(st.integers(0, 30), min_size=40, max_size=80), st.integers(0, 5))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
def test_no_patient_stands_in_two_splits(patients: list[int], seed: int):
    cases = cases_of([str(one) for one in patients])
    chosen = SplitSettings(seed=seed, near_duplicate_ncc=None, fractions=(0.6, 0.2, 0.2))
    assume(len(set(patients)) >= 10 and max(map(patients.count, patients)) <= len(patients) // 4)
    splits = make_splits(cases, chosen)
    assert sorted(one for ids in splits.values() for one in ids) == sorted(cases)
    of = [{cases[one].patient for one in ids} for ids in splits.values()]
    assert not of[0] & of[1]
    assert not of[0] & of[2]
    assert not of[1] & of[2]


def test_fractions_are_met_where_nothing_is_grouped():
    splits = make_splits(cases_of([None] * 100), BLIND)
    assert [len(ids) for ids in splits.values()] == [70, 10, 20]


def test_splits_depend_on_seed_and_cases_only():
    cases = cases_of([None] * 50)
    backwards = dict(reversed(cases.items()))
    assert make_splits(cases, BLIND) == make_splits(backwards, BLIND)
    other = make_splits(cases, SplitSettings(seed=1, near_duplicate_ncc=None))
    assert other != make_splits(cases, BLIND)


def test_one_large_group_is_refused():
    with pytest.raises(DataError, match="stays empty"):
        make_splits(cases_of(["one"] * 30), BLIND)


def test_near_duplicates_stay_together(tmp_path: Path):
    rng = np.random.default_rng(0)
    cases = {}
    for index in range(20):
        base = np.kron(rng.integers(0, 200, (8, 8, 3)), np.ones((8, 8, 1))).astype(np.uint8)
        for copy, pixels in enumerate((base, np.clip(base * 0.8 + 20, 0, 255).astype(np.uint8))):
            one = f"{index:02d}-{copy}"
            write_png(tmp_path / f"{one}.png", pixels, durable=False)
            cases[one] = Case(one, tmp_path / f"{one}.png")
    splits = make_splits(cases)
    where = {one: split for split, ids in splits.items() for one in ids}
    assert all(where[f"{index:02d}-0"] == where[f"{index:02d}-1"] for index in range(20))
    assert set(where) == set(cases)
    small = {one: thumbnail(case.read_image()) for one, case in cases.items()}
    assert make_splits(cases, thumbnails=small) == splits


def test_groups_equal_a_literal_search(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("gaze_insight.cohort.splits._BLOCK_ROWS", 7)
    rng = np.random.default_rng(1)
    seeds = rng.random((12, 32, 32))
    images = seeds[rng.integers(0, 12, 40)] + rng.normal(0, 0.05, (40, 32, 32))
    images[5] = 3.0
    labels = list(range(40))
    for i in range(40):
        for j in range(i):
            if i != 5 and j != 5 and np.corrcoef(images[i].ravel(), images[j].ravel())[0, 1] > 0.95:
                low, high = sorted((labels[i], labels[j]))
                labels = [low if one == high else one for one in labels]
    assert near_duplicate_groups(images).tolist() == labels
    assert len(set(labels)) < 15
    assert near_duplicate_groups(np.zeros((0, 32, 32))).shape == (0,)


def test_split_files_are_read_with_what_does_not_fit(tmp_path: Path):
    (tmp_path / "train.txt").write_text("\ufeffa\n\nb.jpg\nzz\n", encoding="utf-8")
    (tmp_path / "test.txt").write_text("images/c.png\n")
    found = split_from_files(tmp_path, ["a", "b", "c", "d"])
    assert found.splits == {"train": ("a", "b"), "val": (), "test": ("c",)}
    assert (found.unknown_ids, found.unsplit) == (("zz",), ("d",))


def test_split_files_that_overlap_or_lack_are_refused(tmp_path: Path):
    with pytest.raises(DataError, match="found none of them"):
        split_from_files(tmp_path, ["a"])
    (tmp_path / "train.txt").write_text("a\n")
    (tmp_path / "val.txt").write_text("b\na\n")
    with pytest.raises(DataError, match=r"'a' stands in train\.txt, row 1 already") as caught:
        split_from_files(tmp_path, ["a", "b"])
    assert (caught.value.path, caught.value.row) == (tmp_path / "val.txt", 2)


def test_ids_with_a_dot_are_not_cut(tmp_path: Path):
    (tmp_path / "train.txt").write_text("scan.1\n")
    assert split_from_files(tmp_path, ["scan.1"]).splits["train"] == ("scan.1",)


def test_fractions_must_sum_to_one():
    with pytest.raises(ValidationError, match="sum to 1"):
        SplitSettings(fractions=(0.5, 0.1, 0.1))
    assert thumbnail(picture(0)).mean() == pytest.approx(127, abs=15)
