"""The client against a real server with faults on demand."""

from __future__ import annotations

import asyncio
import json
import time
from random import Random

import pytest
from asking_making import free_port
from vlm_server import VlmServer

from gaze_insight.errors import SettingsError
from gaze_insight.language.vlm.budget import Budget
from gaze_insight.language.vlm.client import ChatClient
from gaze_insight.language.vlm.connection import address_of
from gaze_insight.language.vlm.faults import (
    AskingStoppedError,
    EndpointError,
    RefusedError,
    RejectedError,
    UnavailableError,
)
from gaze_insight.language.vlm.settings import PaceSettings, VlmSettings

HELLO = [{"role": "user", "content": "hello"}]
KEY = "not-a-real-key-0123456789"
QUICK = {"backoff_s": 0.02, "timeout_s": 20.0}


@pytest.fixture(name="served", scope="module")
def start_server():
    with VlmServer() as server:
        yield server


@pytest.fixture(name="server")
def clean_server(served):
    served.script()
    served.configure(key=None, retry_after_s=0.1, log=[])
    return served


def settings_for(server, pace=None, **options) -> VlmSettings:
    pace = PaceSettings(**(QUICK | (pace or {})))
    options = {"endpoint": server.endpoint} | options if server else options
    return VlmSettings(model="m", pace=pace, **options)


def complete(settings, messages=HELLO, form=None, budget=None):
    async def ask():
        async with ChatClient(settings, budget, random=Random(0)) as client:
            return await client.complete(messages, form)

    return asyncio.run(ask())


@pytest.mark.parametrize(
    "kind", ["429", "429_date", "500", "503", "408", "cut", "not_json", "not_protocol", "error_200"]
)
def test_what_may_pass_is_tried_again(server, kind):
    server.script(kind)
    got = complete(settings_for(server))
    assert got.attempts == 2
    assert got.model == "served-model"
    assert [entry["fault"] for entry in server.log()] == [kind, "none"]
    assert server.log()[0]["body"] == server.log()[1]["body"]


@pytest.mark.parametrize(
    ("kind", "error", "said"),
    [
        ("401", EndpointError, "Incorrect API key provided"),
        ("403", EndpointError, "your country is not supported"),
        ("404", EndpointError, "model 'absent' not found"),
        ("quota", EndpointError, "you exceeded your quota"),
        ("redirect", EndpointError, "elsewhere.example"),
        ("400", RejectedError, "response_format is not supported"),
        ("filter", RefusedError, "triggered the filter"),
    ],
)
def test_what_cannot_pass_is_sent_once_and_explained(server, monkeypatch, kind, error, said):
    monkeypatch.setenv("SOME_KEY", KEY)
    server.script(kind)
    with pytest.raises(error, match=said) as caught:
        complete(settings_for(server, api_key_env="SOME_KEY"))
    assert len(server.log()) == 1
    assert KEY not in str(caught.value)
    assert kind == "filter" or caught.value.remedy


def test_a_silent_server_is_given_up_after_the_set_time(server):
    server.script("hang", "hang")
    start = time.monotonic()
    with pytest.raises(UnavailableError, match=r"no answer within 0.3 s \(2 tries\)") as caught:
        complete(settings_for(server, {"timeout_s": 0.3, "attempts": 2}))
    assert time.monotonic() - start < 5
    assert caught.value.attempts == 2


def test_a_server_that_is_not_there_is_named():
    port = free_port()
    endpoint = f"http://127.0.0.1:{port}/v1"
    budget = Budget()
    with pytest.raises(EndpointError, match=rf"127.0.0.1:{port}.* cannot be reached: Connection refused"):
        complete(settings_for(None, {"attempts": 3}, endpoint=endpoint), budget=budget)
    assert (budget.spent.requests, budget.spent.tokens) == (3, 0)


