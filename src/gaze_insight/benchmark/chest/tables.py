"""The tables of a suite on chest radiographs, as plain text in cells."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping

from gaze_insight.benchmark.chest.comparison import (
    CLASSIFIED,
    FIRST_METRIC,
    LOOKED_AT,
    ChestComparison,
    ChestRow,
)
from gaze_insight.benchmark.chest.reading import ChestRun
from gaze_insight.benchmark.suite import list_suites
from gaze_insight.benchmark.tables.layout import p_text, signed
from gaze_insight.evaluation.run_comparison import RunComparison
from gaze_insight.evaluation.run_estimate import RunEstimate
from gaze_insight.insight.study_page import StudyTable

__all__ = ["chest_command", "chest_facts", "chest_tables", "chest_verdict", "chest_warnings"]

_NONE = "–"
_Cell = Callable[[ChestRow], str]


def chest_tables(comparison: ChestComparison) -> list[StudyTable]:
    """Lay out every table of a comparison.

    Args:
        comparison: The comparison.

    Returns:
        The classifier's AUC with differences first; then its other scores, attention against gaze and boxes,
        differences in these, and absent runs, each only where there is something to say.
    """
    tables = [
        _main(comparison),
        _means(comparison, "Other scores of the classifier", _OTHERS, _OTHER_CAPTION),
        _means(comparison, "Attention against gaze and boxes", LOOKED_AT, _ATTENTION_CAPTION),
        _differences(comparison, "Differences in the other scores", _OTHERS),
        _differences(comparison, "Differences in attention", LOOKED_AT),
        _absent(comparison),
    ]
    return [table for table in tables if table is not None]


_OTHERS = {metric: head for metric, head in CLASSIFIED.items() if metric != FIRST_METRIC}
_OTHER_CAPTION = (
    "Means over findings (macro) or over all entries (micro), then over seeds; ± is the standard deviation "
    "between seeds. Thresholds are chosen by finding on the validation set."
)
_ATTENTION_CAPTION = (
    "Attention of the network, which sees the image alone, against the gaze recorded on the same test image: "
    "means over cases and seeds. KL (gaze against attention), JSD and centre distance are better low, the "
    "others high. Box energy is the share of attention inside the boxes of findings."
)


def _main(comparison: ChestComparison) -> StudyTable:
    columns: list[tuple[str, _Cell]] = [
        ("Method", lambda row: row.label),
        ("Seeds", lambda row: _seeds(row, comparison)),
        ("AUC", lambda row: _mean(row.estimates.get(FIRST_METRIC))),
        ("95 % interval", lambda row: _range(row.estimates.get(FIRST_METRIC))),
    ]
    caption = (
        f"Mean AUC over findings on {_cases(comparison)}. Intervals draw whole patients "
        f"({comparison.resamples} draws)."
    )
    if comparison.reference is not None:
        name = comparison.benchmark.suite.rows[comparison.reference].label
        columns += [
            (f"minus {name}", lambda row: _difference(row.differences.get(FIRST_METRIC))),
            ("with new seeds", lambda row: _crossed(row.differences.get(FIRST_METRIC))),
            ("p", lambda row: _p(row.p)),
            ("Holm p", lambda row: _p(row.p_holm)),
        ]
        caption += (
            f" Differences are to {name!r} on the same cases; 'new seeds' draws patients and seeds; p swaps "
            "the outputs of the two by patient and holds the trained networks fixed, Holm p is corrected "
            "over rows."
        )
    return _table("AUC", caption, columns, comparison)


def _means(
    comparison: ChestComparison, title: str, metrics: Mapping[str, str], caption: str
) -> StudyTable | None:
    known = _known(metrics, (row.estimates for row in comparison.rows))
    if not known:
        return None
    columns: list[tuple[str, _Cell]] = [("Method", lambda row: row.label)]
    columns += [(head, _cell_of(metric)) for metric, head in known.items()]
    return _table(title, caption, columns, comparison)


def _cell_of(metric: str) -> _Cell:
    return lambda row: _mean(row.estimates.get(metric))


def _differences(comparison: ChestComparison, title: str, metrics: Mapping[str, str]) -> StudyTable | None:
    known = _known(metrics, (row.differences for row in comparison.rows))
    if not known or comparison.reference is None:
        return None
    name = comparison.benchmark.suite.rows[comparison.reference].label
    columns: list[tuple[str, _Cell]] = [("Method", lambda row: row.label)]
    columns += [(head, _difference_of(metric)) for metric, head in known.items()]
    caption = f"Minus {name!r}, with 95 % intervals over patients and seeds (patients alone with one seed)."
    return _table(title, caption, columns, comparison)


def _difference_of(metric: str) -> _Cell:
    def cell(row: ChestRow) -> str:
        found = row.differences.get(metric)
        if found is None:
            return _NONE
        ends = found.ci95_cases if found.ci95 is None else found.ci95
        return f"{signed(found.difference)}\n{_ends(ends)}"

    return cell


def _known(metrics: Mapping[str, str], rows: Iterable[Mapping[str, object]]) -> dict[str, str]:
    found = {metric for row in rows for metric in row}
    return {metric: head for metric, head in metrics.items() if metric in found}


def _absent(comparison: ChestComparison) -> StudyTable | None:
    absent = comparison.benchmark.absent
    if not absent:
        return None
    labels = {key: row.label for key, row in comparison.benchmark.suite.rows.items()}
    rows = tuple((labels[one.row], str(one.seed), one.reason) for one in absent)
    return StudyTable("Runs left out", "What the tables lack.", ("Method", "Seed", "Why"), rows)


def _table(
    title: str, caption: str, columns: list[tuple[str, _Cell]], comparison: ChestComparison
) -> StudyTable:
    rows = tuple(tuple(cell(row) for _, cell in columns) for row in comparison.rows)
    marked = tuple(n for n, row in enumerate(comparison.rows) if row.key == comparison.reference)
    return StudyTable(title, caption, tuple(head for head, _ in columns), rows, marked)


def chest_verdict(comparison: ChestComparison) -> str:
    """Say which rows differ from the reference in AUC beyond the chance of patients and seeds.

    Args:
        comparison: The comparison.

    Returns:
        A few sentences.
    """
    if comparison.reference is None:
        return "The reference has no finished run, so nothing is compared."
    compared = [row for row in comparison.rows if FIRST_METRIC in row.differences]
    name = comparison.benchmark.suite.rows[comparison.reference].label
    if not any(FIRST_METRIC in row.estimates for row in comparison.rows):
        return "No finding has test cases with and without it, so there is no AUC and nothing is compared."
    if not compared:
        return f"No row beside {name!r} is finished, so nothing is compared."
    held = [row for row in compared if row.stands]
    better = [row.label for row in held if row.differences[FIRST_METRIC].difference > 0]
    worse = [row.label for row in held if row.differences[FIRST_METRIC].difference < 0]
    count = f"{len(compared)} row{'' if len(compared) == 1 else 's'}"
    if not held:
        return f"Of {count}, none differs from {name!r} in AUC beyond the chance of patients and seeds."
    groups = {"Better": better, "Worse": worse}
    said = [f"{word}: {'; '.join(labels)}." for word, labels in groups.items() if labels]
    return " ".join([f"{count} against {name!r}, AUC, 95 % intervals without 0.", *said])


def chest_warnings(comparison: ChestComparison) -> list[str]:
    """List what a reader should know before believing the numbers.

    Args:
        comparison: The comparison.

    Returns:
        Sentences; empty where there is nothing to say.
    """
    found, asked = list(comparison.benchmark.warnings), len(comparison.benchmark.facts.seeds)
    partial = [row.label for row in comparison.rows if 0 < len(row.seeds) < asked]
    if partial:
        found.append(f"Some seeds are missing, and the rows' means rest on the others: {'; '.join(partial)}.")
    if any(len(row.seeds) == 1 for row in comparison.rows):
        found.append(
            "A row with one seed tells nothing of how much another training would differ: it has no interval "
            "over seeds."
        )
    trained_on = [
        f"{run.row}, seed {run.seed}"
        for runs in comparison.benchmark.runs.values()
        for run in runs
        if run.summary.get("seen_in_training")
    ]
    if trained_on:
        found.append(f"Test images took part in the training of: {'; '.join(trained_on)}.")
    return found


def chest_facts(comparison: ChestComparison) -> list[tuple[str, str]]:
    """List the facts behind the numbers.

    Args:
        comparison: The comparison.

    Returns:
        Pairs of name and text.
    """
    benchmark = comparison.benchmark
    runs = [run for row in benchmark.rows for run in benchmark.runs[row]]
    first = runs[0]
    return [
        ("Suite", f"{benchmark.suite.name}, scale {benchmark.facts.scale}"),
        ("Cohort", benchmark.facts.cohort),
        ("Learned from", _listed(f"{_training_cases(run)} images" for run in runs)),
        ("Test cases", _cases(comparison)),
        ("Findings", ", ".join(first.scores.findings)),
        ("Seeds", ", ".join(map(str, sorted(benchmark.facts.seeds)))),
        ("Finished runs", str(len(runs))),
        ("Protocol", _listed(str(run.summary.get("protocol", "unknown")) for run in runs)),
        ("Hardware", _listed(str(run.environment.get("hardware", "unknown")) for run in runs)),
        ("gaze-insight", _listed(str(run.environment.get("gaze-insight", "unknown")) for run in runs)),
        ("Commit", _listed(str(run.environment.get("commit", "unknown")) for run in runs)),
        ("Command", chest_command(comparison)),
    ]


def chest_command(comparison: ChestComparison) -> str:
    """Compose the command that makes the runs again.

    Args:
        comparison: The comparison.

    Returns:
        The command; the cohort is named by the last part of its path, a suite of one's own by its copy.
    """
    facts, suite = comparison.benchmark.facts, comparison.benchmark.suite
    name = facts.suite if facts.suite in list_suites() else "suite.yaml"
    words = ["gaze-insight", "benchmark", "run", name, facts.cohort_folder.rstrip("/").split("/")[-1]]
    words += ["--scale", facts.scale]
    words += [word for plugin in facts.plugins for word in ("--plugin", plugin.rsplit("/", 1)[-1])]
    if tuple(sorted(facts.seeds)) != tuple(sorted(suite.seeds)):
        words += ["--seeds", ",".join(map(str, sorted(facts.seeds)))]
    if set(facts.rows) != set(suite.rows):
        words += ["--rows", ",".join(facts.rows)]
    words += [word for text in facts.set for word in ("--set", text)]
    return shlex.join(words)


def _training_cases(run: ChestRun) -> str:
    return str(run.summary.get("split", {}).get("train", "unknown"))


def _seeds(row: ChestRow, comparison: ChestComparison) -> str:
    done, asked = len(row.seeds), len(comparison.benchmark.facts.seeds)
    return str(done) if done == asked else f"{done} of {asked}"


def _cases(comparison: ChestComparison) -> str:
    first = next(run for row in comparison.benchmark.rows for run in comparison.benchmark.runs[row])
    patients = len(set(first.scores.patients))
    return f"{len(first.scores.cases)} test cases of {patients} patients"


def _mean(found: RunEstimate | None) -> str:
    if found is None:
        return _NONE
    return f"{found.mean:.3f}" if found.sd_seeds is None else f"{found.mean:.3f} ± {found.sd_seeds:.3f}"


def _range(found: RunEstimate | None) -> str:
    return _NONE if found is None else _ends(found.ci95_cases)


def _ends(ends: tuple[float, float] | None) -> str:
    return _NONE if ends is None else f"[{ends[0]:.3f}, {ends[1]:.3f}]"


def _difference(found: RunComparison | None) -> str:
    return _NONE if found is None else f"{signed(found.difference)}\n{_ends(found.ci95_cases)}"


def _crossed(found: RunComparison | None) -> str:
    return _NONE if found is None or found.ci95 is None else _ends(found.ci95)


def _p(value: float | None) -> str:
    return _NONE if value is None else p_text(value)


def _listed(texts: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(texts))
