"""What a model is sent about a case, what its answer becomes, and what is recorded of it."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import re

import cv2
import numpy as np
import pytest
from vlm_server import VlmServer

from gaze_insight.errors import DataError, SettingsError
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.language.registry import DESCRIBERS
from gaze_insight.language.vlm.answer_schema import answer_schema
from gaze_insight.language.vlm.describer import VlmDescriber
from gaze_insight.language.vlm.settings import VlmSettings
from gaze_insight.language.vocabulary import VOCABULARY

IMAGE = np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)
KEY = "not-a-real-key-0123456789"
CASE = "patient-Muster-1970"


@pytest.fixture(name="served", scope="module")
def start_server():
    with VlmServer() as server:
        yield server


@pytest.fixture(name="server")
def clean_server(served):
    served.script()
    served.configure(key=None, log=[])
    return served


def make(server, **options) -> VlmDescriber:
    pace = {"backoff_s": 0.02, "timeout_s": 20} | options.pop("pace", {})
    return VlmDescriber(VlmSettings(model="m", endpoint=server.endpoint, pace=pace, **options))


def ask(describer, image=IMAGE, fixations=None):
    async def go():
        async with describer:
            return await describer.ask(describer.question(CASE, image, fixations))

    return asyncio.run(go())


def shown_in(body) -> list[bytes]:
    urls = re.findall(r"data:image/\w+;base64,([A-Za-z0-9+/=]+)", json.dumps(body))
    return [base64.b64decode(url) for url in urls]


def test_a_description_comes_with_how_it_came_about(server):
    got = ask(make(server, seed=5, temperature=0.2))
    (entry,) = server.log()
    (picture,) = shown_in(entry["body"])
    assert got.failure is None
    assert got.description.source == "m"
    assert all(getattr(got.description, name) in VOCABULARY[name] for name in VOCABULARY)
    told = got.provenance
    assert json.loads(json.dumps(told)) == told
    assert told["endpoint"] == server.endpoint
    assert (told["model"], told["asked_model"], told["prompt"]) == ("served-model", "m", "paper@1")
    assert (told["temperature"], told["seed"], told["answer_format"]) == (0.2, 5, "json_schema")
    assert (told["repairs"], told["attempts"], told["finish_reason"], told["mended"]) == (0, 1, "stop", [])
    assert told["prompt_tokens"] > 500
    assert told["completion_tokens"] > 0
    assert told["image_sha256"] == hashlib.sha256(picture).hexdigest()
    assert told["image_px"] == [400, 300]
    assert re.fullmatch(r"[0-9a-f]{64}", told["prompt_sha256"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", told["asked_at"])


def test_the_request_holds_the_pixels_and_the_schema_and_nothing_of_the_case(server):
    describer = make(server, picture={"long_side_px": 100, "format": "png"})
    ask(describer)
    (entry,) = server.log()
    assert entry["body"] == describer.request(describer.question(CASE, IMAGE))
    sent = cv2.imdecode(np.frombuffer(shown_in(entry["body"])[0], np.uint8), cv2.IMREAD_COLOR)
    assert sent.shape == (75, 100, 3)
    schema = entry["body"]["response_format"]["json_schema"]["schema"]
    assert schema["properties"]["location"]["enum"] == list(VOCABULARY["location"])
    whole = json.dumps(entry)
    assert CASE not in whole
    assert "Muster" not in whole
    assert b"Exif" not in shown_in(entry["body"])[0]


def test_where_the_reader_looked_is_one_more_picture(server):
    ask(make(server, prompt="paper_gaze"), fixations=Fixations.from_rows([(0.5, 0.5, 300, 0)]))
    first, second = shown_in(server.log()[0]["body"])
    assert first != second


def test_a_prompt_that_shows_gaze_needs_gaze(server):
    with pytest.raises(DataError, match="no gaze"):
        make(server, prompt="paper_gaze").question(CASE, IMAGE, None)


def test_a_wrong_answer_gets_a_turn_to_mend_it(server):
    server.script("wrong_words")
    got = ask(make(server))
    first, second = server.log()
    assert got.failure is None
    assert (got.provenance["repairs"], got.provenance["attempts"]) == (1, 2)
    asked = second["body"]["messages"]
    assert asked[: len(first["body"]["messages"])] == first["body"]["messages"]
    added = asked[len(first["body"]["messages"]) :]
    assert [one["role"] for one in added] == ["assistant", "user"]
    assert "quixotic" in added[0]["content"]
    assert "boundary" in added[1]["content"]
    assert "area_percentage" in added[1]["content"]
    assert got.provenance["prompt_tokens"] > first["body"]["max_tokens"]


@pytest.mark.parametrize("turns", [0, 2])
def test_an_answer_that_stays_wrong_is_a_failure_with_its_reason(server, turns):
    server.script(*["wrong_words"] * (turns + 1))
    got = ask(make(server, pace={"repair_turns": turns}))
    assert len(server.log()) == turns + 1
    assert got.description is None
    assert (got.failure.kind, got.failure.for_good) == ("invalid", True)
    assert "boundary" in got.failure.reason
    assert got.provenance["repairs"] == turns


def test_an_answer_that_was_cut_off_says_so(server):
    server.script("length")
    got = ask(make(server, max_tokens=9, pace={"repair_turns": 0}))
    assert got.failure.reason.startswith("cut off at 9 tokens")


@pytest.mark.parametrize(("kind", "said"), [("refusal", "medical images"), ("filter", "filter")])
def test_a_refusal_is_for_good(server, kind, said):
    server.script(kind)
    got = ask(make(server))
    assert len(server.log()) == 1
    assert (got.failure.kind, got.failure.for_good) == ("refused", True)
    assert said in got.failure.reason
    assert got.provenance["attempts"] == 1


@pytest.mark.parametrize(("kind", "failure"), [("400", "rejected"), ("500", "unavailable")])
def test_a_fault_of_the_server_is_not_for_good(server, kind, failure):
    server.script(kind, kind)
    got = ask(make(server, pace={"attempts": 2}))
    assert (got.failure.kind, got.failure.for_good) == (failure, False)
    assert got.provenance["attempts"] == len(server.log())


@pytest.mark.parametrize("kind", ["fenced", "prose"])
def test_json_inside_other_text_is_found(server, kind):
    server.script(kind)
    got = ask(make(server))
    assert got.description is not None
    assert len(server.log()) == 1


def test_near_misses_are_mended_and_listed(server):
    server.script("near_words")
    got = ask(make(server))
    taken = {one["field"]: one["taken"] for one in got.provenance["mended"]}
    assert taken["boundary"] == "clear"
    assert (got.description.location, got.description.area_percentage) == ("upper left", 12.0)


@pytest.mark.parametrize("form", ["json_object", "text"])
def test_servers_without_schemas_are_told_the_form_in_words(server, form):
    got = ask(make(server, answer_format=form))
    body = server.log()[0]["body"]
    assert got.description is not None
    assert body.get("response_format") == ({"type": "json_object"} if form == "json_object" else None)
    assert "lobulated" in json.dumps(body["messages"])


def test_a_schema_beside_any_json_is_one_of_the_ways(server):
    got = ask(make(server, answer_format="json_object_schema"))
    body = server.log()[0]["body"]
    assert got.description is not None
    assert body["response_format"] == {"type": "json_object", "schema": answer_schema(limits=False)}
    ask(make(server))
    assert server.log()[1]["body"]["messages"] == body["messages"], "the schema need not be said in words"
    assert got.provenance["answer_format"] == "json_object_schema"


def test_a_model_that_ignores_the_form_is_asked_again(server):
    server.script("ignored")
    got = ask(make(server))
    assert got.description is not None
    assert got.provenance["repairs"] == 1


def test_the_key_is_sent_and_stands_nowhere_else(server, monkeypatch):
    monkeypatch.setenv("SOME_KEY", KEY)
    server.configure(key=KEY)
    describer = make(server, api_key_env="SOME_KEY")
    got = ask(describer)
    (entry,) = server.log()
    assert entry["headers"].pop("Authorization") == f"Bearer {KEY}"
    assert KEY not in json.dumps(entry) + repr(got) + repr(vars(describer)) + repr(describer.settings)
    monkeypatch.setenv("SOME_KEY", f"{KEY}-wrong")
    with pytest.raises(SettingsError, match="401") as caught:
        ask(describer)
    assert KEY not in str(caught.value)


def test_it_is_a_describer_like_the_others(server):
    describer = DESCRIBERS["vlm"](VlmSettings(model="m", endpoint=server.endpoint))
    nothing = np.zeros(IMAGE.shape[:2])
    first = describer.describe(CASE, IMAGE, nothing, None)
    assert first.visible == (first.location != "not visible")
    server.script("refusal")
    assert describer.describe(CASE, IMAGE, nothing, None) is None
    server.script("400")
    with pytest.raises(DataError, match="response_format is not supported"):
        describer.describe(CASE, IMAGE, nothing, None)
    spent = make(server, budget={"requests": 0})
    with pytest.raises(DataError, match="0 of 0 requests"):
        spent.describe(CASE, IMAGE, nothing, None)
