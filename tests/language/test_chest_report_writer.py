"""Reports worded by a model over HTTP: faithful words are taken, else the templates stand in."""

from __future__ import annotations

import asyncio
import json

import numpy as np
import pytest
from vlm_server import VlmServer

from gaze_insight.chest.report import compose_report
from gaze_insight.chest.report_check import check_wording
from gaze_insight.chest.report_writer import ReportWriter, WriterSettings, facts_of, write_reports
from gaze_insight.errors import SettingsError


@pytest.fixture(name="served", scope="module")
def start_server():
    with VlmServer() as server:
        yield server


@pytest.fixture(name="server")
def clean_server(served):
    served.script()
    served.forget()
    return served


def settings_for(server, **options) -> WriterSettings:
    pace = {"backoff_s": 0.02, "timeout_s": 20, "attempts": 2} | options.pop("pace", {})
    return WriterSettings(model="m", endpoint=server.endpoint, pace=pace, **options)


def sample():
    plane = np.full((14, 14), 0.01)
    plane[10, 12] = 5
    values = {"Pleural Effusion": 0.9, "Pneumonia": 0.6, "Pneumothorax": 0.02, "Cardiomegaly": 0.05}
    limits = dict.fromkeys(values, 0.4)
    return compose_report(values, limits, class_attention={"Pleural Effusion": plane})


def test_faithful_words_replace_the_templates_and_keep_the_grounds(server):
    report = sample()
    (written,) = write_reports([report], settings_for(server))
    assert written.worded, written.record
    assert written.report.written_by == "served-model"
    assert "Seen is a left pleural effusion" in written.report.to_text()
    assert "There is no pneumothorax." in written.report.to_text()
    assert [one.grounding for one in written.report.sentences] == [one.grounding for one in report.sentences]
    assert written.record["turns"] == 1
    assert written.record["prompt"] == "report@1"
    (request,) = server.log()
    schema = request["body"]["response_format"]["json_schema"]["schema"]
    numbers = schema["properties"]["sentences"]["items"]["properties"]["fact"]["enum"]
    assert numbers == [one.id for one in report.sentences]
    assert "image_url" not in json.dumps(request["body"])


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("invents", "speaks of Pneumothorax"),
        ("denies", "must be said to be"),
        ("drops", "is missing"),
        ("repeats", "said 2 times"),
    ],
)
def test_a_model_that_changes_the_facts_is_told_once_and_then_not_used(server, fault, told):
    report = sample()
    server.script(fault, fault)
    (written,) = write_reports([report], settings_for(server))
    assert not written.worded
    assert written.report == report
    assert told in written.record["fallback"]
    assert len(written.record["faults"]) == written.record["turns"] == 2
    repair = server.log()[1]["body"]["messages"][-1]["content"]
    assert told in repair


def test_one_repair_turn_is_enough_for_a_model_that_listens(server):
    server.script("invents")
    (written,) = write_reports([sample()], settings_for(server))
    assert written.worded
    assert written.record["turns"] == 2
    assert len(written.record["faults"]) == 1


@pytest.mark.parametrize(
    ("kinds", "told"),
    [
        (("refusal",), "declines"),
        (("500", "500"), "2 tries"),
        (("filter",), "filter"),
        (("empty", "empty"), "no JSON object"),
        (("length", "length"), "no JSON object"),
    ],
)
def test_a_server_that_fails_leaves_the_templates(server, kinds, told):
    report = sample()
    server.script(*kinds)
    (written,) = write_reports([report], settings_for(server))
    assert written.report is report
    assert told in written.record["fallback"]


def test_a_wrong_key_stops_everything(server):
    server.script("401")
    with pytest.raises(SettingsError, match="401"):
        write_reports([sample(), sample()], settings_for(server))


def test_a_spent_budget_leaves_the_templates(server):
    written = write_reports([sample(), sample()], settings_for(server, budget={"requests": 1}))
    assert sorted(one.worded for one in written) == [False, True]
    assert any("budget" in (one.record["fallback"] or "") for one in written)


def test_a_report_without_sentences_is_not_asked_about(server):
    (written,) = write_reports([compose_report({}, {})], settings_for(server))
    assert not written.worded
    assert server.log() == []


def test_it_works_inside_a_running_loop(server):
    async def go():
        return write_reports([sample()], settings_for(server))

    assert asyncio.run(go())[0].worded


def test_without_an_enforcing_server_the_form_is_said_in_words():
    body = ReportWriter(WriterSettings(model="m", answer_format="text")).request(sample())
    assert "response_format" not in body
    assert '"sentences"' in body["messages"][1]["content"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("There is a left pleural effusion.", None),
        ("Left pleural effusion is present at the costophrenic angle.", None),
        ("There is a right pleural effusion.", "side must be left"),
        ("There is a pleural effusion.", "side must be left"),
        ("There is a left pleural effusion at the apex.", "names a region"),
        ("There is a small left pleural effusion.", "a size or grade"),
        ("There is a left pleural effusion of 3 cm.", "a number"),
        ("There is an unchanged left pleural effusion.", "an earlier examination"),
        ("Left pleural effusion; CT is recommended.", "advice"),
        ("Possible left pleural effusion.", "found in doubt"),
        ("No left pleural effusion.", "found absent"),
        ("There is a left pleural effusion and a scar.", "which is not part of the fact"),
        ("", "empty"),
        ("left " * 100, "characters"),
    ],
)
def test_each_thing_that_words_may_add_is_noticed(text, told):
    report = sample()
    first = next(one for one in report.sentences if one.finding == "Pleural Effusion")
    answer = [(one.id, text if one.id == first.id else one.text) for one in report.sentences]
    faults = check_wording(report, answer)
    if told is None:
        assert faults == ()
    else:
        assert any(told in fault for fault in faults), faults
    assert "there is no fact 99" in check_wording(report, [*answer, (99, "No.")])


def test_the_facts_name_what_the_template_names():
    facts = {one["fact"]: one for one in facts_of(sample())}
    effusion = next(one for one in facts.values() if one["finding_in_words"] == "pleural effusion")
    assert effusion["side"] == "left"
    assert effusion["regions"] == ["costophrenic angle", "lower lung zone"]
    pneumonia = next(one for one in facts.values() if one["finding_in_words"] == "pneumonia")
    assert pneumonia["side"] is None
    assert pneumonia["regions"] == []
