"""The rows of a benchmark with what their numbers are worth, and their differences to a reference."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gaze_insight.benchmark.collecting import Benchmark
from gaze_insight.benchmark.curves import curve_study
from gaze_insight.benchmark.results import (
    Comparison,
    Difference,
    Estimate,
    RowResult,
    StratumEstimate,
    StratumRange,
)
from gaze_insight.benchmark.run_reading import Run
from gaze_insight.benchmark.scores import (
    TABLE_METRICS,
    CommonCases,
    ScoreTable,
    common_cases,
    patient_of,
    score_table,
)
from gaze_insight.benchmark.selection_bias import selection_bias
from gaze_insight.evaluation.multiple_testing import holm
from gaze_insight.evaluation.statistics import (
    bootstrap_interval,
    crossed_bootstrap_interval,
    paired_permutation_p,
)
from gaze_insight.evaluation.strata import size_strata
from gaze_insight.evaluation.variance_components import variance_components
from gaze_insight.types import Progress, silent

__all__ = ["compare"]


@dataclass(frozen=True)
class _Setting:
    """What every row is computed with."""

    benchmark: Benchmark
    cases: CommonCases
    strata: tuple[StratumRange, ...]
    resamples: int

    def groups(self, ids: Sequence[str]) -> list[Hashable] | None:
        if self.cases.groups is None:
            return None
        return [patient_of(one, self.benchmark.patients) for one in ids]

    def table(self, row: str, metric: str) -> ScoreTable | None:
        runs, output = self.benchmark.runs_of(row), self.benchmark.suite.rows[row].output
        return score_table(runs, output, metric, self.cases)


def compare(benchmark: Benchmark, *, resamples: int = 2000, progress: Progress = silent) -> Comparison:
    """Compute every row of the tables.

    All rows are compared over the cases that every finished run has scored. The mean over seeds is taken for
    each case first. The drawing of the bootstrap and of the permutation test is fixed: the same folder gives
    the same numbers.

    Args:
        benchmark: A benchmark folder, read.
        resamples: Bootstrap resamples.
        progress: Receives progress in rows.

    Returns:
        The comparison; without differences where the reference has no finished run.

    Raises:
        DataError: The finished runs share no case.
    """
    cases = common_cases(benchmark)
    setting = _Setting(benchmark, cases, _stratum_ranges(benchmark, cases), resamples)
    wanted = benchmark.suite.reference
    reference = wanted if wanted in benchmark.rows and benchmark.runs_of(wanted) else None
    rows: list[RowResult] = []
    for done, key in enumerate(benchmark.rows, start=1):
        rows.append(_row(key, reference, setting))
        progress("comparing", done, len(benchmark.rows))
    curves = curve_study(benchmark, cases, resamples=resamples)
    return Comparison(
        benchmark=benchmark,
        reference=reference,
        rows=_with_holm(rows),
        cases=cases,
        strata=setting.strata,
        absent=tuple(dict.fromkeys(one for key in benchmark.rows for one in benchmark.absent_of(key))),
        warnings=(
            *benchmark.warnings,
            *_warnings(benchmark, rows, cases, reference),
            *(() if curves is None else curves.notes),
        ),
        resamples=resamples,
        curves=curves,
    )


def _row(key: str, reference: str | None, setting: _Setting) -> RowResult:
    benchmark, spec = setting.benchmark, setting.benchmark.suite.rows[key]
    runs, reported = benchmark.runs_of(key), {str(name): value for name, value in spec.reported.items()}
    tables = {metric: setting.table(key, metric) for metric in TABLE_METRICS}
    known = {metric: table for metric, table in tables.items() if table is not None}
    estimates = {metric: _estimate(table, setting) for metric, table in known.items()}
    differences: dict[str, Difference] = {}
    if reference is not None and reference != key:
        for metric, table in known.items():
            found = _difference(table, setting.table(reference, metric), key, reference, setting)
            if found is not None:
                differences[metric] = found
    dice = known.get("dice")
    hours = None if spec.supervision == "full" else _mean(run.facts.gaze_hours for run in runs)
    return RowResult(
        key=key,
        label=spec.label,
        supervision=spec.supervision,
        output=spec.output,
        runs_of=benchmark.suite.runs_of(key),
        seeds=tuple(run.seed for run in runs),
        planned_seeds=len(benchmark.facts.seeds),
        estimates=estimates,
        differences=differences,
        strata=() if dice is None else _strata(key, dice, reference, setting),
        case_means={}
        if dice is None
        else dict(zip(dice.ids, dice.values.mean(axis=1).tolist(), strict=True)),
        reported=reported,
        reported_inside={
            metric: one.cases_ci95[0] <= reported[metric] <= one.cases_ci95[1]
            for metric, one in estimates.items()
            if metric in reported
        },
        external=any(run.external for run in runs),
        note=spec.note or "",
        selection=selection_bias(runs, spec.output, setting.cases, resamples=setting.resamples),
        gaze_hours=hours,
        gaze_source=runs[0].facts.gaze_source if runs and hours is not None else "",
        train_seconds=None if spec.output == "pseudomask" else _mean(run.facts.train_seconds for run in runs),
        parameters=_parameters(runs, spec.output),
    )


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _parameters(runs: Sequence[Run], output: str) -> int | None:
    """Weights of the part that makes the output: the part of that name, or the only one there is."""
    parts = runs[0].facts.parameters if runs else None
    if not parts or output == "pseudomask":
        return None
    if output in parts:
        return parts[output]
    return next(iter(parts.values())) if len(parts) == 1 else None


def _estimate(table: ScoreTable, setting: _Setting) -> Estimate:
    groups = setting.groups(table.ids)
    means = table.values.mean(axis=0)
    return Estimate(
        mean=float(table.values.mean()),
        seed_means=tuple(means.tolist()),
        sd_seeds=float(means.std(ddof=1)) if len(means) > 1 else None,
        cases_ci95=bootstrap_interval(table.values.mean(axis=1), groups=groups, resamples=setting.resamples),
        cases_seeds_ci95=crossed_bootstrap_interval(table.values, groups=groups, resamples=setting.resamples),
        cases=len(table.ids),
        excluded=table.excluded,
        components=variance_components(table.values, groups=groups),
    )


def _difference(
    table: ScoreTable, base: ScoreTable | None, key: str, reference: str, setting: _Setting
) -> Difference | None:
    if base is None:
        return None
    known = set(base.ids)
    ids = [one for one in table.ids if one in known]
    if not ids:
        return None
    ours, theirs, groups = table.at(ids), base.at(ids), setting.groups(ids)
    suite = setting.benchmark.suite
    means, base_means = ours.mean(axis=1), theirs.mean(axis=1)
    p = paired_permutation_p(means, base_means, groups=groups)
    return Difference(
        mean=float((means - base_means).mean()),
        cases_ci95=bootstrap_interval(means - base_means, groups=groups, resamples=setting.resamples),
        cases_seeds_ci95=crossed_bootstrap_interval(
            ours,
            theirs,
            groups=groups,
            same_seeds=suite.runs_of(key) == suite.runs_of(reference) and table.seeds == base.seeds,
            resamples=setting.resamples,
        ),
        p=p,
        p_holm=p,
        cases=len(ids),
        seeds=ours.shape[1],
        reference_seeds=theirs.shape[1],
    )


def _with_holm(rows: Sequence[RowResult]) -> tuple[RowResult, ...]:
    """Correct each metric's p-values over the rows of the table."""
    corrected: dict[str, dict[str, Difference]] = {row.key: {} for row in rows}
    for metric in TABLE_METRICS:
        having = [row for row in rows if metric in row.differences]
        for row, p in zip(having, holm([row.differences[metric].p for row in having]), strict=True):
            corrected[row.key][metric] = replace(row.differences[metric], p_holm=float(p))
    return tuple(replace(row, differences=corrected[row.key]) for row in rows)


