"""Factories for benchmark folders with the files that real runs on chest radiographs leave."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gaze_insight.benchmark.folder import BenchmarkFacts
from gaze_insight.benchmark.planning import plan_runs
from gaze_insight.benchmark.suite import Suite, SuiteRow, SuiteScale, save_suite
from gaze_insight.config.loading import to_yaml
from gaze_insight.evaluation.radiograph_cases import RadiographTable, write_radiograph_table
from gaze_insight.evaluation.saliency import SaliencyScores

FINDINGS = ("Edema", "Pneumonia", "Rare Thing")
"""Of the last no test case is positive, so that it has no AUC."""
SKILL = {"no_gaze": 1.0, "gaze": 3.0, "shuffled": 0.9}
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def chest_suite(**changes: Any) -> Suite:
    """Three rows at the scale of a first try."""
    rows = {
        "no_gaze": SuiteRow(label="no gaze", supervision="labels", set=("gaze.use=false",)),
        "gaze": SuiteRow(label="gaze & co_1", supervision="labels and gaze"),
        "shuffled": SuiteRow(
            label="gaze of another image",
            supervision="labels and gaze",
            set=("gaze.shuffled=true",),
            note="A control.",
        ),
    }
    values: dict[str, Any] = {
        "name": "small_chest",
        "title": "A small suite of radiographs",
        "task": "chest_xray",
        "scales": {"tiny": SuiteScale(presets=("chest_tiny",))},
        "default_scale": "tiny",
        "reference": "no_gaze",
        "rows": rows,
    }
    return Suite(**{**values, **changes})


def drawn_table(skill: float, seed: int, cases: int = 40, *, looks: bool = True) -> RadiographTable:
    """Labels are the same for all rows; two cases a patient; gaze is there for every second case."""
    truth = np.random.default_rng(7)
    labels = (truth.random((cases, len(FINDINGS))) < 0.4).astype(np.float64)
    labels[:, -1] = 0
    labels[2, 0] = np.nan
    own = np.random.default_rng([round(skill * 10), seed])
    odds = skill * (np.nan_to_num(labels, nan=0.5) - 0.5) + own.normal(size=labels.shape)
    saliency = tuple(
        SaliencyScores(cc=0.2 * skill + own.normal(0, 0.05), kl=2 / skill, com_distance=0.3)
        if looks and number % 2
        else SaliencyScores()
        for number in range(cases)
    )
    ids = tuple(f"9{number:05d}" for number in range(cases))
    patients = tuple(f"p{number // 2}" for number in range(cases))
    return RadiographTable(ids, patients, FINDINGS, np.round(1 / (1 + np.exp(-odds)), 5), labels, saliency)


def write_chest_run(
    folder: Path, table: RadiographTable, *, seed: int, config: Any, cohort: str = "drawn"
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text(to_yaml(config), encoding="utf-8")
    write_radiograph_table(folder / "cases.csv", table)
    contents = {
        "calibration": {"thresholds": dict.fromkeys(table.findings, 0.5), "rule": "f1"},
        "summary": {
            "task": "chest_xray",
            "method": config.method_name,
            "cohort": cohort,
            "seed": seed,
            "split": {"train": 70, "val": 20, "test": len(table.ids)},
            "protocol": "honest (averaged weights; thresholds of validation; test scored after training)",
            "seen_in_training": 0,
        },
        "environment": {"gaze-insight": "0.9.0", "hardware": "A processor", "commit": COMMIT},
    }
    for name, content in contents.items():
        (folder / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    (folder / "report.html").write_text("")


def make_chest_benchmark(
    folder: Path,
    *,
    suite: Suite | None = None,
    seeds: Sequence[int] = (0, 1, 2),
    cases: int = 40,
    skip: Sequence[tuple[str, int]] = (),
    skill: Mapping[str, float] = SKILL,
    looks: bool = True,
    **facts: Any,
) -> Path:
    """Write a benchmark whose runs are finished, but for those to skip."""
    suite = chest_suite() if suite is None else suite
    folder.mkdir(parents=True)
    save_suite(suite, folder / "suite.yaml")
    values: dict[str, Any] = {
        "suite": suite.name,
        "scale": suite.default_scale,
        "cohort": "drawn",
        "cohort_folder": str(folder.parent / "drawn-cohort"),
        "seeds": tuple(seeds),
        "rows": tuple(suite.rows),
        "protocol": "honest",
        "started": "2025-01-01T00:00:00+00:00",
        "version": "0.9.0",
    }
    begun = BenchmarkFacts(**{**values, **facts})
    (folder / "benchmark.json").write_text(json.dumps(begun.model_dump(mode="json")), encoding="utf-8")
    (folder / "runs").mkdir()
    for run in plan_runs(suite, None, seeds, begun.rows, begun.set, folder):
        if (run.row, run.seed) in skip or run.row not in skill:
            continue
        table = drawn_table(skill[run.row], run.seed, cases, looks=looks)
        write_chest_run(run.folder, table, seed=run.seed, config=run.config)
    return folder
