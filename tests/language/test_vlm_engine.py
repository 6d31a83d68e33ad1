"""Many questions at once: order, bounds, stops, and what happens to what is under way."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from vlm_server import VlmServer

from gaze_insight.errors import DataError, SettingsError
from gaze_insight.language.vlm.asking import Asked, Failure, Question
from gaze_insight.language.vlm.budget import BudgetSpentError
from gaze_insight.language.vlm.describer import VlmDescriber
from gaze_insight.language.vlm.engine import ask_all, run_questions
from gaze_insight.language.vlm.faults import AskingStoppedError, EndpointError
from gaze_insight.language.vlm.settings import PaceSettings, VlmSettings


def questions(count, begun=None):
    for number in range(count):
        if begun is not None:
            begun.append(number)
        yield Question(str(number), ())


class FakeAsker:
    """Answers after `seconds`; `answers` says what becomes of a case."""

    def __init__(self, seconds=0.005, answers=None):
        self.seconds, self.answers = seconds, answers or {}
        self.now = self.peak = 0
        self.stopped, self.closed = asyncio.Event(), False

    async def __aenter__(self):
        return self

    async def __aexit__(self, *error):
        self.closed = True

    def stop(self):
        self.stopped.set()

    async def ask(self, question):
        self.now += 1
        self.peak = max(self.peak, self.now)
        try:
            await asyncio.sleep(self.seconds)
        finally:
            self.now -= 1
        answer = self.answers.get(question.case_id)
        if isinstance(answer, BaseException):
            raise answer
        return Asked(question.case_id, None, {}, answer)


def run(count, asker, on_done=None, **options):
    done: list[Asked] = []
    options = {"concurrency": 4} | options
    return run_questions(questions(count), asker, on_done or done.append, **options), done


def test_all_are_asked_and_never_more_than_the_set_number_at_once():
    asker = FakeAsker()
    result, done = run(50, asker, concurrency=7)
    assert sorted(int(one.case_id) for one in done) == list(range(50))
    assert (result.described, asker.peak, asker.closed) == (50, 7, True)


def test_no_questions_are_no_work():
    result, done = run(0, FakeAsker())
    assert (result.described, result.failed, done) == (0, 0, [])


def test_questions_are_made_when_their_turn_comes_and_answers_handed_over_at_once():
    begun: list[int] = []
    ahead: list[int] = []

    def note(asked):
        ahead.append(len(begun) - len(ahead))

    run_questions(questions(60, begun), FakeAsker(), note, concurrency=3)
    assert len(ahead) == 60
    assert max(ahead) <= 3 + 3 + 2


def test_one_bad_answer_stops_nothing():
    bad = {"3": Failure("refused", "no"), "4": Failure("invalid", "?"), "5": Failure("rejected", "400")}
    result, done = run(12, FakeAsker(answers=bad))
    assert (result.described, result.failed, result.stopped) == (9, 3, None)
    assert {one.case_id for one in done if one.failure} == set(bad)


def test_an_endpoint_that_is_wrong_stops_everything_and_those_under_way_end():
    asker = FakeAsker(answers={"2": EndpointError("the server answered 401")})
    done: list[Asked] = []
    with pytest.raises(EndpointError, match="401"):
        run_questions(questions(500), asker, done.append, concurrency=4)
    assert 3 <= len(done) <= 7
    assert asker.stopped.is_set()
    assert asker.closed


def test_a_server_that_fails_again_and_again_is_left_alone():
    down = {str(number): Failure("unavailable", "no answer") for number in range(10, 500)}
    done: list[Asked] = []
    with pytest.raises(DataError, match="failed 6 cases in a row; the last: no answer"):
        run_questions(questions(500), FakeAsker(answers=down), done.append, concurrency=4, give_up_after=6)
    assert 16 <= len(done) <= 20


def test_refusals_in_a_row_are_no_fault_of_the_server():
    no = {str(number): Failure("refused", "no") for number in range(30)}
    assert run(30, FakeAsker(answers=no), give_up_after=5)[0].failed == 30


def test_an_error_in_making_a_question_is_raised_after_those_under_way_are_handed_over():
    def broken():
        yield from questions(5)
        raise DataError("the image cannot be read")

    done: list[Asked] = []
    with pytest.raises(DataError, match="cannot be read"):
        run_questions(broken(), FakeAsker(), done.append, concurrency=2)
    assert 2 <= len(done) <= 5


def test_an_error_in_storing_is_raised():
    def full(asked):
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space"):
        run(20, FakeAsker(), full)


def test_a_spent_budget_ends_cleanly():
    asker = FakeAsker(answers={"6": BudgetSpentError("the budget is spent: 6 of 6 requests sent")})
    result, done = run(100, asker, concurrency=2)
    assert (result.stopped, result.unfinished) == ("budget", 1)
    assert result.reason == "the budget is spent: 6 of 6 requests sent"
    assert result.described == len(done) in (6, 7)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_begins_nothing_new_and_lets_the_others_end(number):
    before = signal.getsignal(number)
    done: list[Asked] = []

    def store(asked):
        done.append(asked)
        if len(done) == 5:
            os.kill(os.getpid(), number)

    result, _ = run(500, FakeAsker(seconds=0.02), store)
    assert (result.stopped, result.unfinished) == ("signal", 0)
    assert 5 <= len(done) == result.described <= 12
    assert signal.getsignal(number) is before


def test_a_second_signal_cuts_off_what_is_under_way():
    def twice():
        for _ in range(2):
            time.sleep(0.1)
            os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=twice)
    thread.start()
    start = time.monotonic()
    result, done = run(9, FakeAsker(seconds=60))
    thread.join()
    assert (result.stopped, result.unfinished, done) == ("signal", 4, [])
    assert time.monotonic() - start < 20


def test_a_case_that_waits_for_its_next_try_is_unfinished_after_a_signal():
    result, done = run(3, FakeAsker(answers={"1": AskingStoppedError("stopped")}), concurrency=1)
    assert (result.described, result.unfinished, len(done)) == (2, 1, 2)


def test_it_works_inside_a_running_loop_as_in_a_notebook():
    async def cell():
        return run(9, FakeAsker())

    assert asyncio.run(cell())[0].described == 9


def test_the_coroutine_serves_callers_with_a_loop_of_their_own():
    done: list[Asked] = []
    result = asyncio.run(ask_all(questions(5), FakeAsker().ask, done.append, concurrency=9))
    assert result.described == len(done) == 5


def test_no_workers_are_refused():
    with pytest.raises(SettingsError, match="at least 1, found 0"):
        run(1, FakeAsker(), concurrency=0)


# ---- against a server


@pytest.fixture(name="served", scope="module")
def start_server():
    with VlmServer() as server:
        yield server


@pytest.fixture(name="server")
def clean_server(served):
    """Each test asks with pixels of its own, so that what it counts is its own."""
    served.configure(rate=0.0, latency_s=0.0, slots=0, slow_s=0.02, seed=1, record=True)
    served.forget()
    return served


def pixels(number):
    return np.random.default_rng(number).integers(0, 256, (24, 24, 3), dtype=np.uint8)


def describer_for(server, **options):
    pace = {"concurrency": 8, "backoff_s": 0.02, "timeout_s": 20} | options.pop("pace", {})
    return VlmDescriber(VlmSettings(model="m", endpoint=server.endpoint, pace=pace, **options))


def ask_server(describer, count):
    done: list[Asked] = []
    asked = (describer.question(f"case-{number}", pixels(number)) for number in range(count))
    pace = describer.settings.pace
    return run_questions(asked, describer, done.append, concurrency=pace.concurrency), done


def test_with_a_fifth_of_all_requests_failing_each_case_is_described_or_listed_with_its_reason(server):
    server.configure(rate=0.2)
    result, done = ask_server(describer_for(server), 60)
    stats = server.stats()
    assert sorted(one.case_id for one in done) == sorted(f"case-{number}" for number in range(60))
    assert all((one.description is None) == (one.failure is not None) for one in done)
    assert all(one.failure.reason for one in done if one.failure)
    assert result.failed == stats["faults"].get("refusal", 0)
    assert result.described + result.failed == 60
    assert len(stats["faults"]) >= 5
    assert stats["after_answer"] == 0
    assert stats["peak"] <= 8


def test_the_budget_holds_against_a_server(server):
    server.configure(latency_s=0.02)
    result, done = ask_server(describer_for(server, budget={"requests": 12}), 50)
    assert server.stats()["requests"] == 12
    assert result.stopped == "budget"
    assert result.described == len(done) == 12


def test_the_server_is_kept_busy(server):
    server.configure(latency_s=0.4, slots=4)
    result, _ = ask_server(describer_for(server, pace={"concurrency": 4}), 16)
    stats = server.stats()
    assert (result.described, stats["peak"]) == (16, 4)
    assert stats["requests"] / stats["seconds"] > 0.6 * 4 / 0.4


KILLED = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
import test_vlm_engine as tests
tests.go_on(sys.argv[1], Path(sys.argv[2]))
"""


