"""One function over many items: here, in processes, on a cluster; with workers that die on the way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

import cv2
import pytest
from dask_processes import running_cluster, running_scheduler, running_workers
from parallel_work import break_down, end_at_three, note_slowly, square, tell

from gaze_insight.cohort.datasets.synthetic import import_synthetic
from gaze_insight.cohort.synthetic import SyntheticSettings
from gaze_insight.errors import DataError, GazeInsightError, SettingsError
from gaze_insight.pseudomask.recipe import PseudoMaskSettings
from gaze_insight.workflow import parallel, workers
from gaze_insight.workflow.labelling import label
from gaze_insight.workflow.parallel import map_items

_RECIPE = PseudoMaskSettings(working_long_side_px=64)


class _Watched(Sequence[int]):
    """Numbers that remember how many of them were taken."""

    def __init__(self, count: int) -> None:
        self.count, self.taken = count, 0

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, place):
        raise NotImplementedError

    def __iter__(self) -> Iterator[int]:
        for number in range(self.count):
            self.taken += 1
            yield number


@pytest.fixture(scope="module")
def cohort_folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("many")
    settings = SyntheticSettings(cases=80, size_px=(48, 64))
    return import_synthetic(place / "source", place / "cohort", settings=settings)


@pytest.fixture
def cohort(cohort_folder):
    for path in (cohort_folder.derived.folder / "pseudomask").glob("*"):
        path.unlink()
    return cohort_folder


def _masks(cohort) -> set[str]:
    return {path.name for path in (cohort.derived.folder / "pseudomask").glob("*.npz")}


def test_one_process_works_in_order_and_only_as_results_are_taken():
    numbers, seen = _Watched(100), []
    with closing(
        map_items(square, numbers, workers=1, what="squaring", progress=lambda *a: seen.append(a))
    ) as all:
        for number, result in all:
            if number == 8:
                break
            assert isinstance(result, DataError) if number == 7 else result == number * number
    assert numbers.taken == 9
    assert seen == [("squaring", done, 100) for done in range(1, 9)]


def test_a_programming_error_is_not_swallowed():
    with pytest.raises(RuntimeError, match="a mistake"):
        list(map_items(break_down, range(3), workers=1))


def test_few_items_stay_in_this_process():
    assert {result["process"] for _, result in map_items(tell, range(3), workers=2)} == {os.getpid()}


@pytest.mark.parametrize("options", [{"workers": 0}, {"workers": 2, "cluster": "tcp://127.0.0.1:1"}])
def test_contradictions_are_refused_at_once(options):
    with pytest.raises(SettingsError):
        map_items(square, range(3), **options)


def test_processes_give_each_item_once_and_bring_errors_home_whole():
    numbers, seen, threads = _Watched(90), [], cv2.getNumThreads()
    with closing(map_items(tell, numbers, workers=2, progress=lambda *one: seen.append(one))) as results:
        first = next(results)
        assert numbers.taken <= 2 * parallel._PER_WORKER
        found = dict([first, *results])
    assert sorted(found) == list(range(90))
    error = found.pop(7)
    assert (type(error), error.path, error.row, error.remedy) == (
        DataError,
        Path("seven.png"),
        3,
        "take eight",
    )
    assert len({one["process"] for one in found.values()} - {os.getpid()}) == 2
    kept = {
        tuple(one[name] for name in ("opencv", "openmp", "trimming", "interrupt")) for one in found.values()
    }
    assert kept == {(1, "1", None, True)}
    assert cv2.getNumThreads() == threads
    assert seen == [("working", done, 90) for done in range(1, 91)]


def test_an_item_that_ends_its_worker_is_named_and_costs_no_other_item():
    found = dict(map_items(end_at_three, range(12), workers=2, least_per_worker=1))
    error = found.pop(3)
    assert found == {number: -number for number in range(12) if number != 3}
    assert isinstance(error, GazeInsightError)
    assert "each of 2 worker processes" in str(error)
    assert "memory" in error.remedy


def test_a_cluster_that_loses_a_worker_in_the_middle_loses_no_case(cohort, tmp_path):
    counted: Counter[int] = Counter()
    with running_cluster(tmp_path, 2) as (address, processes):

        def kill_one(what: str, done: int, total: int) -> None:
            counted[done] += 1
            if done == 12:
                processes[0].send_signal(signal.SIGKILL)

        report = label(cohort, _RECIPE, cluster=address, progress=kill_one)
        assert processes[0].wait(5) == -signal.SIGKILL
        assert processes[1].poll() is None
        assert (report.made, report.cached, report.failed) == (80, 0, {})
        assert len(_masks(cohort)) == 80
        assert counted == dict.fromkeys(range(1, 81), 1)
        again = label(cohort, _RECIPE, cluster=address)
    assert (again.made, again.cached) == (0, 80)
    assert not list(cohort.derived.folder.glob(".seen-*"))


def test_a_cluster_does_what_one_process_does(cohort, tmp_path):
    some = list(cohort.cases.values())[:6]
    label(cohort, _RECIPE, cases=some, workers=1)
    alone = {name: (cohort.derived.folder / "pseudomask" / name).read_bytes() for name in _masks(cohort)}
    for name in alone:
        (cohort.derived.folder / "pseudomask" / name).unlink()
    with running_cluster(tmp_path, 1) as (address, _):
        label(cohort, _RECIPE, cases=some, cluster=address)
        with pytest.raises(SettingsError, match=r"a worker has gaze-insight .* this process has 0\.0\.1"):
            _with_version("0.0.1", address)
        with pytest.raises(RuntimeError, match="a mistake"):
            list(map_items(break_down, range(3), cluster=address))
    assert {n: (cohort.derived.folder / "pseudomask" / n).read_bytes() for n in _masks(cohort)} == alone


def _with_version(version: str, address: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parallel, "__version__", version)
        list(map_items(square, range(3), cluster=address))


def test_a_cluster_that_cannot_be_used_is_named_with_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(workers, "_CONNECT_SECONDS", 0.4)
    with pytest.raises(SettingsError, match=r"no dask scheduler answers at 'tcp://127\.0\.0\.1:9'") as caught:
        list(map_items(square, range(3), cluster="tcp://127.0.0.1:9"))
    assert "dask scheduler" in caught.value.remedy
    with pytest.raises(SettingsError, match="no dask scheduler answers at 'carrier pigeon'"):
        list(map_items(square, range(3), cluster="carrier pigeon"))
    for wrong in ("nowhere", "http://x:1", "tcp://"):
        with pytest.raises(SettingsError, match=f"no dask scheduler answers at '{wrong}'"):
            list(map_items(square, range(3), cluster=wrong))
    with (
        running_scheduler(tmp_path) as (address, _),
        pytest.raises(SettingsError, match="has no workers") as caught,
    ):
        list(map_items(square, range(3), cluster=address))
    assert f"dask worker {address}" in caught.value.remedy


def test_a_module_that_the_workers_do_not_have_is_named(tmp_path, monkeypatch):
    (tmp_path / "only_here.py").write_text("def double(number):\n    return 2 * number\n")
    monkeypatch.syspath_prepend(tmp_path)
    from only_here import double

    with (
        running_cluster(tmp_path, 1) as (address, _),
        pytest.raises(SettingsError, match="cannot import 'only_here'") as caught,
    ):
        list(map_items(double, range(3), cluster=address))
    assert "on all machines" in caught.value.remedy


def _end_after_one(process: subprocess.Popen[bytes], folder: Path, address: str) -> None:
    for _ in map_items(partial(note_slowly, folder), range(40), cluster=address):
        process.kill()


def test_a_cluster_that_goes_away_stops_the_work_and_keeps_what_was_done(tmp_path, monkeypatch):
    monkeypatch.setattr(parallel, "_LOOK_SECONDS", 0.2)
    monkeypatch.setattr(parallel, "_LOST_SECONDS", 0.5)
    notes = tmp_path / "notes"
    notes.mkdir()
    with running_cluster(tmp_path, 1) as (address, processes):
        with pytest.raises(GazeInsightError, match="no worker for") as caught:
            _end_after_one(processes[0], notes, address)
        assert "run again" in caught.value.remedy
    assert 1 <= len(list(notes.iterdir())) < 40


def test_a_scheduler_that_goes_away_is_named(tmp_path):
    with (
        running_scheduler(tmp_path) as (address, scheduler),
        running_workers(address, tmp_path, 1),
        pytest.raises(GazeInsightError, match=r"scheduler .*: "),
    ):
        _end_after_one(scheduler, tmp_path, address)


def test_a_worker_that_does_not_see_the_folder_refuses(tmp_path, monkeypatch):
    monkeypatch.setattr(parallel.time, "sleep", lambda seconds: None)
    monkeypatch.setattr(parallel, "_one_thread", lambda: None)
    work = parallel._Work(square, parallel.__version__, tmp_path / "not-here" / ".seen-1")
    with pytest.raises(SettingsError, match="a worker does not see the folder") as caught:
        work(2)
    assert "network drive" in caught.value.remedy
    work.token.parent.mkdir()
    work.token.touch()
    assert work(2) == 4
    with pytest.raises(SettingsError, match=r"this process has 0\.0\.1"):
        parallel._Work(square, "0.0.1", None)(2)


def test_a_shared_folder_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(SettingsError, match="cannot be written to"):
        list(map_items(square, range(4), cluster="tcp://127.0.0.1:9", shared=tmp_path / "file"))


def test_processes_that_do_not_start_are_said_with_what_to_do(monkeypatch):
    def refuse(**settings: object) -> None:
        raise OSError("no room")

    monkeypatch.setattr("distributed.LocalCluster", refuse)
    with pytest.raises(GazeInsightError, match="2 worker processes could not be started: no room") as caught:
        list(map_items(square, range(4), workers=2, least_per_worker=1))
    assert "--workers 1" in caught.value.remedy


def test_versions_that_do_not_fit_are_named():
    def versions(python: str) -> dict[str, object]:
        return {"host": {"python": f"{python}.4.final.0"}, "packages": {"distributed": "2026.1.0"}}

    class Other:
        def wait_for_workers(self, count, timeout): ...

        def get_versions(self):
            return {
                "client": versions("3.11"),
                "scheduler": versions("3.11"),
                "workers": {"w": versions("3.13")},
            }

    with pytest.raises(SettingsError, match=r"w of the cluster has Python 3\.13, distributed 2026"):
        workers._check_cluster(Other(), "tcp://a:1")


def _running_in_group(group: int) -> list[str]:
    """Commands of a process group that are still alive, a moment after its leader ended."""
    time.sleep(0.3)
    table = subprocess.run(
        ["ps", "-A", "-o", "pgid=,stat=,args="], capture_output=True, text=True, check=True
    )
    rows = [line.split(None, 2) for line in table.stdout.splitlines()]
    return [row[2] for row in rows if row[0] == str(group) and not row[1].startswith("Z")]


def test_an_interrupted_command_keeps_its_masks_and_goes_on_from_them(cohort):
    words = [
        "label",
        str(cohort.folder),
        "--workers",
        "2",
        "--quiet",
        "--set",
        "labels.working_long_side_px=64",
    ]
    program = [sys.executable, "-W", "error::ResourceWarning", "-m", "gaze_insight.cli.app", *words]
    process = subprocess.Popen(
        program, stderr=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    )
    watch = threading.Timer(60, process.kill)
    watch.start()
    while len(_masks(cohort)) < 5 and process.poll() is None:
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGINT)
    said, heard = process.communicate()
    watch.cancel()
    kept = len(_masks(cohort))
    assert (process.returncode, heard.decode()) == (130, "stopped: interrupted; finished steps are kept\n")
    assert said == b""
    assert 5 <= kept < 80
    assert not _running_in_group(process.pid)
    assert not list(cohort.derived.folder.glob(".seen-*"))
    report = label(cohort, _RECIPE, workers=2)
    assert (report.made, report.cached) == (80 - kept, kept)
    assert len(_masks(cohort)) == 80


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_cases(tmp_path):
    import psutil

    settings = SyntheticSettings(cases=2000, size_px=(96, 128))
    many = import_synthetic(tmp_path / "source", tmp_path / "cohort", settings=settings)
    here, megabytes = psutil.Process(), {}

    def weigh(what: str, done: int, total: int) -> None:
        if done % 500 == 0:
            heavy = [one for one in here.children(recursive=True) if one.memory_info().rss > 64e6]
            megabytes[done] = [round(one.memory_info().rss / 1e6) for one in (here, *heavy)]

    label(many, _RECIPE, workers=2, progress=weigh)
    first, last = sorted(megabytes[500]), sorted(megabytes[2000])
    assert len(first) == len(last) == 3
    assert all(after - before < 25 for before, after in zip(first, last, strict=True)), megabytes
