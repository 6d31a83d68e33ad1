"""The folder of a benchmark: begun once, and gone on with by the same suite on the same cohort."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from gaze_insight import __version__
from gaze_insight.atomic import write_text_atomic
from gaze_insight.benchmark.planning import PlannedRun, check_same_settings, plan_runs
from gaze_insight.benchmark.suite import Suite, load_suite, save_suite
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.errors import DataError, SettingsError
from gaze_insight.types import Settings

__all__ = ["BenchmarkFacts", "BenchmarkFolder"]

LOG_FILE = "log.txt"


class BenchmarkFacts(Settings):
    """What a benchmark's folder was begun with; ``benchmark.json``."""

    suite: str
    scale: str
    cohort: str = Field(description="the cohort's name")
    cohort_folder: str = Field(description="where it lies")
    seeds: tuple[int, ...] = Field(description="the seeds asked for so far")
    rows: tuple[str, ...] = Field(description="the rows asked for so far, in the suite's order")
    set: tuple[str, ...] = Field((), description="what --set gave to the runs")
    protocol: Literal["honest", "paper"]
    plugins: tuple[str, ...] = Field(
        (), description="the user's modules that the runs import first; files by their whole path"
    )
    on_bad: Literal["raise", "skip"] = Field("raise", description="what an unreadable training case does")
    started: str
    version: str


class BenchmarkFolder:
    """The files of a benchmark.

    Args:
        path: The folder; it need not exist yet.

    Example:
        >>> BenchmarkFolder(Path("runs/all")).log_of("unet-seed0").as_posix()
        'runs/all/runs/unet-seed0/log.txt'
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.suite_yaml = path / "suite.yaml"
        self.facts_json = path / "benchmark.json"
        self.failed_jsonl = path / "failed.jsonl"
        self.runs = path / "runs"

    def log_of(self, run: str) -> Path:
        """Say where a run's log lies.

        Args:
            run: The run's name, ``<row>-seed<seed>``.
        """
        return self.runs / run / LOG_FILE

    def begun(self) -> bool:
        """Tell whether the folder holds a benchmark."""
        return self.facts_json.exists()

    def facts(self) -> BenchmarkFacts:
        """Read what the benchmark was begun with.

        Raises:
            DataError: There is none, or it is damaged.
        """
        try:
            return BenchmarkFacts.model_validate_json(self.facts_json.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise DataError(
                "expected the folder of a benchmark, found no benchmark.json there",
                path=self.path,
                remedy="begin one with: gaze-insight benchmark run SUITE COHORT",
            ) from error
        except (OSError, UnicodeDecodeError, ValidationError) as error:
            raise DataError(f"the file cannot be read ({error})", path=self.facts_json) from error

    def suite(self) -> Suite:
        """Read the benchmark's suite, with its protocol as it is run."""
        return load_suite(self.suite_yaml)

    def begin(
        self,
        suite: Suite,
        cohort: Cohort,
        *,
        scale: str | None = None,
        seeds: Sequence[int] | None = None,
        rows: Sequence[str] | None = None,
        overrides: Sequence[str] | None = None,
        plugins: Sequence[str] | None = None,
        on_bad: Literal["raise", "skip"] = "raise",
        write: bool = True,
    ) -> list[PlannedRun]:
        """Begin the folder, or check that it is gone on with as it was begun, and plan the runs asked for.

        What is None is taken from the folder, and for a new one from the suite. Seeds and rows may be added
        to a folder that has begun.

        Args:
            suite: The suite, with the protocol to run under.
            cohort: The cohort.
            scale: One of the suite's scales.
            seeds: The seeds wanted now.
            rows: The rows wanted now.
            overrides: Settings for all rows, or ``row:dotted.key=value`` for one.
            plugins: The user's modules, in place of the folder's; a file is kept by its whole path, so that
                another working folder does.
            on_bad: What an unreadable training case does.
            write: Write the folder's files; without, only plan.

        Returns:
            The runs wanted now, finished ones included.

        Raises:
            SettingsError: The folder was begun with another suite, scale, cohort, protocol or --set, one of
                its runs was begun with other settings, or a row cannot be composed.
        """
        before = self.facts() if self.begun() else None
        facts = _resolve(before, suite, cohort, scale, seeds, rows, overrides, plugins, on_bad)
        if before is not None:
            self._check_same(before, facts)
        wanted = list(rows) if rows is not None else list(facts.rows)
        planned = plan_runs(
            suite, facts.scale, facts.seeds if seeds is None else seeds, wanted, facts.set, self.path
        )
        for run in planned:
            check_same_settings(run)
        if write:
            save_suite(suite, self.suite_yaml)
            write_text_atomic(self.facts_json, json.dumps(facts.model_dump(mode="json"), indent=2) + "\n")
        return planned

    def planned(self, run: str) -> PlannedRun:
        """Compose one of the benchmark's runs from what the folder holds.

        Args:
            run: The run's name, ``<row>-seed<seed>``.

        Returns:
            The run.

        Raises:
            SettingsError: There is no such row.
        """
        facts = self.facts()
        row, sign, seed = run.rpartition("-seed")
        if not sign or not seed.isdigit():
            raise SettingsError(f"expected the name of a run, such as unet-seed0, found {run!r}")
        return plan_runs(self.suite(), facts.scale, [int(seed)], [row], facts.set, self.path)[0]

    def record_failure(self, run: str, exit_code: int, lines: Sequence[str]) -> None:
        """Add a failed run to ``failed.jsonl``; a later success stands in the run's folder.

        Args:
            run: The run's name.
            exit_code: How its process ended; negative for a signal.
            lines: The last lines that it wrote.
        """
        row, _, seed = run.rpartition("-seed")
        record = {
            "run": run,
            "row": row,
            "seed": int(seed),
            "exit_code": exit_code,
            "time": _now(),
            "log": str(self.log_of(run).relative_to(self.path)),
            "last_lines": list(lines),
        }
        self.path.mkdir(parents=True, exist_ok=True)
        with self.failed_jsonl.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(record) + "\n")
            stream.flush()
            os.fsync(stream.fileno())

    def _check_same(self, before: BenchmarkFacts, now: BenchmarkFacts) -> None:
        same: dict[str, tuple[Any, Any]] = {
            "suite": (before.suite, now.suite),
            "scale": (before.scale, now.scale),
            "cohort": (before.cohort_folder, now.cohort_folder),
            "protocol": (before.protocol, now.protocol),
            "--set": (" ".join(before.set) or "nothing", " ".join(now.set) or "nothing"),
        }
        for what, (then, found) in same.items():
            if then != found:
                raise SettingsError(
                    f"the benchmark was begun with {what} {then}, found {found}",
                    path=self.path,
                    remedy="give the new benchmark another folder with --name",
                )


