"""What a server's answers mean: statuses, waits, bodies; no server is needed."""

from __future__ import annotations

import json
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gaze_insight.language.vlm.faults import (
    AttemptError,
    EndpointError,
    RejectedError,
    backoff_s,
    check_status,
    what_it_said,
)
from gaze_insight.language.vlm.replies import read_reply
from gaze_insight.language.vlm.settings import PaceSettings
from gaze_insight.retry_after import retry_after_s

KEY = "not-a-real-key-0123456789"


@given(attempt=st.integers(1, 2000), seed=st.integers(0, 9), base=st.floats(0, 10), top=st.floats(0, 100))
def test_backoff_stays_in_its_range(attempt, seed, base, top):
    pace = PaceSettings(backoff_s=base, backoff_max_s=top)
    assert 0 <= backoff_s(attempt, pace, Random(seed)) <= min(top, base * 2.0 ** min(attempt - 1, 60))


def test_backoff_is_uniform_over_its_range():
    waits = sorted(backoff_s(3, PaceSettings(backoff_s=1), Random(seed)) for seed in range(4000))
    for share in (0.1, 0.5, 0.9):
        assert waits[int(share * 4000)] == pytest.approx(4 * share, abs=0.12)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "0"}, 0),
        ({"retry-after": " 2.5 "}, 2.5),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "Tue, 01 Jan 2019 12:00:30 GMT"}, 0),
    ],
)
def test_how_long_to_wait_is_read(headers, seconds):
    assert retry_after_s(headers) == seconds


@pytest.mark.parametrize("status", [409, 425, 502, 504, 529])
def test_statuses_that_pass(status):
    with pytest.raises(AttemptError):
        check_status(status, {}, "")


def test_a_redirect_that_repeats_the_key_is_blotted_out():
    with pytest.raises(EndpointError, match=r"elsewhere\?key=\*\*\*"):
        check_status(307, {"location": f"https://elsewhere?key={KEY}"}, "", KEY)


@pytest.mark.parametrize("status", [413, 415, 422])
def test_statuses_of_one_wrong_request(status):
    with pytest.raises(RejectedError, match="too large"):
        check_status(status, {}, '{"detail": "too large"}')


def test_a_long_error_is_shortened_and_the_key_blotted_out():
    said = what_it_said(json.dumps({"error": {"message": f"bad {KEY} " + "x" * 900, "code": KEY}}), KEY)
    assert KEY not in said.text + said.code
    assert len(said.text) < 310


def test_an_answer_in_parts_is_joined_and_a_filter_is_a_refusal():
    parts = [{"type": "text", "text": "a"}, {"type": "image"}, {"type": "text", "text": "b"}]
    choice = {"message": {"content": parts}, "finish_reason": "content_filter"}
    reply = read_reply(json.dumps({"choices": [choice], "usage": {"prompt_tokens": 0}}).encode())
    assert (reply.text, reply.prompt_tokens) == ("ab", None)
    assert "filter" in str(reply.refusal)


def test_what_a_server_says_can_be_written_to_a_file():
    half = "a\ud800b"
    choice = {"message": {"content": "{}", "refusal": half + "x" * 9000}, "finish_reason": half}
    reply = read_reply(json.dumps({"choices": [choice], "model": half}).encode())
    said = what_it_said(json.dumps({"error": half})).text
    told = [reply.refusal, reply.finish_reason, reply.model, said]
    assert all("a\ufffdb" in one and one.encode() for one in told)
    assert max(map(len, told)) <= 500


@pytest.mark.parametrize("body", ['{"error": "bad %s"}', "bad %s", '{"bad": "%s"}'])
def test_a_body_that_repeats_the_key_is_blotted_out(body):
    with pytest.raises(AttemptError, match=r"\*\*\*") as caught:
        read_reply((body % KEY).encode(), KEY)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"choices": []}', b'{"choices": [{"message": null}]}'])
def test_what_is_not_the_protocol_is_said_so(body):
    with pytest.raises(AttemptError, match="the answer"):
        read_reply(body)
