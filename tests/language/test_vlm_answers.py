"""Answers: what the schema allows is read as it stands, near-misses are listed, the rest is a fault."""

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gaze_insight.language.schema import Description
from gaze_insight.language.vlm.answer_schema import ANSWER_FIELDS, schema_in_words
from gaze_insight.language.vlm.answers import Mended, parse_answer, repair_messages
from gaze_insight.language.vocabulary import NOT_VISIBLE, VOCABULARY

GOOD = {
    "location": "upper left",
    "boundary": "clear",
    "characteristics": {"shape": "oval", "texture": "smooth", "brightness": "brighter"},
    "area_percentage": 12,
    "confidence": "high",
    "remarks": "on a fold",
}
FLAT = {name: value for name, value in GOOD.items() if name != "characteristics"} | GOOD["characteristics"]


def said(**changes):
    return json.dumps(GOOD | changes)


def with_part(**changes):
    return json.dumps(GOOD | {"characteristics": GOOD["characteristics"] | changes})


def good_without(name):
    return json.dumps({key: value for key, value in GOOD.items() if key != name})


KEYS = st.sampled_from([*FLAT, "characteristics", "x"])

allowed = st.fixed_dictionaries(
    {
        "location": st.sampled_from(VOCABULARY["location"]),
        "boundary": st.sampled_from(VOCABULARY["boundary"]),
        "characteristics": st.fixed_dictionaries(
            {name: st.sampled_from(VOCABULARY[name]) for name in ("shape", "texture", "brightness")}
        ),
        "area_percentage": st.integers(0, 100) | st.floats(0, 100),
        "confidence": st.sampled_from(VOCABULARY["confidence"]),
        "remarks": st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=100),
    }
)


@given(allowed, st.sampled_from([None, 2]))
@settings(max_examples=80, deadline=None)
def test_whatever_the_schema_allows_is_read_as_it_stands(record, indent):
    answer = parse_answer(json.dumps(record, indent=indent), "some-model")
    assert answer.faults == ()
    assert answer.description.source == "some-model"
    if record["location"] == NOT_VISIBLE:
        nothing = Description.nothing_seen("some-model", " ".join(record["remarks"].split()))
        assert answer.description == nothing
        assert [mend.field for mend in answer.mended] == ["area_percentage"] * (
            record["area_percentage"] != 0
        )
        return
    assert answer.mended == ()
    read = answer.description.to_record()
    assert {name: read[name] for name in ANSWER_FIELDS if name != "remarks"} == {
        name: record[name] for name in ANSWER_FIELDS if name != "remarks"
    }
    assert answer.description.remarks == " ".join(record["remarks"].split())


@pytest.mark.parametrize(
    "text",
    [
        "```json\n" + json.dumps(GOOD, indent=2) + "\n```",
        "Certainly! Here is it:\n" + json.dumps(GOOD) + "\nLet me know {if} more is needed.",
        "<think>Maybe {\"location\": \"lower right\"}? No.</think>\n" + json.dumps(GOOD),
        json.dumps({"description": GOOD}),
        json.dumps([GOOD]),
        json.dumps({"lesions": [GOOD]}),
        str(GOOD),
        json.dumps(GOOD)[:-1] + ",}",
        json.dumps(GOOD) + "\n" + json.dumps(GOOD),
        schema_in_words() + "\n" + json.dumps(GOOD),
        json.dumps(GOOD).replace("on a fold", "on\na fold"),
    ],
)  # fmt: skip
def test_the_object_is_found_wherever_it_stands(text):
    answer = parse_answer(text)
    assert answer.faults == ()
    assert answer.description == parse_answer(json.dumps(GOOD)).description


@pytest.mark.parametrize(("cut", "remarks"), [(2, "on a fold"), (5, "on a f"), (11, "")])
def test_remarks_that_were_cut_are_closed_and_listed(cut, remarks):
    answer = parse_answer(json.dumps(GOOD)[:-cut])
    assert answer.description.remarks == remarks
    assert answer.mended == (Mended("answer", "the object cut short", "the object"),)


