"""One run of a benchmark, in this process: begun, gone on with, or only scored, under its lock."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, NamedTuple

from gaze_insight.benchmark.folder import BenchmarkFolder
from gaze_insight.benchmark.locking import RunLock
from gaze_insight.benchmark.planning import PlannedRun, check_same_settings, state_of
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.config.chest_config import ChestConfig
from gaze_insight.config.run_folder import RunFolder
from gaze_insight.training.loop import STATE_FILE
from gaze_insight.types import Progress, silent

__all__ = ["attempt", "end_with_parent"]

_STANDARD_INPUT, _GRACE_SECONDS = 0, 300.0


def attempt(
    folder: str | Path, run: str, *, wait_s: float = 0.0, progress: Progress = silent
) -> Literal["done", "finished before"]:
    """Bring one run of a benchmark to its end, from wherever it stands.

    Args:
        folder: The benchmark's folder.
        run: The run's name, ``<row>-seed<seed>``.
        wait_s: How long to wait where another process is at work on the run.
        progress: Receives progress; others can read it from the run's lock.

    Returns:
        Whether there was anything to do.

    Raises:
        TakenError: Another process is at work on the run.
        SettingsError: The run was begun with other settings.
        GazeInsightError: As training, evaluation and report raise.
    """
    benchmark = BenchmarkFolder(Path(folder))
    facts, planned = benchmark.facts(), benchmark.planned(run)
    with RunLock(planned.folder, wait_s=wait_s, lost=_stop_this_process) as lock:
        if state_of(planned) == "finished":
            return "finished before"
        check_same_settings(planned)

        def tell(what: str, done: int, total: int) -> None:
            lock.tell(what, done, total)
            progress(what, done, total)

        _go(planned, Cohort.open(facts.cohort_folder), facts.on_bad, tell)
    return "done"


def _go(planned: PlannedRun, cohort: Cohort, on_bad: Literal["raise", "skip"], progress: Progress) -> None:
    folder, device, verbs = RunFolder(planned.folder), planned.config.training.device, _verbs_of(planned)
    has_state = (folder.path / STATE_FILE).exists()
    trained = folder.weights.exists() and "train_seconds" in folder.plan()
    if not trained or (has_state and not folder.summary_json.exists()):
        resume = folder.has_begun()
        verbs.run(cohort, planned.config, folder.path, resume=resume, on_bad=on_bad, progress=progress)
        return
    if not folder.summary_json.exists():
        verbs.evaluate(folder.path, device=device, progress=progress)
    verbs.report(folder.path, device=device)


class _Verbs(NamedTuple):
    """What is done with a run, by its task."""

    run: Callable[..., Any]
    evaluate: Callable[..., Any]
    report: Callable[..., Any]


def _verbs_of(planned: PlannedRun) -> _Verbs:
    if isinstance(planned.config, ChestConfig):
        from gaze_insight.workflow.chest.evaluating import evaluate_chest
        from gaze_insight.workflow.chest.reporting import report_chest
        from gaze_insight.workflow.chest.running import run_chest

        return _Verbs(run_chest, evaluate_chest, report_chest)
    from gaze_insight.workflow.evaluating import evaluate
    from gaze_insight.workflow.reporting import report
    from gaze_insight.workflow.running import run

    return _Verbs(run, evaluate, report)


def end_with_parent() -> None:
    """Stop this process, its state saved, when the process that started it closes the pipe or ends.

    A thread waits for the end of standard input, which comes even where the parent was killed; what then
    happens is what SIGTERM does. A process that has not stopped five minutes later is ended.
    """
    threading.Thread(target=_wait_for_end, daemon=True, name="end-with-parent").start()


def _wait_for_end() -> None:
    with suppress(OSError):
        while os.read(_STANDARD_INPUT, 1024):
            pass
    _stop_this_process()
    time.sleep(_GRACE_SECONDS)
    os._exit(1)


def _stop_this_process() -> None:
    signal.raise_signal(signal.SIGTERM)
