from __future__ import annotations

import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from language_making import make_description
from pydantic import ValidationError

from gaze_insight.errors import DataError, SettingsError
from gaze_insight.language.schema import LOCATIONS, NOT_VISIBLE, VOCABULARY, Description

DESCRIPTIONS = st.builds(
    Description,
    **{name: st.sampled_from(words) for name, words in VOCABULARY.items()},
    area_percentage=st.floats(0, 100),
    remarks=st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=20),
    source=st.sampled_from(["measured", "file:words.csv", "some-model"]),
)


@given(DESCRIPTIONS)
def test_a_record_gives_the_same_description_back(description):
    assert Description.from_record(json.loads(json.dumps(description.to_record()))) == description
    assert Description.from_record(description.model_dump()) == description


@given(DESCRIPTIONS, st.integers(0, 7))
def test_symmetries_move_only_the_location(description, code):
    moved = description.under(code)
    assert moved.model_copy(update={"location": description.location}) == description
    assert (moved.location == NOT_VISIBLE) == (description.location == NOT_VISIBLE)


@given(DESCRIPTIONS, st.integers(-5, 5))
def test_flips_undo_themselves_and_four_turns_do_nothing(description, turns):
    assert description.flipped(horizontal=True).flipped(horizontal=True) == description
    assert description.flipped(vertical=True).flipped(vertical=True) == description
    assert description.rotated(turns).rotated(-turns) == description
    assert description.rotated(4) == description
    assert description.flipped(horizontal=True, vertical=True) == description.rotated(2)


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        (lambda d: d.flipped(horizontal=True), "upper right"),
        (lambda d: d.flipped(vertical=True), "lower left"),
        (lambda d: d.rotated(1), "lower left"),
        (lambda d: d.rotated(-1), "upper right"),
        (lambda d: d.rotated(2), "lower right"),
    ],
)
def test_where_the_upper_left_goes(method, expected):
    assert method(make_description()).location == expected


def test_an_unknown_symmetry_is_refused():
    with pytest.raises(SettingsError, match="0 to 7"):
        make_description().under(8)


def test_the_text_is_in_the_fixed_format():
    assert make_description().to_text() == (
        "Location: upper left. Boundary: clear. Characteristics: oval shape, smooth texture, brighter than "
        "the surroundings. Area percentage: about 10 %. Confidence: high."
    )
    assert "similar to the surroundings" in make_description(brightness="similar").to_text()


@pytest.mark.parametrize(("area", "written"), [(0.2, 1), (3.4, 3), (9.7, 10), (12.6, 15), (100, 100)])
def test_areas_are_rounded_in_the_text(area, written):
    assert f"about {written} %" in make_description(area_percentage=area).to_text()


def test_remarks_are_read_only_when_asked_for():
    described = make_description(remarks="Next to a fold.")
    assert "fold" not in described.to_text()
    assert described.to_text(remarks=True).endswith("Remarks: Next to a fold.")


def test_nothing_seen_has_no_words_of_form():
    assert Description.nothing_seen("measured").to_text() == "Location: not visible. Confidence: low."


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("Upper-Left", "upper left"),
        ("top_center", "upper centre"),
        ("  lower   right ", "lower right"),
        ("center", "centre"),
        ("centre left", "middle left"),
        ("middle centre", "centre"),
        ("NOT VISIBLE", NOT_VISIBLE),
    ],
)
def test_spellings_of_a_place_are_understood(written, meant):
    record = make_description().to_record() | {"location": written}
    assert Description.from_record(record).location == meant


def test_every_location_is_its_own_spelling():
    for place in LOCATIONS:
        assert (
            Description.from_record(make_description().model_dump() | {"location": place}).location == place
        )


@pytest.mark.parametrize(
    ("change", "message", "remedy"),
    [
        ({"boundary": "ambigous"}, "boundary must be one of clear, irregular, ambiguous", "'ambiguous'"),
        ({"location": "upper lft"}, "location must be one of", "'upper left'"),
        ({"confidence": "xyz"}, "confidence must be one of high, moderate, low", "words listed"),
        ({"area_percentage": "much"}, "number from 0 to 100, found 'much'", "12.5"),
        ({"area_percentage": 120}, "number from 0 to 100, found 120", "12.5"),
        ({"area_percentage": float("nan")}, "number from 0 to 100, found nan", "12.5"),
        ({"area_percentage": True}, "number from 0 to 100, found True", "12.5"),
        ({"shape": " "}, "missing: shape", ""),
        ({"colour": "red"}, "unknown: 'colour'", ""),
        ({"characteristics": "oval"}, "characteristics must hold shape, texture, brightness", ""),
    ],
)
def test_a_wrong_record_names_the_field_the_place_and_the_way_out(change, message, remedy):
    with pytest.raises(DataError, match=message) as caught:
        Description.from_record(make_description().model_dump() | change, path="words.csv", row=4)
    assert str(caught.value).startswith("words.csv, row 4: ")
    assert remedy in (caught.value.remedy or "")


def test_a_record_that_is_no_record_is_refused():
    with pytest.raises(DataError, match="record of fields"):
        Description.from_record(["upper left"])  # type: ignore[arg-type]


def test_a_percent_sign_and_a_given_source_are_taken():
    record = make_description().model_dump() | {"area_percentage": "7.5 %"}
    del record["source"], record["remarks"]
    described = Description.from_record(record, source="file:a.csv")
    assert (described.area_percentage, described.source, described.remarks) == (7.5, "file:a.csv", "")


def test_a_description_is_closed_and_frozen():
    with pytest.raises(ValidationError):
        make_description(location="somewhere")
    with pytest.raises(ValidationError):
        make_description().location = "centre"


def test_the_schema_loads_nothing_heavy():
    modules = "gaze_insight.language.schema, gaze_insight.language.registry, gaze_insight.language.files"
    code = f"import sys, {modules}; print('torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