def test_a_cut_within_an_escape_is_closed_too():
    text = said(remarks="tissue \u00e9\n")
    for cut in range(2, len(text) - text.index("tissue")):
        answer = parse_answer(text[:-cut])
        assert answer.faults == ()
        assert answer.description.remarks in "tissue é"


def test_a_cut_anywhere_else_is_a_fault_and_never_half_a_number():
    text = json.dumps(GOOD)
    for end in range(1, text.index('"remarks": "') + 11):
        answer = parse_answer(text[:end])
        assert answer.description is None
        assert answer.faults


def test_an_answer_without_an_object_says_how_it_begins():
    answer = parse_answer("The lesion is at the top.")
    assert answer.faults == ('the answer holds no JSON object; it begins with "The lesion is at the top."',)
    assert not answer.refused
    assert parse_answer(" \n").faults == ("the answer holds no JSON object; it is empty",)


@pytest.mark.parametrize(
    "text",
    ["I'm sorry, but I can't assist with that.", "I’m very sorry.", "I cannot interpret medical images.",
     "As an AI, I do not diagnose.", "I am unable to help."],
)  # fmt: skip
def test_a_refusal_in_words_is_told_from_a_bad_answer(text):
    assert parse_answer(text).refused
    assert not parse_answer(said(remarks=text)).refused


def test_two_answers_that_differ_are_a_fault():
    answer = parse_answer(json.dumps(GOOD) + said(location="lower right"))
    assert answer.faults == ("the answer holds 2 objects that differ; give one, for the largest region",)


@pytest.mark.parametrize("name", [*VOCABULARY, "area_percentage"])
def test_a_missing_field_is_named_with_its_words(name):
    record = {key: value for key, value in FLAT.items() if key != name}
    for missing in (record, record | {name: None}, record | {name: ""}):
        answer = parse_answer(json.dumps(missing))
        assert answer.description is None
        assert len(answer.faults) == 1
        assert answer.faults[0].startswith(f"{name} is missing; write ")
        for word in VOCABULARY.get(name, ()):
            assert f'"{word}"' in answer.faults[0]


def test_what_no_file_can_hold_is_replaced():
    answer = parse_answer(said(remarks="a\ud83d\x00b\x07"), "m")
    assert answer.description.remarks == "a\ufffd b"
    answer.description.model_dump_json().encode()
    wrong = parse_answer(said(boundary="\udc00\x01"))
    turns = repair_messages(wrong.faults, "\ud800\n{")
    assert turns[0]["content"] == "\ufffd\n{"
    json.dumps(turns, ensure_ascii=False).encode()


def test_all_faults_are_told_at_once():
    text = json.dumps(
        {"location": "somewhere", "shape": "square", "area_percentage": 120, "confidence": "high"}
    )
    found = parse_answer(text).faults
    assert [fault.split(":")[0].split(" ")[0] for fault in found] == [
        "location", "boundary", "shape", "texture", "brightness", "area_percentage",
    ]  # fmt: skip


def test_remarks_may_be_absent_long_or_of_another_type():
    assert parse_answer(good_without("remarks")).description.remarks == ""
    assert parse_answer(good_without("remarks")).mended == ()
    long = parse_answer(said(remarks="ab " * 400))
    assert len(long.description.remarks) == 500
    assert long.mended[0].field == "remarks"
    other = parse_answer(said(remarks=["a", 1]))
    assert other.description.remarks == '["a", 1]'
    assert other.mended == (Mended("remarks", '["a", 1]', "one line of text"),)