def _stratum_ranges(benchmark: Benchmark, cases: CommonCases) -> tuple[StratumRange, ...]:
    runs = next(runs for row in benchmark.rows if (runs := benchmark.runs_of(row)))
    wanted = set(cases.ids)
    output = next(head for head, scores in runs[0].scores.items() if wanted <= {one.id for one in scores})
    scores = sorted((one for one in runs[0].scores[output] if one.id in wanted), key=lambda one: one.id)
    return tuple(
        StratumRange(one.name, one.low_frac, one.high_frac, tuple(score.id for score in one.scores))
        for one in size_strata(scores)
    )


def _strata(
    key: str, table: ScoreTable, reference: str | None, setting: _Setting
) -> tuple[StratumEstimate, ...]:
    base = None if reference in (None, key) else setting.table(str(reference), "dice")
    found = []
    for stratum in setting.strata:
        ids = [one for one in stratum.ids if one in set(table.ids)]
        if not ids:
            continue
        groups, means = setting.groups(ids), table.at(ids).mean(axis=1)
        difference = None if base is None else means - base.at(ids).mean(axis=1)
        found.append(
            StratumEstimate(
                name=stratum.name,
                cases=len(ids),
                mean=float(means.mean()),
                cases_ci95=bootstrap_interval(means, groups=groups, resamples=setting.resamples),
                difference=None if difference is None else float(difference.mean()),
                difference_ci95=None
                if difference is None
                else bootstrap_interval(difference, groups=groups, resamples=setting.resamples),
            )
        )
    return tuple(found)


