"""Suites run: every one starts and finishes, and what was stopped or killed is gone on with."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from suite_making import PLUGIN, drawn_cohort, own_suite_text, write_own_method, write_own_suite

from gaze_insight.benchmark.attempt import attempt
from gaze_insight.benchmark.folder import BenchmarkFolder
from gaze_insight.benchmark.locking import LOCK_FILE, RunLock, TakenError, read_holder
from gaze_insight.benchmark.planning import compose_row
from gaze_insight.benchmark.suite import list_suites, load_suite
from gaze_insight.cli.app import main
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.errors import DataError, SettingsError
from gaze_insight.training.loop import STATE_FILE

SUITES = sorted(name for name in list_suites() if load_suite(name).task == "segmentation")
FIRST_ROWS = {
    "cpu_comparison": "mean_teacher", "gaze_noise": "lost_60", "isic_table3": "unet_full",
    "kvasir_table1": "point_sup",
    "kvasir_table4": "random_words", "kvasir_table5": "concat", "kvasir_table6": "without_both",
    "kvasir_table7": "without_darm", "kvasir_table8": "stages_1", "kvasir_table9": "tau_04_06",
    "nci_isbi_table2": "gazemedseg", "selection_bias": "unet",
    "label_efficiency": "gaze_50", "soft_vote": "soft_vote", "soft_vote_parts": "area",
    "words": "shuffled_words",
}  # fmt: skip
NEEDS_WORDS = {"model_words"}
"""Rows that train on words which a user's own model was asked for."""


@pytest.fixture(scope="module")
def cohort(tmp_path_factory) -> Cohort:
    return drawn_cohort(tmp_path_factory.mktemp("suites"))