def test_flat_and_renamed_fields_are_listed():
    renamed = {
        "Position": "upper left", "Margins": "clear", "Shape": "oval", "texture": "smooth",
        "brightness": "brighter", "Area (%)": 12, "Confidence Score": "high", "notes": "on a fold",
        "diagnosis": "adenoma",
    }  # fmt: skip
    answer = parse_answer(json.dumps(renamed))
    assert answer.description == parse_answer(json.dumps(GOOD)).description
    assert Mended("diagnosis", "adenoma", "left out") in answer.mended
    assert Mended("area_percentage", 'the key "Area (%)"', 'the key "area_percentage"') in answer.mended
    assert (
        Mended("characteristics", "shape, texture, brightness beside it", "the parts of characteristics")
        in answer.mended
    )
    assert len(answer.mended) == 8


def test_a_key_that_is_given_twice_must_mean_the_same():
    text = json.dumps(FLAT)[:-1]
    assert parse_answer(text + ', "shape": "oval"}').description.shape == "oval"
    assert parse_answer(text + ', "Shape": "ovoid"}').description.shape == "oval"
    assert parse_answer(text + ', "shape": "round"}').faults[0].startswith('shape: found ["oval", "round"];')
    assert parse_answer(text + ', "shape": "round", "shape": "oval"}').faults
    assert parse_answer(text + ', "area": 13}').faults[0].startswith("area_percentage: found [12, 13]")


@pytest.mark.parametrize(
    ("value", "percent"),
    [(12, 12), (0.12, 0.12), ("12%", 12), ("12.5 %", 12.5), ("about 12 percent", 12), ("~3", 3),
     ("0.12", 0.12),
     ("7,5 %", 7.5), ("10-15%", 12.5), ("10 % to 20 %", 15), ("Approximately 8% of the image.", 8),
     (0, 0), (100, 100)],
)  # fmt: skip
def test_an_area_is_a_percentage_as_it_stands(value, percent):
    answer = parse_answer(said(area_percentage=value))
    assert answer.description.area_percentage == pytest.approx(percent)
    assert [mend.field for mend in answer.mended] == ["area_percentage"] * isinstance(value, str)


@pytest.mark.parametrize(
    "value",
    [101, -1, math.nan, math.inf, 10**400, True, "large", "<5%", "1/4", "12,500", "15-10%", "90-120", "-3",
     "12 cm", [12, 13], {}, "1e1"],
)  # fmt: skip
def test_an_area_that_is_none_is_a_fault(value):
    answer = parse_answer(said(area_percentage=value))
    assert answer.description is None
    assert answer.faults[0].startswith("area_percentage")


@pytest.mark.parametrize(
    "others", [{}, {"boundary": None, "confidence": "n/a"}, {"shape": "square", "boundary": "clear"}]
)
def test_nothing_visible_needs_no_other_field(others):
    for location in ("not visible", "Not Visible", "no lesion visible", "none", "No polyp."):
        answer = parse_answer(json.dumps({"location": location, **others}))
        assert answer.faults == ()
        assert answer.description == Description.nothing_seen("vlm")


def test_an_area_of_nothing_is_listed():
    answer = parse_answer(said(location="not visible"))
    assert answer.description.area_percentage == 0
    assert answer.mended == (Mended("area_percentage", "12", "0"),)


