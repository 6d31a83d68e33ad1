"""What `gaze-insight benchmark` says: rows, plans, news and results."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from gaze_insight.cli.console import count_of, print_json, say
from gaze_insight.errors import GazeInsightError

if TYPE_CHECKING:
    from gaze_insight.benchmark.driving import BenchmarkResult, RunNews
    from gaze_insight.benchmark.folder import BenchmarkFolder
    from gaze_insight.benchmark.planning import PlannedRun
    from gaze_insight.benchmark.suite import Suite

__all__ = ["line_writer", "row_head", "row_line", "tell_plan", "tell_result"]

_LINE_SECONDS = 15.0


def row_line(suite: Suite, key: str, configs: dict[str, Any]) -> str:
    """Write a row of a suite as a line: key, label, supervision, what it runs as, the paper's Dice.

    Args:
        suite: The suite.
        key: The row's key.
        configs: Row to settings, for the rows that have runs of their own.

    Returns:
        The line.
    """
    row = suite.rows[key]
    if row.made_by is not None:
        runs_as = "made in another way"
    elif row.of is not None:
        runs_as = f"{row.output} of {row.of}"
    else:
        config = configs[key]
        runs_as = f"{config.method_name}, {config.training.input_size_px} px"
        runs_as += f", {row.output}" if suite.task == "segmentation" else ""
    said = row.reported
    shown = f"Dice {100 * said['dice']:.2f}" if "dice" in said else ""
    shown += f" +- {100 * said['dice_sd']:.2f}" if "dice_sd" in said else ""
    return _columns(suite, key, row.label, row.supervision, runs_as, shown)


def row_head(suite: Suite) -> str:
    """Write the heads over the lines of `row_line`.

    Args:
        suite: The suite.

    Returns:
        The line.
    """
    last = "reported" if suite.task == "segmentation" else ""
    return _columns(suite, "row", "label", "supervision", "runs as", last)


def _columns(suite: Suite, key: str, label: str, supervision: str, runs_as: str, shown: str) -> str:
    rows = suite.rows.values()
    long, wide = (
        max([41, *(len(row.label) for row in rows)]),
        max([12, *(len(row.supervision) for row in rows)]),
    )
    return f"{key:<23} {label:<{long}} {supervision:<{wide}} {runs_as:<33} {shown}".rstrip()


def tell_plan(planned: Sequence[PlannedRun], folder: BenchmarkFolder, *, json: bool) -> None:
    """List runs and how far they are.

    Args:
        planned: The runs.
        folder: The benchmark's folder.
        json: As JSON.
    """
    from gaze_insight.benchmark.locking import read_holder
    from gaze_insight.benchmark.planning import state_of

    found = [(run, state_of(run), read_holder(run.folder)) for run in planned]
    if json:
        runs = [
            {
                "run": run.name,
                "row": run.row,
                "seed": run.seed,
                "state": state,
                "method": run.config.method_name,
                "under_way": None if holder is None else vars(holder),
            }
            for run, state, holder in found
        ]
        print_json({"folder": str(folder.path), "runs": runs})
        return
    for run, state, holder in found:
        now = "" if holder is None else f"under way: {holder.what} {holder.done}/{holder.total}"
        say(f"{run.name:<34}{run.config.method_name:<16}{state:<12}{now}".rstrip())
    open_runs = sum(state != "finished" for _, state, _ in found)
    say(f"{count_of(len(found), 'run')}, {open_runs} not finished; folder: {folder.path}")


def tell_result(result: BenchmarkResult, *, json: bool) -> None:
    """Say what came of a suite.

    Args:
        result: What came of it.
        json: As JSON.

    Raises:
        GazeInsightError: A run failed; exit code 1.
    """
    if json:
        print_json(vars(result))
    else:
        kept, done = len(result.finished_before), len(result.finished)
        say(
            f"{count_of(done, 'run')} finished, {kept} finished before; {result.seconds:.0f} s: "
            f"{result.folder}"
        )
        if result.script is not None:
            handed = (
                f"{count_of(len(result.submitted), 'run')} submitted"
                if result.submitted
                else "submit it: sbatch"
            )
            say(f"{handed}: {result.script}")
        for run, text in result.failed.items():
            say(f"failed: {run}: {text} (log: {result.folder / 'runs' / run / 'log.txt'})")
        if result.not_begun:
            say(f"not begun after a failure: {', '.join(result.not_begun)}")
        if result.script is None and done + kept:
            say(f"next: gaze-insight benchmark table {result.folder}")
    if result.failed:
        raise GazeInsightError(
            f"{count_of(len(result.failed), 'run')} failed; the others are kept",
            path=result.folder / "failed.jsonl",
            remedy="look at the logs; the same command tries them again",
        )


def line_writer() -> Callable[[RunNews], None]:
    """Write a line for each piece of news on standard error; of a run under way, one now and then."""
    written: dict[str, float] = {}
    rates: dict[str, tuple[str, float, int]] = {}

    def write(news: RunNews) -> None:
        now, text = time.monotonic(), news.text
        if news.kind == "progress":
            if news.holder is None or now - written.get(news.run, now - _LINE_SECONDS) < _LINE_SECONDS:
                return
            holder = news.holder
            what, since, first = rates.get(news.run, ("", now, 0))
            if what != holder.what:
                since, first = now, holder.done
                rates[news.run] = (holder.what, since, first)
            text = f"{holder.what or 'starting'} {holder.done}/{holder.total}"
            if holder.done > first and now > since:
                text += f", {(holder.total - holder.done) * (now - since) / (holder.done - first):.0f} s left"
        elif news.kind == "waiting" and news.run in written:
            return
        written[news.run] = now
        said = text if news.kind == "progress" else ": ".join(part for part in (news.kind, text) if part)
        sys.stderr.write(f"[{news.done}/{news.total}] {news.run}: {said}\n")
        sys.stderr.flush()

    return write
