"""Does attention agree with the gaze on its own image, beyond the average look? For a suite of radiographs.

python benchmarks/own_look.py BENCHMARK [--reference no_gaze]

Reads the scored runs of a benchmark's folder (``predictions/attention.npz``, ``cases.csv``) and prints, for
each row, the mean over cases and seeds of `agreement_beyond_others`, and the difference to the reference with
a 95 % interval over patients and seeds.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from gaze_insight.benchmark.chest.reading import ChestRun, collect_chest
from gaze_insight.evaluation.own_look import agreement_beyond_others
from gaze_insight.evaluation.patient_bootstrap import crossed_patient_bootstrap
from gaze_insight.evaluation.weighted_scores import mean_of_draws


def scores_of(run: ChestRun) -> np.ndarray:
    """Score the cases of a run, in the order of its table."""
    with np.load(run.folder / "predictions" / "attention.npz") as maps:
        found = agreement_beyond_others(maps["attention"], maps["gaze"])
        by_id = dict(zip(map(str, maps["ids"]), found, strict=True))
    return np.array([by_id[one] for one in run.scores.cases])


def main() -> None:
    """Print a line for each row."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("benchmark", type=Path)
    parser.add_argument("--reference", default="no_gaze")
    asked = parser.parse_args()
    benchmark = collect_chest(asked.benchmark)
    patients = benchmark.runs[asked.reference][0].scores.patients
    rows = {row: [scores_of(run) for run in runs] for row, runs in benchmark.runs.items() if runs}
    statistics = {
        row: [lambda weights, own=own: mean_of_draws(own[:, None], weights) for own in tables]
        for row, tables in rows.items()
    }
    for row, tables in rows.items():
        line = f"{row:<20}{np.nanmean(tables):.3f}"
        if row != asked.reference:
            pair = statistics[row], statistics[asked.reference]
            found = crossed_patient_bootstrap(*pair, patients)
            low, high = found.interval()
            line += f"   minus {asked.reference} {float(found.value[0]):+.3f} [{low:+.3f}, {high:+.3f}]"
        print(line)


if __name__ == "__main__":
    main()