@pytest.mark.parametrize(
    ("field", "value", "word"),
    [
        ("location", "top-left", "upper left"), ("location", "Upper-Left", "upper left"),
        ("location", "left upper quadrant", "upper left"), ("location", "center", "centre"),
        ("location", "bottom middle", "lower centre"), ("location", "middle-left", "middle left"),
        ("location", "in the lower right corner of the image", "lower right"),
        ("location", "polyp in the upper centre", "upper centre"), ("location", "uper left", "upper left"),
        ("location", "lesion not visible", "not visible"),
        ("boundary", "well-defined", "clear"), ("boundary", "blurred", "ambiguous"),
        ("boundary", "unclear", "ambiguous"), ("boundary", "ill-defined margins", "ambiguous"),
        ("boundary", "clear and sharp", "clear"), ("boundary", "regular", "clear"),
        ("boundary", "irregualr", "irregular"), ("boundary", "not sure", "ambiguous"),
        ("shape", "round shape", "round"), ("shape", "ovoid/elliptical", "oval"),
        ("shape", "elongted", "elongated"), ("boundary", "iregular", "irregular"),
        ("texture", "lobulated surface", "lobulated"), ("texture", "granular", "rough"),
        ("brightness", "hyperechoic", "brighter"), ("brightness", "hypoechoic", "darker"),
        ("brightness", "isointense", "similar"),
        ("brightness", "brighter than the surrounding tissue", "brighter"),
        ("confidence", "Medium", "moderate"), ("confidence", "not sure", "low"), ("confidence", "N/A", "low"),
        ("confidence", "very high", "high"),
    ],
)  # fmt: skip
def test_a_near_miss_is_mapped_and_listed(field, value, word):
    text = with_part(**{field: value}) if field in GOOD["characteristics"] else said(**{field: value})
    answer = parse_answer(text)
    assert answer.faults == ()
    assert getattr(answer.description, field) == word
    assert Mended(field, value, word) in answer.mended


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("location", "left"), ("location", "upper"), ("location", "upper left or upper right"),
        ("location", "unknown"),
        ("location", "patient's left, upper"), ("location", "upper left center"), ("location", "upper half"),
        ("location", "visible"), ("location", "n/a"), ("location", "not sure"),
        ("boundary", "clear, irregular"), ("boundary", "inclear"), ("boundary", "un-clear-ish"),
        ("shape", "not sure"), ("shape", "round or oval"), ("shape", "square"), ("texture", "unknown"),
        ("brightness", "not brighter"), ("brightness", "unsure"), ("brightness", "hypechoic"),
        ("boundary", "rregular"), ("confidence", "0.9"),
        ("confidence", "90%"), ("boundary", "clear | irregular | ambiguous"), ("boundary", "!"), ("shape", 3),
    ],
)  # fmt: skip
def test_what_may_mean_two_things_goes_back_to_the_model(field, value):
    text = with_part(**{field: value}) if field in GOOD["characteristics"] else said(**{field: value})
    answer = parse_answer(text)
    assert answer.description is None
    assert len(answer.faults) == 1
    assert answer.faults[0].startswith(f"{field}: found ")


@given(st.text(max_size=200) | st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(KEYS | st.text(max_size=8), inner, max_size=6),
    max_leaves=20,
).map(json.dumps))  # fmt: skip
@settings(max_examples=100, deadline=None)
def test_no_text_at_all_makes_the_reader_fail(text):
    answer = parse_answer(text)
    assert (answer.description is None) == bool(answer.faults)
    for mend in answer.mended:
        assert len(mend.found) < 200


@given(st.lists(st.tuples(st.integers(0, 400), st.sampled_from('{}[]",:x\\ \n1')), max_size=6), allowed)
@settings(max_examples=80, deadline=None)
def test_a_damaged_answer_is_read_or_refused_but_never_fails(edits, record):
    text = json.dumps(record)
    for at, sign in edits:
        at %= len(text)
        text = text[:at] + sign + text[at + 1 :]
    answer = parse_answer(text)
    assert (answer.description is None) == bool(answer.faults)


@pytest.mark.parametrize(
    "text", ["{" * 40_000, '{"a":' * 9_000, "{x} " * 20_000, "{}" * 30_000, '[{"a":[' * 5_000 + "]"]
)
def test_a_hostile_answer_is_refused_quickly(text):
    assert parse_answer(text).description is None


def test_the_repair_turn_says_what_was_wrong_and_shows_the_form():
    faults = parse_answer(said(boundary="fluffy", area_percentage="huge")).faults
    first, second = repair_messages(faults, "x" * 9_000)
    assert first == {"role": "assistant", "content": "x" * 4_000}
    assert second["role"] == "user"
    assert all(f"- {fault}\n" in second["content"] for fault in faults)
    assert second["content"].endswith(schema_in_words())
    assert [turn["role"] for turn in repair_messages(faults)] == ["user"]
    assert repair_messages([]) == []