def go_on(endpoint, store, count=48):
    """Ask about all cases that the store does not hold, and store each at once."""
    pace = PaceSettings(concurrency=4, backoff_s=0.02)
    describer = VlmDescriber(VlmSettings(model="m", endpoint=endpoint, pace=pace))
    have = store.read_text().split() if store.exists() else []
    left = [number for number in range(count) if str(number) not in have]

    with store.open("a") as file:

        def keep(asked):
            file.write(f"{asked.case_id}\n")
            file.flush()

        asked = (describer.question(str(number), pixels(number)) for number in left)
        return run_questions(asked, describer, keep, concurrency=4)


def test_killed_in_the_middle_nothing_finished_is_asked_again(server, tmp_path):
    store = tmp_path / "store.txt"
    server.configure(latency_s=0.1, slots=4)
    command = [sys.executable, "-c", KILLED, server.endpoint, str(store), str(Path(__file__).parent)]
    with subprocess.Popen(command) as first:
        while not store.exists() or store.read_text().count("\n") < 12:
            assert first.poll() is None
            time.sleep(0.02)
        first.kill()
    time.sleep(0.3)
    kept, sent = store.read_text().split(), len(server.log())
    server.configure(latency_s=0.0)
    assert go_on(server.endpoint, store).described == 48 - len(kept)
    log, stats = server.log(), server.stats()
    assert 12 <= len(kept) < 48
    assert sorted(map(int, store.read_text().split())) == list(range(48))
    assert len(log) - sent == 48 - len(kept)
    assert stats["requests"] <= 48 + 4
