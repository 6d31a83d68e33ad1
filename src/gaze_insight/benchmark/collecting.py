"""A benchmark folder, read: which runs there are, which are not, and whose images they were scored on."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gaze_insight.benchmark.folder import BenchmarkFacts, BenchmarkFolder
from gaze_insight.benchmark.planning import AnyConfig, plan_runs
from gaze_insight.benchmark.run_reading import AbsentRun, Run, read_run
from gaze_insight.benchmark.suite import Suite
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.errors import DataError, SettingsError

__all__ = [
    "Benchmark",
    "collect",
    "first_reason",
    "planned_configs",
    "read_failures",
    "strangers",
    "with_failure",
]

_TRUTH_TOLERANCE = 1e-6


@dataclass(frozen=True)
class Benchmark:
    """Everything the tables are made from.

    Args:
        folder: The benchmark's folder.
        suite: Its suite, with the protocol it was run under.
        facts: What it was begun with: scale, seeds, cohort, settings.
        rows: Keys of the rows asked for, in the suite's order.
        patients: Case id to patient, for cases whose patient is known.
        runs: Finished runs by the key of the row that owns them, by seed.
        absent: Runs asked for that the tables do not use.
        warnings: What a reader should know about the folder.
    """

    folder: Path
    suite: Suite
    facts: BenchmarkFacts
    rows: tuple[str, ...]
    patients: Mapping[str, str]
    runs: Mapping[str, tuple[Run, ...]]
    absent: tuple[AbsentRun, ...]
    warnings: tuple[str, ...]

    def runs_of(self, row: str) -> tuple[Run, ...]:
        """Give the finished runs that a row shows, its own or those of another row.

        Args:
            row: The row's key.

        Returns:
            The runs by seed; those without the row's output are left out.
        """
        output = self.suite.rows[row].output
        return tuple(run for run in self.runs.get(self.suite.runs_of(row), ()) if output in run.scores)

    def absent_of(self, row: str) -> tuple[AbsentRun, ...]:
        """Give what a row lacks.

        Args:
            row: The row's key.

        Returns:
            The absent runs, by seed.
        """
        owner, output = self.suite.runs_of(row), self.suite.rows[row].output
        lacking = [
            AbsentRun(row, run.seed, "other cases", f"has no output {output!r}")
            for run in self.runs.get(owner, ())
            if output not in run.scores
        ]
        absent = [one for one in self.absent if one.row == owner]
        return tuple(sorted([*absent, *lacking], key=lambda one: one.seed))


def collect(folder: str | Path) -> Benchmark:
    """Read a benchmark folder; nothing is computed and nothing is written.

    A run counts if it is finished, its configuration is what the suite composes for it, and its true masks
    are those of the other runs. What does not count is listed with the reason. Runs made by another program
    (a row with ``made_by``, such as the nnU-Net adapter's) need ``cases.csv`` and ``summary.json`` alone.

    Args:
        folder: The folder that ``benchmark run`` has made.

    Returns:
        The benchmark.

    Raises:
        DataError: The folder is no benchmark, its files are damaged, or no run in it is finished.

    Example:
        >>> collect("nowhere")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        gaze_insight.errors.DataError: nowhere: expected the folder of a benchmark, found no benchmark.json...
    """
    files = BenchmarkFolder(Path(folder))
    facts, suite = files.facts(), _read_suite(files)
    rows = tuple(row for row in suite.rows if row in facts.rows)
    patients, warnings = _read_patients(facts.cohort_folder)
    owners = tuple(dict.fromkeys(suite.runs_of(row) for row in rows))
    planned, unplanned = planned_configs(suite, facts, owners)
    failures = read_failures(files)
    found = [
        _read_one(files, suite, owner, seed, planned, unplanned, facts.cohort)
        for owner in owners
        for seed in sorted(facts.seeds)
    ]
    runs, absent = _same_truth([one for one in found if isinstance(one, Run)], suite)
    absent = [*absent, *(with_failure(one, failures) for one in found if isinstance(one, AbsentRun))]
    if not runs:
        raise DataError(
            f"none of the {len(found)} runs of this benchmark is finished" + first_reason(absent),
            path=files.path,
            remedy=f"run it, or go on with it: gaze-insight benchmark run {facts.suite} COHORT",
        )
    warnings += strangers(files.runs, owners, facts.seeds)
    return Benchmark(
        folder=files.path,
        suite=suite,
        facts=facts,
        rows=rows,
        patients=patients,
        runs={owner: tuple(run for run in runs if run.row == owner) for owner in owners},
        absent=tuple(sorted(absent, key=lambda one: (owners.index(one.row), one.seed))),
        warnings=tuple(warnings),
    )


def _read_suite(files: BenchmarkFolder) -> Suite:
    try:
        return files.suite()
    except SettingsError as error:
        raise DataError(error.message, path=error.path, row=error.row, remedy=error.remedy) from error


def _read_patients(folder: str) -> tuple[dict[str, str], list[str]]:
    try:
        cohort = Cohort.open(folder)
    except DataError:
        message = (
            "The cohort is not where it was, so patients are unknown: intervals treat every image as "
            "independent."
        )
        return {}, [message]
    return {case.id: case.patient for case in cohort.cases.values() if case.patient is not None}, []


def planned_configs(
    suite: Suite, facts: BenchmarkFacts, owners: Sequence[str]
) -> tuple[dict[tuple[str, int], AnyConfig], dict[str, str]]:
    """Compose what each run should have been made with, and name the rows that cannot be composed here.

    Args:
        suite: The suite.
        facts: What the benchmark was begun with.
        owners: Rows with runs of their own.

    Returns:
        Settings by row and seed, and by row why they cannot be composed.
    """
    planned: dict[tuple[str, int], AnyConfig] = {}
    unplanned: dict[str, str] = {}
    for owner in owners:
        if suite.rows[owner].made_by is not None:
            continue
        try:
            runs = plan_runs(suite, facts.scale, facts.seeds, [owner], facts.set)
        except SettingsError as error:
            unplanned[owner] = f"its settings cannot be composed: {error.message}"
            continue
        planned |= {(run.row, run.seed): run.config for run in runs}
    return planned, unplanned


def _read_one(
    files: BenchmarkFolder,
    suite: Suite,
    owner: str,
    seed: int,
    planned: Mapping[tuple[str, int], AnyConfig],
    unplanned: Mapping[str, str],
    cohort: str,
) -> Run | AbsentRun:
    if owner in unplanned:
        return AbsentRun(owner, seed, "other settings", unplanned[owner])
    place = files.runs / f"{owner}-seed{seed}"
    found = read_run(place, owner, seed, planned=planned.get((owner, seed)), cohort=cohort)
    made_by = suite.rows[owner].made_by
    if made_by is not None and isinstance(found, AbsentRun) and found.state == "missing":
        return AbsentRun(owner, seed, "missing", f"not made yet; make it with: {made_by}")
    return found


def read_failures(files: BenchmarkFolder) -> dict[tuple[str, int], str]:
    """Read how runs ended that failed; the last failure of each counts.

    Args:
        files: The benchmark's folder.

    Returns:
        By row and seed, in words; empty where none failed.

    Raises:
        DataError: A line is no record.
    """
    if not files.failed_jsonl.is_file():
        return {}
    failures: dict[tuple[str, int], str] = {}
    lines = files.failed_jsonl.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines, start=1):
        try:
            record = json.loads(line)
            words = f"its last process ended with exit code {record['exit_code']}, see {record['log']}"
            failures[str(record["row"]), int(record["seed"])] = words
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"expected the record of a failed run, found {line[:40]!r}",
                path=files.failed_jsonl,
                row=number,
                remedy="remove the line",
            ) from error
    return failures


def with_failure(found: AbsentRun, failures: Mapping[tuple[str, int], str]) -> AbsentRun:
    """Add to an absent run how its last process ended.

    Args:
        found: The run.
        failures: As `read_failures` gives them.

    Returns:
        The run; unchanged where nothing failed.
    """
    failure = failures.get((found.row, found.seed))
    if failure is None or found.state not in ("missing", "unfinished"):
        return found
    return replace(found, reason=f"{found.reason}; {failure}")


def _same_truth(runs: Sequence[Run], suite: Suite) -> tuple[list[Run], list[AbsentRun]]:
    """Leave out runs whose true masks are not those of the reference (or of the first run)."""
    kept: list[Run] = []
    left_out: list[AbsentRun] = []
    owner = suite.runs_of(suite.reference)
    truth: dict[str, float] = {}
    for run in sorted(runs, key=lambda run: run.row != owner):
        areas = {score.id: score.true_area_frac for scores in run.scores.values() for score in scores}
        other = [one for one, area in areas.items() if abs(truth.get(one, area) - area) > _TRUTH_TOLERANCE]
        if other:
            reason = f"other true masks than the runs before it in {len(other)} of {len(areas)} cases"
            left_out.append(AbsentRun(run.row, run.seed, "other cases", reason))
        else:
            truth |= areas
            kept.append(run)
    return sorted(kept, key=lambda run: run.seed), left_out


def first_reason(absent: Sequence[AbsentRun]) -> str:
    """Say why a run is not used, one that was begun if there is one.

    Args:
        absent: Runs that are not used.

    Returns:
        The end of a sentence; empty without such runs.
    """
    if not absent:
        return ""
    first = next((one for one in absent if one.state != "missing"), absent[0])
    return f"; {first.row}, seed {first.seed}: {first.reason}"


def strangers(folder: Path, owners: Sequence[str], seeds: Sequence[int]) -> list[str]:
    """Name folders of runs that belong to no row and seed asked for.

    Args:
        folder: The folder of the runs.
        owners: Rows with runs of their own.
        seeds: The seeds asked for.

    Returns:
        A sentence for the reader, or none.
    """
    wanted = {f"{owner}-seed{seed}" for owner in owners for seed in seeds}
    found = sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and entry.name not in wanted)
    found = [name for name in found if not name.startswith(".")]
    if not found:
        return []
    named = ", ".join(found[:5]) + (", ..." if len(found) > 5 else "")
    count = f"{len(found)} folder{'s' if len(found) > 1 else ''}"
    return [
        f"{count} in runs/ belong to no row and seed of this benchmark and are not in the tables: {named}."
    ]
