"""Words of another image, as a control: who gets whose, and what describing then gives."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from language_making import make_description

from gaze_insight.cohort.case import Case
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.config.run_config import LanguageSettings
from gaze_insight.errors import DataError
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.language.files import read_descriptions, read_provenance, write_descriptions
from gaze_insight.language.shuffling import words_of_others
from gaze_insight.workflow.describing import describe, others_of

IDS = st.lists(st.text(min_size=1, max_size=6), min_size=2, max_size=30, unique=True)


@given(IDS, st.integers(0, 9))
def test_each_case_gets_another_case_and_each_is_used_once(ids, seed):
    others = words_of_others(ids, seed)
    assert list(others) == ids
    assert sorted(others.values()) == sorted(ids)
    assert all(one != other for one, other in others.items())
    assert words_of_others(reversed(ids), seed) == others


def test_seeds_give_different_pairs_and_few_ids_none():
    ids = [str(number) for number in range(50)]
    first, second = (words_of_others(ids, seed) for seed in (0, 1))
    assert sum(first[one] == second[one] for one in ids) < 10
    assert words_of_others([]) == words_of_others(["a"]) == words_of_others(["a", "a"]) == {}


def make_cohort(folder: Path) -> Cohort:
    cases = {}
    for name in "abcdefgh":
        path = folder / f"{name}.png"
        cv2.imwrite(str(path), np.zeros((8, 8, 3), np.uint8))
        cases[name] = Case(id=name, image_path=path)
    return Cohort("letters", folder / "cohort", cases, {"train": tuple("abcd"), "test": tuple("ef")})


@pytest.fixture(name="described")
def describe_in_a_file(tmp_path):
    cohort = make_cohort(tmp_path)
    words = {name: make_description(area_percentage=place + 1) for place, name in enumerate(cohort.cases)}
    write_descriptions(tmp_path / "words.jsonl", words)
    language = LanguageSettings(describer={"kind": "file", "path": tmp_path / "words.jsonl"}, shuffled=True)
    return cohort, words, language


def test_words_are_exchanged_within_a_split_and_say_so(described):
    cohort, words, language = described
    found = describe(cohort, language)
    areas = {name: words[name].area_percentage for name in words}
    for group in ("abcd", "ef", "gh"):
        assert sorted(found[name].area_percentage for name in group) == [areas[name] for name in group]
    assert all(found[name].area_percentage != areas[name] for name in words)
    assert {one.source for one in found.values()} == {"shuffled:measured"}
    plain = describe(cohort, language.model_copy(update={"shuffled": False}))
    others = others_of(cohort, list(cohort.cases.values()))
    assert {one: plain[other].to_text() for one, other in others.items()} == {
        one: words.to_text() for one, words in found.items()
    }


def test_some_cases_get_the_same_words_as_among_all_and_another_seed_others(described):
    cohort, _, language = described
    whole = describe(cohort, language)
    some = [cohort.cases[name] for name in "fa"]
    assert describe(cohort, language, cases=some) == {name: whole[name] for name in "fa"}
    seeds = [describe(cohort, language.model_copy(update={"shuffle_seed": seed})) for seed in range(1, 5)]
    assert any(one != whole for one in seeds)


def test_a_case_whose_other_has_no_words_has_none(described, tmp_path):
    cohort, words, language = described
    others = others_of(cohort, list(cohort.cases.values()))
    silent = others["a"]
    write_descriptions(tmp_path / "words.jsonl", {name: one for name, one in words.items() if name != silent})
    assert set(describe(cohort, language)) == set("abcdefgh") - {"a"}


def test_a_case_alone_in_its_split_gets_the_words_of_any_other(described):
    cohort, words, language = described
    alone = replace(cohort, splits={"train": tuple("abcd"), "test": ("e",), "val": tuple("fgh")})
    found = describe(alone, language)
    assert set(found) == set(words)
    assert found["e"].area_percentage != words["e"].area_percentage
    one = replace(cohort, cases={"a": cohort.cases["a"]}, splits={"train": ("a",)})
    with pytest.raises(DataError, match="case 'a' has no other case in its cohort"):
        describe(one, language)


@pytest.mark.parametrize("damage", [lambda path: path.write_bytes(b"no image"), Path.unlink])
@pytest.mark.parametrize("kind", ["measured", "file"])
def test_a_damaged_other_that_a_training_left_out_leaves_a_case_without_words_and_stops_nothing(
    described, kind, damage
):
    cohort, _, language = described
    looked = Fixations.from_rows([[0.5, 0.5, 200.0, 0.0]], frame="image_unit")
    cohort = replace(
        cohort, cases={one: replace(case, fixations=looked) for one, case in cohort.cases.items()}
    )
    if kind == "measured":
        language = LanguageSettings(shuffled=True)
    (whose,) = (one for one, other in others_of(cohort, list(cohort.cases.values())).items() if other == "b")
    damage(cohort.cases["b"].image_path)
    left = [case for case in cohort.cases.values() if case.id != "b"]
    assert set(describe(cohort, language, cases=left, workers=1)) == set(cohort.cases) - {"b", whose}
    with pytest.raises(DataError, match=r"b\.png"):
        describe(cohort, language, workers=1)


def test_what_decides_the_words_leaves_out_what_does_not():
    plain = LanguageSettings()
    assert set(plain.decisive()) == {"describer", "encoder"}
    assert LanguageSettings(shuffle_seed=3).decisive() == plain.decisive()
    shuffled = [LanguageSettings(shuffled=True, shuffle_seed=seed).decisive() for seed in (0, 3)]
    assert plain.decisive() != shuffled[0] != shuffled[1]


@pytest.mark.parametrize("name", ["words.jsonl", "words.json"])
def test_how_descriptions_were_made_is_written_and_read_beside_them(tmp_path, name):
    words = {"a": make_description(), "é": make_description(location="centre")}
    made = {"a": {"model": "eye", "mended": [{"field": "location", "found": "top", "taken": "upper"}]}}
    write_descriptions(tmp_path / name, words, made | {"absent": {"model": "x"}})
    assert read_descriptions(tmp_path / name) == words
    assert read_provenance(tmp_path / name) == made


def test_a_table_has_no_place_for_how_descriptions_were_made(tmp_path):
    with pytest.raises(DataError, match="a CSV has no place"):
        write_descriptions(tmp_path / "words.csv", {"a": make_description()}, {"a": {"model": "eye"}})
    assert not (tmp_path / "words.csv").exists()
    (tmp_path / "words.csv").write_text("id,provenance\na,x\n")
    assert read_provenance(tmp_path / "words.csv") == {}
    with pytest.raises(DataError, match="unknown: 'provenance'"):
        read_descriptions(tmp_path / "words.csv")


def test_a_provenance_that_is_no_object_is_refused_with_its_row(tmp_path):
    path = tmp_path / "words.jsonl"
    path.write_text('\n{"id": "a", "provenance": "me"}\n')
    with pytest.raises(DataError, match="row 2: provenance must be an object, found 'me'"):
        read_provenance(path)