def test_a_name_that_nobody_knows_is_given_up_in_time_however_many_tries_are_allowed():
    pace = {"attempts": 99, "reach_s": 0.3, "backoff_s": 60.0}
    start = time.monotonic()
    with pytest.raises(EndpointError, match="cannot be reached") as caught:
        complete(settings_for(None, pace, endpoint="http://no-such-host.invalid/v1"))
    assert time.monotonic() - start < 20
    assert "start the server" in caught.value.remedy


def test_a_server_that_comes_in_time_is_reached():
    port = free_port()

    async def ask():
        async with ChatClient(settings_for(None, endpoint=f"http://127.0.0.1:{port}/v1")) as client:
            asking = asyncio.create_task(client.complete(HELLO))
            await asyncio.sleep(0.1)
            with VlmServer(port=port):
                return await asking

    assert asyncio.run(ask()).attempts > 1


def test_a_server_that_went_away_after_an_answer_gets_all_tries():
    with VlmServer() as server:

        async def ask():
            async with ChatClient(settings_for(server, {"attempts": 3, "reach_s": 0.0})) as client:
                await client.complete(HELLO)
                server.stop()
                await client.complete(HELLO)

        with pytest.raises(UnavailableError, match=r"\(3 tries\)"):
            asyncio.run(ask())


def test_a_first_request_that_is_slow_or_cut_does_not_mean_that_nobody_is_there(server):
    server.script("hang", "cut")
    got = complete(settings_for(server, {"timeout_s": 0.2, "attempts": 3, "reach_s": 0.0}))
    assert got.attempts == 3


def test_the_whole_client_waits_as_long_as_the_server_asks(server):
    server.configure(retry_after_s=0.4)
    server.script("429")

    async def ask():
        async with ChatClient(settings_for(server)) as client:
            first = asyncio.create_task(client.complete(HELLO))
            while not server.log():
                await asyncio.sleep(0.02)
            await asyncio.sleep(0.1)
            await asyncio.gather(first, client.complete(HELLO))
            return server.log()

    log = asyncio.run(ask())
    assert len(log) == 3
    assert min(one["at_s"] for one in log[1:]) - log[0]["at_s"] > 0.39


def test_a_wait_that_is_asked_for_is_capped(server):
    server.configure(retry_after_s=3600)
    server.script("429")
    assert complete(settings_for(server, {"retry_after_max_s": 0.1})).attempts == 2


def test_stopping_ends_the_wait(server):
    server.configure(retry_after_s=3600)
    server.script("429")

    async def ask():
        async with ChatClient(settings_for(server)) as client:
            waiting = asyncio.create_task(client.complete(HELLO))
            await asyncio.sleep(0.3)
            client.stop()
            await waiting

    start = time.monotonic()
    with pytest.raises(AskingStoppedError):
        asyncio.run(ask())
    assert time.monotonic() - start < 10


def test_what_is_sent_is_what_the_settings_say(server, monkeypatch):
    monkeypatch.setenv("SOME_KEY", f" {KEY}\n")
    server.configure(key=KEY)
    form = {"type": "json_object"}
    extra = {"top_p": 0.5, "options": {"num_ctx": 4096}}
    settings = settings_for(
        server,
        api_key_env="SOME_KEY",
        seed=7,
        temperature=0.25,
        max_tokens=123,
        max_tokens_field="max_completion_tokens",
        extra=extra,
    )
    complete(settings, form=form)
    (entry,) = server.log()
    assert entry["body"] == {
        "model": "m",
        "messages": HELLO,
        "temperature": 0.25,
        "seed": 7,
        "max_completion_tokens": 123,
        "response_format": form,
        "top_p": 0.5,
        "options": {"num_ctx": 4096},
    }
    assert entry["headers"]["Authorization"] == f"Bearer {KEY}"
    assert KEY not in repr(settings) + settings.model_dump_json()


def test_what_is_not_set_is_not_sent(server):
    complete(settings_for(server, seed=None, temperature=None))
    (entry,) = server.log()
    assert sorted(entry["body"]) == ["max_tokens", "messages", "model"]
    assert "Authorization" not in entry["headers"]


