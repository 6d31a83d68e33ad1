"""The rows of a suite on chest radiographs, and their differences to the reference."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from gaze_insight.benchmark.chest.reading import ChestBenchmark
from gaze_insight.evaluation.multiple_testing import holm
from gaze_insight.evaluation.run_comparison import RunComparison, compare
from gaze_insight.evaluation.run_estimate import RunEstimate, estimate
from gaze_insight.evaluation.run_scores import RunScores, ask
from gaze_insight.types import Progress, silent

__all__ = ["CLASSIFIED", "FIRST_METRIC", "LOOKED_AT", "ChestComparison", "ChestRow", "compare_chest"]

FIRST_METRIC = "auc_macro"
"""The score that decisions rest on."""

CLASSIFIED: Mapping[str, str] = {
    "auc_macro": "AUC",
    "auc_micro": "AUC, micro",
    "average_precision_macro": "AP",
    "f1_macro": "F1",
    "f1_micro": "F1, micro",
    "precision_macro": "precision",
    "recall_macro": "recall",
}
"""Scores of the classifier in the tables, and their heads; macro means over findings where not said."""

LOOKED_AT: Mapping[str, str] = {
    "cc": "CC",
    "kl": "KL",
    "jsd": "JSD",
    "nss": "NSS",
    "sim": "SIM",
    "auc_judd": "AUC-Judd",
    "com_distance": "centre distance",
    "box_energy": "box energy",
}
"""How attention agrees with gaze and boxes, and the heads; KL, JSD and centre distance are better low."""


@dataclass(frozen=True)
class ChestRow:
    """What is known of one row.

    Args:
        key: The row's key.
        label: Its name in the tables.
        note: What a reader should know about it.
        seeds: Seeds of its finished runs.
        estimates: By score.
        differences: Row minus reference, by score; empty for the reference.
        p_holm: p of the first score after Holm's correction over the rows; None where there is none.
    """

    key: str
    label: str
    note: str
    seeds: tuple[int, ...]
    estimates: Mapping[str, RunEstimate]
    differences: Mapping[str, RunComparison]
    p_holm: float | None = None

    @property
    def p(self) -> float | None:
        """P of the difference in the first score; None without one."""
        found = self.differences.get(FIRST_METRIC)
        return None if found is None else found.p

    @property
    def stands(self) -> bool | None:
        """Whether the difference in the first score leaves out 0 over patients and seeds.

        Over patients alone where a row has one seed; None without a difference.
        """
        found = self.differences.get(FIRST_METRIC)
        if found is None:
            return None
        ends = found.ci95_cases if found.ci95 is None else found.ci95
        return None if ends is None else ends[0] > 0 or ends[1] < 0


@dataclass(frozen=True)
class ChestComparison:
    """All rows of a suite.

    Args:
        benchmark: What was read.
        reference: Key of the row that the others are compared with; None where it has no finished run.
        rows: One a row of the suite, finished or not.
        resamples: Bootstrap draws.
    """

    benchmark: ChestBenchmark
    reference: str | None
    rows: tuple[ChestRow, ...]
    resamples: int


def compare_chest(
    benchmark: ChestBenchmark, *, resamples: int = 1000, progress: Progress = silent
) -> ChestComparison:
    """Compute every row of the tables.

    The score of a row is the mean over its seeds of the score of a run. Intervals come from drawing patients,
    and patients and seeds, with a fixed drawing: the same folder gives the same numbers.

    Args:
        benchmark: A benchmark folder, read.
        resamples: Bootstrap draws.
        progress: Receives progress in rows.

    Returns:
        The comparison; without differences where the reference has no finished run.

    Raises:
        DataError: Runs were scored on different cases, findings or labels.
    """
    wanted = benchmark.suite.reference
    reference = wanted if benchmark.runs.get(wanted) else None
    rows = []
    for done, key in enumerate(benchmark.rows, start=1):
        rows.append(_row(key, benchmark, reference, resamples))
        progress("comparing", done, len(benchmark.rows))
    return ChestComparison(benchmark, reference, _with_holm(rows), resamples)


def _row(key: str, benchmark: ChestBenchmark, reference: str | None, resamples: int) -> ChestRow:
    spec, runs = benchmark.suite.rows[key], [run.scores for run in benchmark.runs[key]]
    metrics = [*CLASSIFIED, *LOOKED_AT]
    estimates, differences = {}, {}
    for metric in metrics if runs else ():
        if not _is_scored(runs, metric):
            continue
        found = estimate(runs, metric, replicates=resamples)
        if math.isnan(found.mean):
            continue
        estimates[metric] = found
        if reference is not None and reference != key:
            base = [run.scores for run in benchmark.runs[reference]]
            if _is_scored([*runs, *base], metric):
                difference = compare(runs, base, metric, replicates=resamples)
                if not math.isnan(difference.difference):
                    differences[metric] = difference
    seeds = tuple(run.seed for run in runs)
    return ChestRow(key, spec.label, spec.note or "", seeds, estimates, differences)


def _is_scored(runs: Sequence[RunScores], metric: str) -> bool:
    """A score counts on the cases that have it in every run; there may be none."""
    return ask(runs, metric).known_cases() > 0


def _with_holm(rows: list[ChestRow]) -> tuple[ChestRow, ...]:
    known = {row.key: row.p for row in rows if row.p is not None}
    corrected = dict(zip(known, holm(list(known.values())), strict=True))
    return tuple(
        replace(row, p_holm=float(corrected[row.key])) if row.key in corrected else row for row in rows
    )
