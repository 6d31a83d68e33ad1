"""Sentences of a report: what is said at which probability, and never more than is known."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gaze_insight.chest.findings import FINDINGS, NO_FINDING
from gaze_insight.chest.keywords import extract_mentions, label_report
from gaze_insight.chest.priors import load_priors
from gaze_insight.chest.report import ReportSettings, compose_report
from gaze_insight.chest.sentences import SentenceSettings, certainty_of
from gaze_insight.errors import DataError, SettingsError

NAMES = tuple(sorted(load_priors().findings))
ORDER = ("devices", "lungs", "pleura", "heart", "bones")
probability = st.one_of(st.sampled_from([0.0, 0.2, 0.5, 0.8, 1.0]), st.floats(0, 1))


def spots(seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    found = {}
    for name in NAMES:
        plane = np.full((14, 14), 0.02)
        for _ in range(rng.integers(0, 4)):
            row, column = rng.integers(0, 14, 2)
            plane[row, column] += rng.uniform(0.5, 5)
        found[name] = plane
    return found


@st.composite
def cases(draw):
    names = draw(st.lists(st.sampled_from([*NAMES, NO_FINDING]), unique=True, min_size=1))
    probabilities = {name: draw(probability) for name in names}
    thresholds = {name: draw(st.floats(0.02, 0.98)) for name in names}
    return probabilities, thresholds, draw(st.integers(0, 10_000))


@settings(max_examples=80, deadline=None)
@given(cases())
def test_the_text_says_of_each_finding_what_the_sentences_say(case):
    probabilities, thresholds, seed = case
    report = compose_report(probabilities, thresholds, class_attention=spots(seed))
    told = {one.finding: one.status for one in report.sentences if one.finding not in (None, NO_FINDING)}
    labels = label_report(report.to_text())
    implied = {"Lung Opacity"} if told.get("Infiltration") not in (None, "negative") else set()
    for name, label in labels.items():
        if name != NO_FINDING and name not in implied:
            assert label == told.get(name), (name, report.to_text())


@settings(max_examples=50, deadline=None)
@given(cases())
def test_called_open_and_absent_are_told_apart_by_the_probabilities(case):
    probabilities, thresholds, seed = case
    report = compose_report(probabilities, thresholds, class_attention=spots(seed))
    said = {one.finding: one for one in report.section("findings")}
    book = load_priors()
    for name, p in probabilities.items():
        if name == NO_FINDING:
            continue
        threshold = thresholds[name]
        if p >= threshold:
            assert said[name].status in ("positive", "uncertain")
            assert (said[name].status == "positive") == (p >= 0.8)
        elif p <= 0.5 * threshold:
            assert (name in said) == book.findings[name].negate
        else:
            assert name not in said
            assert report.left_open[name] == p
    called = [one.finding for one in report.section("findings") if one.status != "negative"]
    places = [ORDER.index(book.findings[name].chapter) for name in called]
    assert places == sorted(places)
    assert [one.id for one in report.sentences] == list(range(1, len(report.sentences) + 1))


@settings(max_examples=50, deadline=None)
@given(cases())
def test_a_side_is_named_only_where_something_shows_it(case):
    probabilities, thresholds, seed = case
    report = compose_report(probabilities, thresholds, class_attention=spots(seed))
    for one in report.sentences:
        sides = set(re.findall(r"\b(left|right|bilateral|both)\b", one.text))
        if one.grounding is None or one.provenance == "prior":
            assert not sides, one.text
        elif one.grounding.side in ("left", "right"):
            assert sides <= {one.grounding.side}
            assert sides or one.section == "impression"
        assert one.text[0].isupper()
        assert one.text.endswith(".")
        assert "  " not in one.text
        assert "{" not in one.text


def test_laterality_is_read_back_from_the_sentences():
    plane = np.full((14, 14), 0.01)
    plane[10, 12] = 5
    for name in ("Pleural Effusion", "Pneumonia", "Atelectasis"):
        report = compose_report({name: 0.9}, {name: 0.5}, class_attention={name: plane})
        found = {one.laterality for one in extract_mentions(report.to_text()) if one.finding == name}
        assert found == {"left"}, report.to_text()


def test_the_impression_repeats_the_surest_without_devices():
    values = {"Edema": 0.7, "Pneumonia": 0.95, "Support Devices": 0.99, "Fracture": 0.81, "Cardiomegaly": 0.6}
    limits = dict.fromkeys(values, 0.5)
    chosen = ReportSettings(longest_impression=2)
    report = compose_report(values, limits, settings=chosen)
    assert [one.text for one in report.section("impression")] == ["Pneumonia.", "Fracture."]
    assert {one.words for one in report.keywords} >= {"support devices", "fracture"}


def test_normal_is_said_only_where_all_that_it_denies_was_looked_for():
    low, limits = dict.fromkeys(FINDINGS, 0.01), dict.fromkeys(FINDINGS, 0.4)
    low[NO_FINDING] = 0.9
    whole = compose_report(low, limits)
    assert whole.section("impression")[0].text == "No acute cardiopulmonary abnormality."
    assert label_report(whole.to_text())[NO_FINDING] == "positive"
    few = {name: low[name] for name in ("Pneumonia", NO_FINDING)}
    assert (
        compose_report(few, limits)
        .section("impression")[0]
        .text.startswith("Nothing abnormal is called among")
    )
    undecided = "Nothing is called with certainty."
    assert compose_report(low | {"Edema": 0.3}, limits).section("impression")[0].text == undecided
    assert compose_report(low | {NO_FINDING: 0.1}, limits).section("impression")[0].text == undecided
    device = compose_report(low | {"Support Devices": 0.9}, limits)
    assert device.section("impression")[0].text == "No acute cardiopulmonary abnormality."
    assert compose_report({}, {}).sentences == ()


def test_contradictions_and_gaps_are_noted():
    report = compose_report(
        {NO_FINDING: 0.9, "Edema": 0.9, "Scoliosis": 0.9}, {NO_FINDING: 0.5, "Edema": 0.5, "Scoliosis": 0.5}
    )
    assert any("No Finding reaches its threshold" in note for note in report.notes)
    assert any("Scoliosis" in note and "nothing is written" in note for note in report.notes)


def test_usual_places_are_named_on_request_and_as_usual():
    chosen = ReportSettings(sentences=SentenceSettings(name_usual_regions=True))
    report = compose_report({"Pleural Effusion": 0.9}, {"Pleural Effusion": 0.5}, settings=chosen)
    assert report.sentences[0].text == "There is a pleural effusion, usually at the costophrenic angles."


def test_wrong_numbers_are_refused():
    with pytest.raises(DataError, match="threshold for 'Edema'"):
        compose_report({"Edema": 0.5}, {})
    for p, t in ((float("nan"), 0.5), (1.1, 0.5), (0.5, -0.1)):
        with pytest.raises(DataError, match=r"in \[0, 1\] for 'Edema'"):
            compose_report({"Edema": p}, {"Edema": t})
    with pytest.raises(SettingsError, match="must not exceed"):
        SentenceSettings(probable_from=0.9, definite_from=0.5)
    assert certainty_of(0.0, 0.0) == "possible"


def test_the_record_holds_numbers_regions_and_grounds():
    plane = np.full((14, 14), 0.01)
    plane[10, 12] = 5
    report = compose_report(
        {"Pleural Effusion": 0.91234}, {"Pleural Effusion": 0.5}, class_attention={"Pleural Effusion": plane}
    )
    first = report.to_json()["sentences"][0]
    assert first["probability"] == 0.9123
    assert first["provenance"] == "attention"
    assert first["regions"][0]["name"] == "left costophrenic angle"
    assert first["regions"][0]["box_given"] is False
    assert report.keywords[0].weight == pytest.approx(
        0.91234 * report.sentences[0].grounding.regions[0].score
    )