def _warnings(
    benchmark: Benchmark, rows: Sequence[RowResult], cases: CommonCases, reference: str | None
) -> list[str]:
    found = []
    if reference is None:
        found.append(
            f"The reference row {benchmark.suite.reference!r} has no finished run: no differences are given."
        )
    if cases.left_out:
        found.append(
            f"{len(cases.left_out)} of {len(cases.ids) + len(cases.left_out)} cases are not scored in every "
            f"run and are left out of all rows; the first is {cases.left_out[0]!r}."
        )
    partial = [row.label for row in rows if row.seeds and not row.complete]
    if partial:
        found.append(f"Some seeds are missing, and the rows' means rest on the others: {', '.join(partial)}.")
    if any(len(row.seeds) == 1 for row in rows):
        found.append(
            "A row with one seed tells nothing of how much another training would differ: it has no interval "
            "over seeds."
        )
    other = sorted({run.row for run in _all_runs(benchmark) if not _keeps_protocol(run, benchmark)})
    if other:
        labels = "; ".join(benchmark.suite.rows[row].label for row in other)
        found.append(f"The protocol of the suite was not kept by the runs of: {labels}.")
    policies = {run.facts.empty_masks for run in _all_runs(benchmark)}
    if len(policies - {""}) > 1:
        found.append("The runs were scored under different policies for empty masks.")
    machines = {run.facts.hardware for run in _all_runs(benchmark)} - {""}
    if len(machines) > 1:
        found.append(
            f"The runs were made on {len(machines)} kinds of processors; times of training do not compare."
        )
    excluded = max((one.excluded for row in rows for one in row.estimates.values()), default=0)
    if excluded:
        found.append(
            f"Distances leave out cases in which a run has none (up to {excluded} in a row): a method that "
            "misses lesions looks better in them than it is."
        )
    return found


def _all_runs(benchmark: Benchmark) -> list[Run]:
    return [run for runs in benchmark.runs.values() for run in runs]


def _keeps_protocol(run: Run, benchmark: Benchmark) -> bool:
    return run.facts.protocol.startswith(benchmark.suite.protocol)
