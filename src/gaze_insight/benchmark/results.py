"""What the tables say, as values: estimates, differences, strata, rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gaze_insight.benchmark.collecting import Benchmark
from gaze_insight.benchmark.curve_results import CurveStudy
from gaze_insight.benchmark.run_reading import AbsentRun
from gaze_insight.benchmark.scores import CommonCases
from gaze_insight.benchmark.selection_bias import SelectionBias
from gaze_insight.evaluation.variance_components import VarianceComponents

__all__ = [
    "Comparison",
    "Difference",
    "Estimate",
    "RowResult",
    "StratumEstimate",
    "StratumRange",
]

Interval = tuple[float, float]


@dataclass(frozen=True)
class Estimate:
    """The mean of one metric of one row.

    Args:
        mean: Mean over cases and seeds.
        seed_means: Mean over cases of each seed.
        sd_seeds: Sample deviation of the seeds' means; None with one seed.
        cases_ci95: 95 % interval over cases (patients) of the mean over seeds, for these very runs.
        cases_seeds_ci95: 95 % interval over cases and seeds, for runs with new seeds; None with one seed.
        cases: Number of cases.
        excluded: Common cases without a number in some run.
        components: The variance split into cases and seeds.
    """

    mean: float
    seed_means: tuple[float, ...]
    sd_seeds: float | None
    cases_ci95: Interval
    cases_seeds_ci95: Interval | None
    cases: int
    excluded: int
    components: VarianceComponents


@dataclass(frozen=True)
class Difference:
    """A row minus the reference on the same cases, the mean over seeds taken first.

    Args:
        mean: Mean difference.
        cases_ci95: 95 % interval over cases (patients), for these very runs.
        cases_seeds_ci95: 95 % interval over cases and seeds; None where either has one seed.
        p: Two-sided p of the paired sign-flip test over cases (patients).
        p_holm: The same after Holm's correction over the table's rows.
        cases: Number of cases in both.
        seeds: Number of seeds of the row.
        reference_seeds: Number of seeds of the reference.

    Example:
        >>> Difference(0.02, (0.01, 0.03), (-0.01, 0.05), 0.01, 0.04, 100, 2, 3).holds
        False
    """

    mean: float
    cases_ci95: Interval
    cases_seeds_ci95: Interval | None
    p: float
    p_holm: float
    cases: int
    seeds: int
    reference_seeds: int

    @property
    def beyond_cases(self) -> bool:
        """Whether these very runs differ beyond the chance of the cases: Holm p below 0.05."""
        return self.p_holm < 0.05

    @property
    def beyond_seeds(self) -> bool | None:
        """Whether the interval over cases and seeds leaves out 0; None where seeds tell nothing."""
        if self.cases_seeds_ci95 is None:
            return None
        return self.cases_seeds_ci95[0] > 0 or self.cases_seeds_ci95[1] < 0

    @property
    def holds(self) -> bool:
        """Whether the difference is beyond the chance of the cases and, as far as known, of the seeds."""
        return self.beyond_cases and self.beyond_seeds is not False


@dataclass(frozen=True)
class StratumRange:
    """Which lesions a stratum holds.

    Args:
        name: "small", "medium", "large" or "all".
        low_frac: Smallest true area in it, as a share of the image.
        high_frac: Largest.
        ids: Its cases.

    Example:
        >>> StratumRange("small", 0.01, 0.05, ("a",)).name
        'small'
    """

    name: str
    low_frac: float
    high_frac: float
    ids: tuple[str, ...]


@dataclass(frozen=True)
class StratumEstimate:
    """A row's Dice on the lesions of one size.

    Args:
        name: The stratum.
        cases: Number of cases.
        mean: Mean Dice over cases and seeds.
        cases_ci95: 95 % interval over cases (patients).
        difference: Mean difference to the reference; None without one.
        difference_ci95: Its 95 % interval over cases.

    Example:
        >>> StratumEstimate("small", 33, 0.6, (0.5, 0.7), None, None).cases
        33
    """

    name: str
    cases: int
    mean: float
    cases_ci95: Interval
    difference: float | None
    difference_ci95: Interval | None


@dataclass(frozen=True)
class RowResult:
    """One row of the table.

    Args:
        key: Its key in the suite.
        label: Its name in the table.
        supervision: What its labels cost a person.
        output: The head that it shows.
        runs_of: The row whose runs it shows.
        seeds: Seeds of its finished runs.
        planned_seeds: Number of seeds asked for.
        estimates: By metric; empty where no run is finished.
        differences: To the reference, by metric; empty for the reference itself.
        strata: Dice by size of the lesion.
        case_means: Dice of each common case, the mean over seeds.
        reported: The paper's own figures.
        reported_inside: Whether the 95 % interval over cases holds the reported mean, by metric.
        gaze_hours: Time that the gaze on the training images took, from which points, boxes and scribbles are
            made too; None for true masks.
        gaze_source: How it was measured.
        train_seconds: Mean time of a training.
        parameters: Weights of the network that predicts.
        external: Its runs were made by another program.
        note: The suite's remark on the row.
        selection: What choosing the weights on the test set added; None under the protocol "honest".
    """

    key: str
    label: str
    supervision: str
    output: str
    runs_of: str
    seeds: tuple[int, ...]
    planned_seeds: int
    estimates: Mapping[str, Estimate]
    differences: Mapping[str, Difference]
    strata: tuple[StratumEstimate, ...]
    case_means: Mapping[str, float]
    reported: Mapping[str, float]
    reported_inside: Mapping[str, bool]
    gaze_hours: float | None
    gaze_source: str
    train_seconds: float | None
    parameters: int | None
    external: bool
    note: str
    selection: SelectionBias | None

    @property
    def complete(self) -> bool:
        """Whether a run of every seed asked for is finished."""
        return len(self.seeds) == self.planned_seeds


@dataclass(frozen=True)
class Comparison:
    """All that the tables say.

    Args:
        benchmark: What was read.
        reference: Key of the reference; None where it has no finished run.
        rows: The rows, in the suite's order.
        cases: The cases that all rows are compared over.
        strata: Which lesions each stratum holds.
        absent: Runs that are not in the tables.
        warnings: What a reader must know before believing the numbers.
        resamples: Bootstrap resamples.
        curves: Dice over images and annotation time; None where no row is on a curve.
    """

    benchmark: Benchmark
    reference: str | None
    rows: tuple[RowResult, ...]
    cases: CommonCases
    strata: tuple[StratumRange, ...]
    absent: tuple[AbsentRun, ...]
    warnings: tuple[str, ...]
    resamples: int
    curves: CurveStudy | None = None
