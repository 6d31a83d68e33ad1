"""A benchmark folder of chest radiographs, read: its runs, and what each says of the test cases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from gaze_insight.benchmark.collecting import (
    first_reason,
    planned_configs,
    read_failures,
    strangers,
    with_failure,
)
from gaze_insight.benchmark.folder import BenchmarkFacts, BenchmarkFolder
from gaze_insight.benchmark.run_reading import AbsentRun, setting_differences
from gaze_insight.benchmark.suite import Suite
from gaze_insight.config.run_folder import RunFolder
from gaze_insight.config.tasks import load_run_config
from gaze_insight.errors import DataError, GazeInsightError
from gaze_insight.evaluation.radiograph_cases import read_radiograph_table
from gaze_insight.evaluation.run_scores import RunScores, align
from gaze_insight.evaluation.saliency import SALIENCY_METRICS
from gaze_insight.methods.classifiers import CLASSIFIERS
from gaze_insight.types import Settings

__all__ = ["ChestBenchmark", "ChestRun", "collect_chest"]


@dataclass(frozen=True, eq=False)
class ChestRun:
    """A finished run on chest radiographs.

    Args:
        row: Key of the row it belongs to.
        folder: Its folder.
        scores: What it says of each test case.
        summary: Its ``summary.json``.
        environment: Its ``environment.json``; empty where there is none.
        reads_text: Whether it reads the test cases' texts, as only a control does.
    """

    row: str
    folder: Path
    scores: RunScores
    summary: Mapping[str, Any]
    environment: Mapping[str, Any] = field(default_factory=dict)
    reads_text: bool = False

    @property
    def seed(self) -> int:
        """The run's seed."""
        return self.scores.seed


@dataclass(frozen=True, eq=False)
class ChestBenchmark:
    """Everything the tables are made from.

    Args:
        folder: The benchmark's folder.
        suite: Its suite.
        facts: What it was begun with: scale, seeds, cohort, settings.
        rows: Keys of the rows asked for, in the suite's order.
        runs: Finished runs by row, by seed.
        absent: Runs asked for that the tables do not use.
        warnings: What a reader should know, in sentences.
    """

    folder: Path
    suite: Suite
    facts: BenchmarkFacts
    rows: tuple[str, ...]
    runs: Mapping[str, tuple[ChestRun, ...]]
    absent: tuple[AbsentRun, ...]
    warnings: tuple[str, ...] = ()


def collect_chest(folder: str | Path) -> ChestBenchmark:
    """Read a benchmark folder; nothing is computed and nothing is written.

    Args:
        folder: The folder that ``benchmark run`` has made from a suite on chest radiographs.

    Returns:
        The benchmark.

    Raises:
        DataError: The folder is no benchmark, its files are damaged, or no run in it is finished.

    Example:
        >>> collect_chest("nowhere")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        gaze_insight.errors.DataError: nowhere: expected the folder of a benchmark, found no benchmark.json...
    """
    files = BenchmarkFolder(Path(folder))
    facts, suite = files.facts(), files.suite()
    rows = tuple(row for row in suite.rows if row in facts.rows)
    planned, unplanned = planned_configs(suite, facts, rows)
    failures = read_failures(files)
    found: list[ChestRun | AbsentRun] = []
    for row in rows:
        for seed in sorted(facts.seeds):
            if row in unplanned:
                found.append(AbsentRun(row, seed, "other settings", unplanned[row]))
                continue
            place = files.runs / f"{row}-seed{seed}"
            one = _read(place, row, seed, planned[row, seed], facts.cohort)
            found.append(with_failure(one, failures) if isinstance(one, AbsentRun) else one)
    absent = [one for one in found if isinstance(one, AbsentRun)]
    runs, others = _same_cases([one for one in found if isinstance(one, ChestRun)], suite)
    absent = sorted([*absent, *others], key=lambda one: (rows.index(one.row), one.seed))
    if not runs:
        raise DataError(
            f"none of the {len(found)} runs of this benchmark is finished" + first_reason(absent),
            path=files.path,
            remedy=f"run it, or go on with it: gaze-insight benchmark run {facts.suite} COHORT",
        )
    return ChestBenchmark(
        folder=files.path,
        suite=suite,
        facts=facts,
        rows=rows,
        runs={row: tuple(run for run in runs if run.row == row) for row in rows},
        absent=tuple(absent),
        warnings=tuple(strangers(files.runs, rows, facts.seeds)),
    )


def _read(folder: Path, row: str, seed: int, planned: Settings, cohort: str) -> ChestRun | AbsentRun:
    files = RunFolder(folder)
    if not (files.summary_json.is_file() and files.cases_csv.is_file()):
        if not files.config_yaml.is_file():
            return AbsentRun(row, seed, "missing", "not started")
        done = files.weights.is_file()
        return AbsentRun(row, seed, "unfinished", "trained, not scored" if done else "training not finished")
    try:
        config = load_run_config(files.config_yaml)
        differences = setting_differences(config, planned)
        if differences:
            return AbsentRun(row, seed, "other settings", "; ".join(differences[:3]))
        summary = files.read_json(files.summary_json)
        if summary.get("cohort") != cohort:
            reason = f"scored on the cohort {summary.get('cohort')!r}, the benchmark's is {cohort!r}"
            return AbsentRun(row, seed, "other cases", reason)
        made = files.read_json(files.environment_json) if files.environment_json.is_file() else {}
        reads_text = CLASSIFIERS[config.method_name].needs_text
        return ChestRun(row, files.path, _scores(files, seed), summary, made, reads_text)
    except GazeInsightError as error:
        return AbsentRun(row, seed, "damaged", str(error).splitlines()[0])


def _same_cases(runs: Sequence[ChestRun], suite: Suite) -> tuple[list[ChestRun], list[AbsentRun]]:
    """Leave out runs whose test cases, findings or labels are not the reference's (or the first run's)."""
    kept: list[ChestRun] = []
    left_out: list[AbsentRun] = []
    for run in sorted(runs, key=lambda run: run.row != suite.reference):
        try:
            align([[(kept or [run])[0].scores, run.scores]])
        except DataError as error:
            model = kept[0]
            reason = f"unlike {model.row}, seed {model.seed}: {error.message}"
            left_out.append(AbsentRun(run.row, run.seed, "other cases", reason))
        else:
            kept.append(run)
    return sorted(kept, key=lambda run: run.seed), left_out


def _scores(files: RunFolder, seed: int) -> RunScores:
    table = read_radiograph_table(files.cases_csv)
    if not table.ids or not table.findings:
        raise DataError("expected scored test cases, found none", path=files.cases_csv)
    thresholds = files.read_json(files.calibration_json).get("thresholds", {})
    missing = [name for name in table.findings if not isinstance(thresholds.get(name), int | float)]
    if missing:
        raise DataError(f"expected a threshold of {missing[0]!r}, found none", path=files.calibration_json)
    return RunScores(
        cases=table.ids,
        patients=[patient or f"case {one}" for one, patient in zip(table.ids, table.patients, strict=True)],
        findings=table.findings,
        probabilities=np.asarray(table.probabilities, dtype=np.float64),
        labels=np.asarray(table.labels, dtype=np.float64),
        thresholds=np.array([float(thresholds[name]) for name in table.findings]),
        measures={
            name: np.array([getattr(one, name) for one in table.saliency], dtype=np.float64)
            for name in SALIENCY_METRICS
        },
        seed=seed,
    )
