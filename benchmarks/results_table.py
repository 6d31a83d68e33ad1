"""Put finished runs into one Markdown table: Dice by head, mean and sd over seeds, interval over test cases.

    python benchmarks/results_table.py runs/kvasir-*

Runs of the same method and target on the same cohort are one row group. The interval is the bootstrap over
test cases of the Dice averaged over seeds; sd is between the seeds' means. The last column compares the row
with the reference row, case by case (mean difference, bootstrap interval, permutation p).
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np

from gaze_insight.config.run_folder import RunFolder
from gaze_insight.evaluation.cases import read_cases_csv
from gaze_insight.evaluation.statistics import bootstrap_interval, paired_permutation_p

Row = tuple[str, str]


def collect(paths: list[Path]) -> dict[Row, dict[int, dict[str, float]]]:
    """Read the Dice of each case for each (run kind, head) and seed."""
    rows: dict[Row, dict[int, dict[str, float]]] = defaultdict(dict)
    cohort = RunFolder(paths[0]).plan()["cohort"]
    for path in paths:
        folder = RunFolder(path)
        config = folder.config()
        kind = config.method_name
        if kind == "unet":
            kind = (
                "unet on true masks"
                if config.method.target == "mask"
                else f"unet on gaze ({config.method.target})"
            )
        if folder.plan()["cohort"] != cohort:
            raise SystemExit(f"{path} is of another cohort than {paths[0]}")
        if config.seed in {seed for (known, _), seeds in rows.items() if known == kind for seed in seeds}:
            raise SystemExit(f"{path}: a second run of {kind!r} with seed {config.seed}")
        for score in read_cases_csv(folder.cases_csv):
            key = ("no training", "pseudomask") if score.head == "pseudomask" else (kind, score.head)
            rows[key].setdefault(config.seed, {})[score.id] = score.dice
    return rows


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--reference", default="unet on gaze (comprehensive)")
    arguments = parser.parse_args()
    rows = collect(arguments.runs)
    reference = next((seeds for (kind, _), seeds in rows.items() if kind == arguments.reference), None)
    ids = sorted(set.intersection(*(set(case) for seeds in rows.values() for case in seeds.values())))
    print(f"{len(ids)} test cases\n")
    print(f"| method | output | Dice | 95 % interval | sd over seeds | seeds | minus {arguments.reference} |")
    print("|---|---|---|---|---|---|---|")
    means = {
        key: np.mean([[case[one] for one in ids] for case in seeds.values()], axis=0)
        for key, seeds in rows.items()
    }
    base = (
        None if reference is None else np.mean([[c[one] for one in ids] for c in reference.values()], axis=0)
    )
    for key, seeds in sorted(rows.items(), key=lambda item: means[item[0]].mean()):
        low, high = bootstrap_interval(means[key])
        each = [np.mean([case[one] for one in ids]) for case in seeds.values()]
        sd = f"{np.std(each, ddof=1):.3f}" if len(each) > 1 else "-"
        versus = "-"
        if base is not None and not np.array_equal(base, means[key]):
            difference = means[key] - base
            bounds = bootstrap_interval(difference)
            p = paired_permutation_p(means[key], base)
            versus = f"{difference.mean():+.3f} [{bounds[0]:+.3f}, {bounds[1]:+.3f}], p = {p:.3f}"
        shown = ", ".join(map(str, sorted(seeds)))
        cells = [*key, f"{means[key].mean():.3f}", f"{low:.3f} to {high:.3f}", sd, shown, versus]
        print(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