def test_tokens_are_estimated_where_the_server_reports_none(server):
    server.script("no_usage")
    budget = Budget()
    got = complete(settings_for(server), budget=budget)
    assert got.estimated
    assert got.prompt_tokens == 4 + 2
    assert got.completion_tokens == -(-len(got.text) // 4)
    assert (budget.spent.estimated, budget.spent.tokens) == (1, got.prompt_tokens + got.completion_tokens)


def test_a_proxy_is_used_for_others_and_never_for_this_machine(server, monkeypatch):
    for name in ("NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", server.root)
    got = complete(settings_for(server, endpoint="http://models.example/v1"))
    assert got.model == "served-model"
    assert server.log()[0]["headers"]["Host"] == "models.example"
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert complete(settings_for(server)).attempts == 1


@pytest.mark.parametrize("value", [None, "", "  ", "two words", "schlüssel"])
def test_a_key_that_is_none_is_reported_without_its_value(server, monkeypatch, value):
    monkeypatch.delenv("SOME_KEY", raising=False)
    if value is not None:
        monkeypatch.setenv("SOME_KEY", value)
    with pytest.raises(SettingsError, match="SOME_KEY") as caught:
        complete(settings_for(server, api_key_env="SOME_KEY"))
    assert not value or not value.strip() or value not in str(caught.value)
    assert server.log() == []


@pytest.mark.parametrize(
    "endpoint",
    ["https://me:secret@host/v1", "https://host/v1?api_key=secret", "host:8000/v1", "ftp://host", "http://"],
)
def test_an_endpoint_that_cannot_be_one_is_refused_without_repeating_secrets(endpoint):
    with pytest.raises(SettingsError, match="endpoint") as caught:
        VlmSettings(model="m", endpoint=endpoint)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("endpoint", ["http://me:secret@host:99999/v1", "http://me:sec@ret@[host/v1"])
def test_an_address_that_is_none_is_shown_without_its_credentials(endpoint):
    with pytest.raises(SettingsError, match=r"found 'http://\*\*\*@") as caught:
        VlmSettings(model="m", endpoint=endpoint)
    assert "sec" not in str(caught.value).partition("found")[2]


@pytest.mark.parametrize("given", ["sk-0123456789abcdef", "a b", "x" * 65])
def test_a_key_given_for_its_variable_is_refused_and_not_repeated(given):
    with pytest.raises(SettingsError, match="the name of an environment variable") as caught:
        VlmSettings(model="m", api_key_env=given)
    assert given not in str(caught.value)


EXTRAS = [{"stream": True}, {"seed": 1}, {"api_key": "x"}, {"Authorization": "x"}, {"token": "x"}]


@pytest.mark.parametrize("extra", [*EXTRAS, {"options": {"api_key": "x"}}, {"headers": [{"bearer": "x"}]}])
def test_vendor_fields_replace_nothing_and_carry_no_key(extra):
    with pytest.raises(SettingsError, match="extra"):
        VlmSettings(model="m", extra=extra)


def test_the_full_address_of_the_protocol_is_understood():
    settings = VlmSettings(model="m", endpoint="https://host.example/v1/chat/completions/")
    assert settings.endpoint == "https://host.example/v1"
    assert address_of(settings.endpoint) == settings.endpoint


def test_only_what_shapes_the_words_makes_their_key():
    plain = VlmSettings(model="m")
    same = {"pace": {"concurrency": 9}, "budget": {"cost": 1}, "price": {"input_per_million": 2}}
    assert VlmSettings(model="m", api_key_env="K", dicom="clean", **same).shaping() == plain.shaping()
    others = [{"seed": 1}, {"temperature": 0.1}, {"prompt": "blank"}, {"picture": {"long_side_px": 99}}]
    others += [{"answer_format": "text"}, {"extra": {"top_p": 1}}, {"endpoint": "http://a/v1"}]
    keys = {json.dumps(VlmSettings(model="m", **one).shaping(), sort_keys=True) for one in others}
    assert len(keys) == len(others)
    assert json.dumps(plain.shaping(), sort_keys=True) not in keys
