"""`describe --describer vlm`: the real command against a real server."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter

import pytest
from asking_making import (  # noqa: F401
    FAST,
    SECRET,
    flags_for,
    free_port,
    make_cohort,
    pictures_in,
    rows_of,
    see_requests,
    serve,
    settings_for,
    start_server,
    stored_in,
)

from gaze_insight.cli.app import main
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.language.files import read_descriptions, read_provenance
from gaze_insight.workflow.asking_model import foresee, plan_asking

ASKING = """
import sys
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.language.vlm.settings import VlmSettings
from gaze_insight.workflow.asking_model import ask_model
ask_model(Cohort.open(sys.argv[1]), VlmSettings.model_validate_json(sys.argv[2]))
"""
KINDS = {"refused", "invalid", "rejected", "unavailable", "kept_back"}


def test_the_command_describes_all_cases_tells_the_account_and_the_second_time_asks_nothing(
    server, seen, tmp_path, capsys
):
    cohort = make_cohort(tmp_path)
    price = ["--set", "language.describer.price={input_per_million: 2.0, output_per_million: 8.0}"]
    assert main(flags_for(cohort, server, *price)) == 0
    derived = cohort.folder / "derived"
    described, made = (read(derived / "descriptions.jsonl") for read in (read_descriptions, read_provenance))
    assert list(described) == list(cohort.cases) == list(made)
    assert not (derived / "descriptions.failed.jsonl").exists()
    asked = seen()
    assert sorted(picture for one in asked for picture in pictures_in(one)) == sorted(
        one["image_sha256"] for one in made.values()
    )
    first = made["smith-0"]
    assert (first["asked_model"], first["prompt"], first["seed"], first["temperature"]) == (
        "eye", "paper@1", 0, 0.0,
    )  # fmt: skip
    sent = json.dumps([(one["body"], one["headers"]) for one in asked])
    assert "smith" not in sent
    assert "patient-images" not in sent
    told = capsys.readouterr().out
    tokens = [sum(one[name] for one in made.values()) for name in ("prompt_tokens", "completion_tokens")]
    assert f"6 requests, {tokens[0]:,} + {tokens[1]:,} tokens" in told
    assert f"{(tokens[0] * 2 + tokens[1] * 8) / 1e6:.4f} USD" in told
    assert Cohort.open(cohort.folder).cases["smith-3"].description == described["smith-3"]
    assert main(flags_for(cohort, server, "--concurrency", "2", "--max-requests", "1")) == 0
    assert len(seen()) == 6
    assert "answers stored before: 6" in capsys.readouterr().out
    assert read_descriptions(derived / "descriptions.jsonl") == described


def wait_for_stored(cohort, count):
    deadline = time.monotonic() + 60
    while len(stored_in(cohort)) < count and time.monotonic() < deadline:
        time.sleep(0.01)


def test_killed_in_the_middle_it_goes_on_and_asks_about_no_finished_image_again(
    server, seen, tmp_path, capsys
):
    cohort = make_cohort(tmp_path, 24)
    server.configure(slots=3, latency_s=0.15)
    settings = settings_for(server, pace=FAST | {"concurrency": 3})
    command = [sys.executable, "-c", ASKING, str(cohort.folder), settings.model_dump_json()]
    with subprocess.Popen(command) as process:
        wait_for_stored(cohort, 7)
        process.send_signal(signal.SIGKILL)
    finished = {record["provenance"]["image_sha256"] for record in stored_in(cohort)}
    assert 7 <= len(finished) < 24
    assert not (cohort.folder / "derived" / "descriptions.jsonl").exists()
    server.configure(slots=0, latency_s=0.0)
    assert main(flags_for(cohort, server)) == 0
    counts = Counter(picture for one in seen() for picture in pictures_in(one))
    assert len(counts) == 24
    assert {counts[one] for one in finished} == {1}
    assert counts.total() <= 24 + 3, "only what was under way at the kill may be asked about twice"
    assert len(read_descriptions(cohort.folder / "derived" / "descriptions.jsonl")) == 24
    assert f"answers stored before: {len(finished)}" in capsys.readouterr().out


def test_ctrl_c_ends_cleanly_keeps_what_is_done_and_says_how_to_go_on(server, seen, tmp_path, capsys):
    cohort = make_cohort(tmp_path, 24)
    server.configure(slots=3, latency_s=0.15)

    def interrupt():
        wait_for_stored(cohort, 4)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    code = main(flags_for(cohort, server, "--concurrency", "3"))
    thread.join()
    told, said = capsys.readouterr()
    assert code == 130
    assert said.startswith("stopped: ")
    assert "run the same command again" in said
    kept = read_descriptions(cohort.folder / "derived" / "descriptions.jsonl")
    assert 4 <= len(kept) < 24
    assert len(kept) == len(stored_in(cohort)) == len(seen()), "what was under way has ended and is kept"
    assert f"{24 - len(kept):,}  not asked about yet" in told


def test_with_a_third_of_faults_every_case_is_described_or_listed_with_its_reason(
    server, seen, tmp_path, capsys
):
    cohort = make_cohort(tmp_path, 40)
    server.configure(rate=0.35, seed=5, slow_s=0.02)
    (cohort.cases["smith-7"].image_path).write_bytes(b"no image")
    (cohort.cases["smith-8"].image_path).unlink()
    assert main(flags_for(cohort, server, "--concurrency", "8")) in (0, 1)
    derived = cohort.folder / "derived"
    described = read_descriptions(derived / "descriptions.jsonl")
    listed = {row["id"]: row for row in rows_of(derived / "descriptions.failed.jsonl")}
    assert described.keys() | listed.keys() == cohort.cases.keys()
    assert not described.keys() & listed.keys()
    assert {row["kind"] for row in listed.values()} <= KINDS
    assert all(row["reason"] for row in listed.values())
    assert {one for one, row in listed.items() if row["kind"] == "kept_back"} == {"smith-7", "smith-8"}
    assert "smith-7" in listed["smith-7"]["reason"]
    told = capsys.readouterr().out
    for kind, count in Counter(row["kind"] for row in listed.values()).items():
        assert f"  {kind.replace('_', ' '):<20}{count:>8,}  " in told
    assert server.stats()["faults"].keys() >= {"429", "500", "cut"}


def test_words_that_were_nearly_right_are_counted_and_recorded(server, tmp_path, capsys):
    cohort = make_cohort(tmp_path, 2)
    server.script("near_words")
    assert main(flags_for(cohort, server, "--concurrency", "1")) == 0
    made = read_provenance(cohort.folder / "derived" / "descriptions.jsonl")
    mended = {one["field"]: one["taken"] for one in made["smith-0"]["mended"]}
    assert (mended["location"], mended["boundary"]) == ("upper left", "clear")
    assert made["smith-1"]["mended"] == []
    assert f"  {'with a mended word':<20}{1:>8}  " in capsys.readouterr().out


def test_a_dry_run_shows_the_very_request_and_the_price_and_sends_nothing(
    server, seen, tmp_path, capsys, monkeypatch
):
    monkeypatch.setenv("EYE_KEY", SECRET)
    cohort = make_cohort(tmp_path)
    price = ("--set", "language.describer.price={input_per_million: 3.0, output_per_million: 6.0}")
    flags = flags_for(cohort, server, *price, "--api-key-env", "EYE_KEY")
    assert main([*flags, "--limit", "4", "--dry-run"]) == 0
    told = capsys.readouterr().out
    assert SECRET not in told
    shown = json.loads(told)
    assert not seen()
    assert shown["cases"] == {
        "to_ask": 4, "cached": 0, "failed_for_good": 0, "kept_back": 0, "left_by_limit": 2,
    }  # fmt: skip
    estimate = shown["estimate"]
    by_hand = estimate["prompt_tokens"] * 3.0 + estimate["completion_tokens_at_most"] * 6.0
    assert estimate["cost_at_most"] == pytest.approx(by_hand / 1e6)
    assert estimate["completion_tokens_at_most"] == 4 * 400
    server.configure(key=SECRET)
    assert main([*flags, "--limit", "1"]) == 0
    (sent,) = seen()
    assert sent["headers"]["Authorization"] == f"Bearer {SECRET}"
    request = shown["first_request"]
    assert request["headers"]["Authorization"] == "Bearer $EYE_KEY"
    assert request["url"] == f"{server.endpoint}/chat/completions"
    url = next(part for part in sent["body"]["messages"][-1]["content"] if part["type"] == "image_url")
    code = url["image_url"]["url"].partition("base64,")[2]
    size = len(base64.b64decode(code))
    short = json.dumps(sent["body"]).replace(
        code, f"{code[:24]}... ({size:,} bytes as {len(code):,} base64 characters)"
    )
    assert request["body"] == json.loads(short)
    everything = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert SECRET.encode() not in everything


def test_the_forecast_of_nothing_is_nothing(server, tmp_path):
    settings = settings_for(server)
    forecast = foresee(settings, plan_asking(make_cohort(tmp_path, 0), settings))
    assert (forecast.case_id, forecast.request, forecast.cost) == (None, {}, 0.0)


def test_a_spent_budget_stops_cleanly_and_the_next_call_goes_on(server, seen, tmp_path, capsys):
    cohort = make_cohort(tmp_path)
    assert main(flags_for(cohort, server, "--max-requests", "4", "--concurrency", "2")) == 130
    assert len(seen()) == 4
    assert len(read_descriptions(cohort.folder / "derived" / "descriptions.jsonl")) == 4
    assert "4 of 4 requests sent; 4 cases described, 2 left" in capsys.readouterr().err
    assert main(flags_for(cohort, server, "--limit", "1")) == 0
    assert "1  not asked about yet" in capsys.readouterr().out
    assert main(flags_for(cohort, server, "--max-requests", "4")) == 0
    assert len(seen()) == 6


def test_a_wrong_key_stops_all_at_once_and_is_never_repeated(server, seen, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("EYE_KEY", SECRET)
    cohort = make_cohort(tmp_path)
    server.configure(key="another")
    assert main(flags_for(cohort, server, "--api-key-env", "EYE_KEY", "--concurrency", "1")) == 2
    said = capsys.readouterr()
    assert "401" in said.err
    assert SECRET not in said.err + said.out
    assert len(seen()) == 1
    assert read_descriptions(cohort.folder / "derived" / "descriptions.jsonl") == {}


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--model", "eye"], "--model: expected a describer that asks a model, found 'measured'"),
        (["--dry-run"], "--dry-run: no effect with a describer that asks no model"),
        (["--describer", "blank", "--again", "--limit", "2"], "--limit, --again: no effect"),
        (["--describer", "vlm"], "add --model NAME"),
        (["--describer", "vlm", "--set", "language.describer={kind: blank}"], "contradict each other"),
        (["--describer", "vlm", "--model", "eye", "--workers", "2"], "--workers: no effect with a model"),
        (["--describer", "vlm", "--model", "eye", "--max-cost", "2"], "a budget of 2 USD needs prices"),
        (["--describer", "vlm", "--model", "eye", "--set", "language.shuffled=true"], "language.shuffled"),
        (["--describer", "vlm", "--model", "eye", "--prompt", "papr"], "papr"),
        (["--describer", "vlm", "--model", "eye", "--endpoint", "http://me:pw@host/v1"], "endpoint"),
    ],
)
def test_flags_that_cannot_be_meant_are_refused(flags, said, tmp_path, capsys):
    cohort = make_cohort(tmp_path, 1)
    assert main(["describe", str(cohort.folder), *flags]) == 2
    told = capsys.readouterr().err
    assert said in told
    assert "me:pw" not in told


def test_a_server_that_is_not_there_is_named_soon_and_earlier_words_are_kept(server, tmp_path, capsys):
    cohort = make_cohort(tmp_path)
    assert main(flags_for(cohort, server)) == 0
    before = (cohort.folder / "derived" / "descriptions.jsonl").read_bytes()
    capsys.readouterr()
    away = f"http://127.0.0.1:{free_port()}/v1"
    flags = flags_for(cohort, server, "--set", "language.describer.pace.reach_s=0.3")
    flags[flags.index(server.endpoint)] = away
    assert main(flags) == 2
    told, said = capsys.readouterr()
    assert said.startswith(
        f"error: {away}/chat/completions cannot be reached: Connection refused\n  -> start"
    )
    assert said.count("cannot be reached") == 1
    assert "6  not asked about yet" in told
    assert "descriptions:" not in told
    assert (cohort.folder / "derived" / "descriptions.jsonl").read_bytes() == before


def test_words_of_a_file_keep_how_they_were_made(server, tmp_path, capsys):
    cohort = make_cohort(tmp_path, 2)
    words = tmp_path / "words.jsonl"
    assert main(flags_for(cohort, server, "--out", str(words))) == 0
    file = ["--describer", "file", "--set", f"language.describer.path={words}"]
    assert main(["describe", str(cohort.folder), *file, "--quiet"]) == 0
    written = cohort.folder / "derived" / "descriptions.jsonl"
    assert "2 of 2 cases described (file)" in capsys.readouterr().out
    assert read_descriptions(written) == read_descriptions(words)
    assert read_provenance(written) == read_provenance(words)
    assert len(read_provenance(written)) == 2
    assert main(["describe", str(cohort.folder), *file, "--set", "language.shuffled=true", "--quiet"]) == 0
    assert read_provenance(written) == {}


def test_saving_a_cohort_keeps_how_words_that_stay_were_made(server, tmp_path):
    cohort = make_cohort(tmp_path, 3)
    assert main(flags_for(cohort, server)) == 0
    path = cohort.folder / "derived" / "descriptions.jsonl"
    opened, made, before = Cohort.open(cohort.folder), read_provenance(path), path.read_bytes()
    opened.save()
    assert path.read_bytes() == before
    other = opened.cases["smith-1"].description.model_copy(update={"source": "me"})
    opened.with_descriptions({"smith-1": other}).save()
    assert read_descriptions(path)["smith-1"] == other
    assert read_provenance(path) == {one: made[one] for one in ("smith-0", "smith-2")}
    path.write_text("{damaged")
    opened.save()
    assert len(read_descriptions(path)) == 3


def test_csv_has_the_words_without_their_provenance(server, tmp_path):
    cohort = make_cohort(tmp_path, 2)
    assert main(flags_for(cohort, server, "--out", str(tmp_path / "words.csv"))) == 0
    assert list(read_descriptions(tmp_path / "words.csv")) == list(cohort.cases)