@pytest.fixture
def own(tmp_path, monkeypatch) -> Path:
    """A folder with a method and a suite of one's own, in which the commands are called."""
    write_own_method(tmp_path)
    write_own_suite(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return tmp_path


def begin(suite_name: str, cohort: Cohort, folder: Path, **asked: object) -> BenchmarkFolder:
    benchmark = BenchmarkFolder(folder)
    benchmark.begin(load_suite(suite_name), cohort, scale="tiny", **asked)
    return benchmark


def check_finished(folder: Path, output: str) -> dict:
    summary = json.loads((folder / "summary.json").read_text())
    assert {"pseudomask", output} <= set(summary["test"])
    assert (folder / "report.html").exists()
    assert (folder / "cases.csv").exists()
    assert not (folder / LOCK_FILE).exists()
    return summary


@pytest.mark.parametrize("name", SUITES)
def test_each_suite_starts_and_finishes_on_a_tiny_budget(name, cohort, tmp_path):
    row = FIRST_ROWS[name]
    benchmark = begin(name, cohort, tmp_path, rows=[row], seeds=[0])
    assert attempt(benchmark.path, f"{row}-seed0") == "done"
    summary = check_finished(benchmark.runs / f"{row}-seed0", "student")
    assert summary["protocol"].startswith("paper" if name == "selection_bias" else "honest")
    assert attempt(benchmark.path, f"{row}-seed0") == "finished before"


@pytest.mark.slow
@pytest.mark.parametrize("name", SUITES)
def test_every_row_of_every_suite_runs(name, cohort, tmp_path):
    benchmark = begin(name, cohort, tmp_path, seeds=[0])
    suite = benchmark.suite()
    for key, row in suite.rows.items():
        owner = suite.runs_of(key)
        if suite.rows[owner].made_by is None and owner not in NEEDS_WORDS:
            attempt(benchmark.path, f"{owner}-seed0")
            summary = check_finished(benchmark.runs / f"{owner}-seed0", row.output)
            assert summary["method"] == compose_row(suite, owner, "tiny").method_name


def test_a_folder_is_gone_on_with_as_it_was_begun(cohort, tmp_path):
    benchmark = begin("kvasir_table7", cohort, tmp_path, rows=["with_darm"], seeds=[0])
    suite = load_suite("kvasir_table7")
    more = benchmark.begin(suite, cohort, seeds=[2], rows=["without_darm"])
    assert [run.name for run in more] == ["without_darm-seed2"]
    facts = benchmark.facts()
    assert (facts.scale, facts.seeds, facts.rows) == ("tiny", (0, 2), ("without_darm", "with_darm"))
    assert len(benchmark.begin(suite, cohort)) == 4
    others = {
        "suite": lambda: benchmark.begin(load_suite("kvasir_table8"), cohort),
        "scale": lambda: benchmark.begin(suite, cohort, scale="cpu"),
        "protocol": lambda: benchmark.begin(suite.model_copy(update={"protocol": "paper"}), cohort),
        "--set": lambda: benchmark.begin(suite, cohort, overrides=["training.batch_size=2"]),
        "cohort": lambda: benchmark.begin(suite, drawn_cohort(tmp_path / "other", 6)),
    }
    before = benchmark.facts_json.read_bytes()
    for what, again in others.items():
        with pytest.raises(SettingsError, match=f"the benchmark was begun with {what} "):
            again()
    assert benchmark.facts_json.read_bytes() == before
    with pytest.raises(SettingsError, match="no row 'x'"):
        benchmark.begin(suite, cohort, rows=["x"])
    with pytest.raises(DataError, match=r"found no benchmark\.json"):
        BenchmarkFolder(tmp_path / "empty").facts()


def test_a_run_stands_where_it_stood(cohort, tmp_path, monkeypatch):
    benchmark = begin("isic_table3", cohort, tmp_path, rows=["unet"], seeds=[0])
    folder = benchmark.runs / "unet-seed0"
    with RunLock(folder), pytest.raises(TakenError):
        attempt(benchmark.path, "unet-seed0")
    attempt(benchmark.path, "unet-seed0")
    weights = (folder / "checkpoints" / "final.safetensors").stat().st_mtime_ns
    whole = (folder / "cases.csv").read_bytes()
    (folder / "report.html").unlink()
    scored = (folder / "summary.json").stat().st_mtime_ns
    attempt(benchmark.path, "unet-seed0")
    assert (folder / "report.html").exists()
    assert (folder / "summary.json").stat().st_mtime_ns == scored
    (folder / "summary.json").unlink()
    (folder / STATE_FILE).unlink(missing_ok=True)
    attempt(benchmark.path, "unet-seed0")
    assert (folder / "checkpoints" / "final.safetensors").stat().st_mtime_ns == weights
    assert (folder / "cases.csv").read_bytes() == whole
    (folder / "config.yaml").write_text((folder / "config.yaml").read_text().replace("seed: 0", "seed: 5", 1))
    (folder / "report.html").unlink()
    with pytest.raises(SettingsError, match="the run was begun with seed=5, the suite now asks for 0"):
        attempt(benchmark.path, "unet-seed0")


def test_ones_own_method_runs_in_ones_own_suite_and_a_failure_does_not_stop_the_others(own, cohort, capfd):
    words = ["benchmark", "run", "own.yaml", str(cohort.folder), "--plugin", PLUGIN, "--name", "b"]
    flags = ["--seeds", "0", "--workers", "2", "--set", "narrow:method.fails=true"]
    assert main([*words, *flags]) == 1
    output = capfd.readouterr()
    assert "1 run finished, 0 finished before" in output.out
    assert "failed: narrow-seed0: exit code 1: error: broken on purpose" in output.out
    assert "1 run failed" in output.err
    assert "wide-seed0: started" in output.err
    record = json.loads(Path("runs/b/failed.jsonl").read_text())
    assert (record["run"], record["row"], record["seed"], record["exit_code"]) == (
        "narrow-seed0",
        "narrow",
        0,
        1,
    )
    assert record["last_lines"][-1] == "error: broken on purpose"
    assert record["log"] == "runs/narrow-seed0/log.txt"
    done = Path("runs/b/runs/wide-seed0")
    check_finished(done, "student")
    assert json.loads((done / "environment.json").read_text())
    before = times_in(done)
    assert main([*words[:4], "--name", "b", "--dry-run", "--json"]) == 0
    listed = json.loads(capfd.readouterr().out)
    assert [(run["run"], run["state"]) for run in listed["runs"]] == [
        ("narrow-seed0", "unfinished"),
        ("wide-seed0", "finished"),
    ]
    assert times_in(done) == before


def times_in(folder: Path) -> dict[str, int]:
    return {
        str(path.relative_to(folder)): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()
    }


def slow_suite(folder: Path, step_seconds: float = 0.05) -> None:
    values = yaml.safe_load(own_suite_text())
    values["scales"]["tiny"]["set"] += [
        "method.student_epochs=40",
        f"method.step_seconds={step_seconds}",
    ]
    write_own_suite(folder, yaml.safe_dump(values, sort_keys=False))


def command(cohort: Cohort, *flags: str) -> list[str]:
    program = [
        sys.executable,
        "-m",
        "gaze_insight.cli.app",
        "benchmark",
        "run",
        "own.yaml",
        str(cohort.folder),
    ]
    return [*program, "--plugin", PLUGIN, "--name", "b", *flags]


@contextmanager
def running(words: list[str]) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_until(true: Callable[[], object], seconds: float = 120.0) -> None:
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, "waited too long"
        time.sleep(0.1)


def under_way(run: str) -> bool:
    """Whether a run has a saved state and goes on."""
    folder = Path("runs/b/runs") / run
    return (folder / STATE_FILE).exists() and read_holder(folder) is not None


def steps_in(run: str) -> list[int]:
    lines = (Path("runs/b/runs") / run / "history.jsonl").read_text().splitlines()
    return [json.loads(line)["step"] for line in lines]


def finish(cohort: Cohort, *flags: str) -> str:
    done = subprocess.run(command(cohort, *flags), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_a_killed_run_and_a_killed_parent_lose_nothing(own, cohort):
    slow_suite(own)
    with running(command(cohort, "--workers", "2")) as parent:
        wait_until(lambda: under_way("narrow-seed0") and under_way("wide-seed0"))
        victim = read_holder(Path("runs/b/runs/narrow-seed0")).process
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda: (Path("runs/b/failed.jsonl")).exists())
        record = json.loads(Path("runs/b/failed.jsonl").read_text())
        assert (record["run"], record["exit_code"]) == ("narrow-seed0", -9)
        wait_until(lambda: (Path("runs/b/runs/wide-seed0/report.html")).exists())
        wait_until(lambda: under_way("wide-seed1"))
        orphan = read_holder(Path("runs/b/runs/wide-seed1")).process
        parent.kill()
        parent.wait()
    wait_until(lambda: not Path(f"/proc/{orphan}").exists(), 60)
    assert not Path("runs/b/runs/wide-seed1/report.html").exists()
    reached = steps_in("wide-seed1")[-1]
    kept = times_in(Path("runs/b/runs/wide-seed0"))
    before = len(list(Path("runs/b/runs").glob("*/report.html")))
    assert f"{4 - before} run" in (said := finish(cohort))
    assert f"finished, {before} finished before" in said
    assert times_in(Path("runs/b/runs/wide-seed0")) == kept
    for run in ("narrow-seed0", "narrow-seed1", "wide-seed1"):
        check_finished(Path("runs/b/runs") / run, "student")
        steps = steps_in(run)
        assert steps == sorted(set(steps))
    assert reached in steps_in("wide-seed1")
    assert "0 runs finished, 4 finished before" in finish(cohort)


@pytest.mark.slow
def test_an_interruption_saves_and_the_same_command_goes_on(own, cohort):
    slow_suite(own)
    with running(command(cohort, "--seeds", "0", "--workers", "2")) as parent:
        wait_until(lambda: under_way("narrow-seed0") and under_way("wide-seed0"))
        parent.send_signal(signal.SIGINT)
        output, _ = parent.communicate(timeout=120)
        assert parent.returncode == 130
    assert "stopped with 0 of 2 runs finished; what was under way is saved" in output
    assert "all is saved" in Path("runs/b/runs/wide-seed0/log.txt").read_text()
    assert not Path("runs/b/failed.jsonl").exists()
    assert "2 runs finished, 0 finished before" in finish(cohort)


@pytest.mark.slow
def test_two_commands_share_the_runs_of_a_folder(own, cohort):
    slow_suite(own, 0.02)
    with running(command(cohort)) as first:
        wait_until(lambda: under_way("narrow-seed0"))
        said = finish(cohort)
        output, _ = first.communicate(timeout=300)
        assert first.returncode == 0
    assert "failed" not in output + said
    for run in ("narrow-seed0", "wide-seed0", "narrow-seed1", "wide-seed1"):
        log = (Path("runs/b/runs") / run / "log.txt").read_text()
        assert log.count(f"{run}: done") == 1


@pytest.mark.slow
def test_after_a_failure_no_more_is_begun_where_that_is_asked_for(own, cohort, capfd):
    words = ["benchmark", "run", "own.yaml", str(cohort.folder), "--plugin", PLUGIN, "--name", "b"]
    assert main([*words, "--set", "narrow:method.fails=true", "--on-failure", "stop", "--json"]) == 1
    result = json.loads(capfd.readouterr().out)
    assert list(result["failed"]) == ["narrow-seed0"]
    assert result["not_begun"] == ["wide-seed0", "narrow-seed1", "wide-seed1"]
    assert not Path("runs/b/runs/wide-seed0").exists()


def _dask(*words: str) -> subprocess.Popen[bytes]:
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    program = [sys.executable, "-m", f"distributed.cli.dask_{words[0]}", "--no-dashboard", *words[1:]]
    return subprocess.Popen(program, **quiet)


@contextmanager
def dask_workers(folder: Path, count: int) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    facts = folder / "scheduler.json"
    started = [_dask("scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(facts))]
    try:
        wait_until(lambda: facts.exists() and facts.read_text().endswith("}"))
        address = json.loads(facts.read_text())["address"]
        flags = ["--nthreads", "1", "--no-nanny", "--local-directory", str(folder / "workers")]
        workers = [_dask("worker", address, *flags) for _ in range(count)]
        started += workers
        yield address, workers
    finally:
        for process in started:
            process.kill()
            process.wait()


@pytest.mark.slow
def test_the_runs_of_a_lost_dask_worker_go_to_another(own, cohort):
    slow_suite(own)
    with (
        dask_workers(own, 2) as (address, workers),
        running(command(cohort, "--cluster", address)) as parent,
    ):
        wait_until(lambda: under_way("narrow-seed0") and under_way("wide-seed0"))
        workers[0].kill()
        output, _ = parent.communicate(timeout=600)
        assert parent.returncode == 0, output
    assert "4 runs finished, 0 finished before" in output
    assert not Path("runs/b/failed.jsonl").exists()
    logs = [path.read_text() for path in sorted(Path("runs/b/runs").glob("*/log.txt"))]
    assert len(logs) == 4
    assert sum("all is saved" in log for log in logs) == 1
    for run in ("narrow-seed0", "wide-seed0", "narrow-seed1", "wide-seed1"):
        check_finished(Path("runs/b/runs") / run, "student")
