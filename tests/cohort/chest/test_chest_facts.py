"""Facts about radiographs: what they refuse, and that a cohort on disk keeps all of them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gaze_insight.cohort.case import Case
from gaze_insight.cohort.chest_facts import ChestBox, ChestFacts, ChestReading, SpokenWord
from gaze_insight.cohort.chest_record import chest_facts_of, chest_record
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.cohort.images import write_png
from gaze_insight.errors import DataError
from gaze_insight.gaze.fixations import Fixations

ROWS = [[0.25, 0.5, 210.0, -12.0], [0.5, 1.0, 90.5, 250.0]]


def full_facts() -> ChestFacts:
    reading = ChestReading(
        "P300R000001",
        "reflacx",
        reader="A",
        fixations=Fixations.from_rows(ROWS, annotator="A"),
        certainties={"Pulmonary edema": 4, "Fracture": 0, "Mass": None},
        transcript="edema .",
        words=(SpokenWord("edema", -3.0, 400.0), SpokenWord(".", 400.0, 400.0)),
        degree_frac=(0.025, 0.02),
        trust=0.75,
        dropped={"off_image": 2},
    )
    silent = ChestReading("P300R000002", "reflacx", trust=0.0, dropped={"discarded_recording": 1})
    nothing_seen = ChestReading("P300R000003", "egd", fixations=Fixations.empty(), transcript="")
    return ChestFacts(
        labels={"chexpert": {"Edema": -1, "Fracture": None, "Pneumonia": 0}, "nih": {"Mass": 1}},
        boxes=(
            ChestBox("left lung", "region", 0.5, 0.1, 0.9, 0.8),
            ChestBox("Pulmonary edema", "finding", 0.1, 0.2, 0.3, 0.4, "ellipse", 4, "P300R000001"),
        ),
        readings=(silent, reading, nothing_seen),
        report="FINDINGS: made up.",
        study="90000001",
        view="PA",
    )


def plain(facts: ChestFacts | None) -> object:
    """All values of the facts as text, arrays as rows."""
    if facts is None:
        return None
    readings = [
        (
            one.id, one.source, one.reader, None if one.fixations is None else one.fixations.to_rows(),
            None if one.fixations is None else one.fixations.annotator, dict(one.certainties), one.transcript,
            one.words, one.degree_frac, one.trust, dict(one.dropped),
        )
        for one in facts.readings
    ]  # fmt: skip
    return dict(facts.labels), facts.boxes, readings, facts.report, facts.study, facts.view


def test_a_record_in_json_keeps_everything() -> None:
    facts = full_facts()
    again = chest_facts_of(json.loads(json.dumps(chest_record(facts))))
    assert plain(again) == plain(facts)
    assert again.readings[0].fixations is None
    empty = again.readings[2].fixations
    assert empty is not None
    assert len(empty) == 0


def test_a_cohort_on_disk_keeps_everything(tmp_path: Path) -> None:
    picture = tmp_path / "a.png"
    write_png(picture, np.zeros((4, 6), np.uint8))
    case = Case("a", picture, patient="90000001", chest=full_facts())
    other = Case("b", picture, chest=ChestFacts())
    Cohort("two", tmp_path / "cohort", {"a": case, "b": other}, {"train": ("a",), "test": ("b",)}).save()
    again = Cohort.open(tmp_path / "cohort").cases
    assert plain(again["a"].chest) == plain(case.chest)
    assert again["a"].fixations is not None
    assert again["a"].fixations.to_rows() == ROWS
    assert again["b"].chest is not None
    assert again["b"].fixations is None
    assert "fixations" not in json.loads((tmp_path / "cohort" / "cases.jsonl").read_text().splitlines()[0])


def test_fixations_of_the_case_itself_win_over_the_first_reading(tmp_path: Path) -> None:
    own = Fixations.from_rows([(0.1, 0.1, 100, 0)])
    picture = tmp_path / "a.png"
    write_png(picture, np.zeros((4, 6), np.uint8))
    case = Case("a", picture, fixations=own, chest=full_facts())
    Cohort("one", tmp_path / "cohort", {"a": case}).save()
    again = Cohort.open(tmp_path / "cohort").cases["a"]
    assert again.fixations is not None
    assert again.fixations.to_rows() == [[0.1, 0.1, 100.0, 0.0]]


def test_looks_are_readings_with_a_fixation_in_the_order_given() -> None:
    facts = full_facts()
    assert [one.id for one in facts.looks()] == ["P300R000001"]
    first = facts.first_look()
    assert first is not None
    assert first.to_rows() == ROWS
    assert facts.with_readings(()).first_look() is None
    assert len(facts.readings) == 3


@pytest.mark.parametrize(
    ("kind", "edges", "certainty", "words"),
    [
        ("lesion", (0, 0, 1, 1), None, "unknown kind of box 'lesion'"),
        ("region", (0.5, 0, 0.4, 1), None, "x0 <= x1"),
        ("region", (0, 0.5, 1, 0.4), None, "y0 <= y1"),
        ("finding", (0, 0, float("nan"), 1), None, "finite"),
        ("finding", (0, 0, 1, 1), 0, "certainty from 1 to 5"),
        ("finding", (0, 0, 1, 1), 6, "certainty from 1 to 5"),
    ],
)
def test_a_box_refuses_what_makes_no_box(kind, edges, certainty, words) -> None:
    with pytest.raises(DataError, match=words):
        ChestBox("a", kind, *edges, certainty=certainty)


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"trust": 1.01}, "trust"),
        ({"trust": -0.1}, "trust"),
        ({"certainties": {"Mass": 6}}, "certainty from 0 to 5"),
        ({"fixations": Fixations.empty("image_px")}, "image_unit"),
    ],
)
def test_a_reading_refuses_values_out_of_range(parts, words) -> None:
    with pytest.raises(DataError, match=words):
        ChestReading("a", "egd", **parts)


def test_facts_refuse_unknown_labels_and_two_readings_of_one_id() -> None:
    with pytest.raises(DataError, match="'Edema' of chexpert, found 2"):
        ChestFacts(labels={"chexpert": {"Edema": 2}})
    with pytest.raises(DataError, match="share an id: a, a"):
        ChestFacts(readings=(ChestReading("a", "egd"), ChestReading("a", "reflacx")))


def test_a_damaged_record_names_file_and_line(tmp_path: Path) -> None:
    write_png(tmp_path / "a.png", np.zeros((4, 6), np.uint8))
    Cohort("one", tmp_path, {"a": Case("a", tmp_path / "a.png", chest=full_facts())}).save()
    lines = tmp_path / "cases.jsonl"
    lines.write_text(lines.read_text().replace('"trust": 0.75', '"trust": 7'))
    with pytest.raises(DataError, match="row 1: the trust of reading") as caught:
        Cohort.open(tmp_path)
    assert caught.value.path == lines
    lines.write_text(lines.read_text().replace('"trust": 7', '"trust": 1, "mood": 3'))
    with pytest.raises(DataError, match=r"row 1: the line is not a case: .*mood"):
        Cohort.open(tmp_path)


unit = st.floats(0, 1, allow_nan=False)


@given(
    st.lists(st.tuples(unit, unit, st.floats(0.001, 1e4), st.floats(-1e3, 1e6)), max_size=5),
    st.dictionaries(st.text(max_size=5), st.sampled_from([None, 0, 1, 2, 3, 4, 5]), max_size=4),
    st.lists(st.tuples(st.text(max_size=6), st.floats(-10, 1e5), st.floats(-10, 1e5)), max_size=4),
    unit,
)
def test_any_reading_survives_json(rows, certainties, words, trust) -> None:
    reading = ChestReading(
        "r", "reflacx", fixations=Fixations.from_rows(rows), certainties=certainties, trust=trust,
        words=tuple(SpokenWord(*word) for word in words),
    )  # fmt: skip
    facts = ChestFacts(readings=(reading,))
    assert plain(chest_facts_of(json.loads(json.dumps(chest_record(facts))))) == plain(facts)