def _resolve(
    before: BenchmarkFacts | None,
    suite: Suite,
    cohort: Cohort,
    scale: str | None,
    seeds: Sequence[int] | None,
    rows: Sequence[str] | None,
    overrides: Sequence[str] | None,
    plugins: Sequence[str] | None,
    on_bad: Literal["raise", "skip"],
) -> BenchmarkFacts:
    chosen = list(suite.rows) if rows is None and before is None else [*(rows or ()), *_of(before, "rows")]
    unknown = [row for row in rows or () if row not in suite.rows]
    asked = suite.seeds if seeds is None and before is None else (*(seeds or ()), *_of(before, "seeds"))
    return BenchmarkFacts(
        suite=suite.name,
        scale=scale or (before.scale if before else suite.default_scale),
        cohort=cohort.name,
        cohort_folder=str(cohort.folder.resolve()),
        seeds=tuple(sorted(set(asked))),
        rows=tuple(row for row in (*suite.rows, *unknown) if row in chosen),
        set=tuple(_of(before, "set") if overrides is None else overrides),
        protocol=suite.protocol,
        plugins=tuple(_of(before, "plugins") if plugins is None else map(_placed, plugins)),
        on_bad=on_bad,
        started=before.started if before else _now(),
        version=before.version if before else __version__,
    )


def _placed(plugin: str) -> str:
    return str(Path(plugin).resolve()) if plugin.endswith(".py") else plugin


def _of(before: BenchmarkFacts | None, field: str) -> tuple[Any, ...]:
    return () if before is None else tuple(getattr(before, field))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
