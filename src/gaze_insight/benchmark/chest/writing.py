"""From a benchmark folder of chest radiographs to its table files."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gaze_insight.benchmark.chest.comparison import FIRST_METRIC, ChestComparison, compare_chest
from gaze_insight.benchmark.chest.reading import collect_chest
from gaze_insight.benchmark.chest.tables import (
    chest_command,
    chest_facts,
    chest_tables,
    chest_verdict,
    chest_warnings,
)
from gaze_insight.benchmark.tables.latex import latex_table
from gaze_insight.benchmark.tables.layout import TEXT_COLUMNS
from gaze_insight.benchmark.tables.markdown import markdown_table
from gaze_insight.insight.rendering import render_page
from gaze_insight.insight.study_page import StudyNumber
from gaze_insight.types import Progress, silent

__all__ = ["chest_texts"]


def chest_texts(
    folder: str | Path, *, resamples: int = 1000, progress: Progress = silent
) -> dict[str, tuple[str, str]]:
    """Compare the runs of a benchmark folder and write its tables as text; no file is written.

    Args:
        folder: The benchmark's folder; runs that are missing are listed, not waited for.
        resamples: Bootstrap draws.
        progress: Receives progress in rows.

    Returns:
        File name and text by kind: ``markdown``, ``latex``, ``json``, ``html``.

    Raises:
        DataError: The folder is no benchmark, or no run in it is finished.

    Example:
        >>> chest_texts("nowhere")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        gaze_insight.errors.DataError: nowhere: expected the folder of a benchmark, found no benchmark.json...
    """
    comparison = compare_chest(collect_chest(folder), resamples=resamples, progress=progress)
    return {
        "markdown": ("table.md", _markdown(comparison)),
        "latex": ("table.tex", _latex(comparison)),
        "json": ("table.json", _json(comparison)),
        "html": ("table.html", _html(comparison)),
    }


def _notes(comparison: ChestComparison) -> list[str]:
    own = [f"{row.label}: {row.note}" for row in comparison.rows if row.note]
    return [*comparison.benchmark.suite.notes, *own]


def _markdown(comparison: ChestComparison) -> str:
    parts = [f"# {comparison.benchmark.suite.title}", chest_verdict(comparison)]
    notes = [*chest_warnings(comparison), *_notes(comparison)]
    if notes:
        parts.append("\n".join(f"- {note}" for note in notes))
    for table in chest_tables(comparison):
        parts += [f"## {table.title}", markdown_table(table), table.caption]
    facts = [f"- {name}: {_fact(name, text)}" for name, text in chest_facts(comparison)]
    return "\n\n".join([*parts, "## How it was made", "\n".join(facts)]) + "\n"


def _fact(name: str, text: str) -> str:
    return f"`{text}`" if name == "Command" else text


def _latex(comparison: ChestComparison) -> str:
    suite = comparison.benchmark.suite
    head = [f"% {suite.title}", "% \\usepackage{booktabs} and \\usepackage{graphicx} in the preamble."]
    head += [f"% {name}: {' '.join(text.split())}" for name, text in chest_facts(comparison)]
    head += [f"% Note: {' '.join(note.split())}" for note in chest_warnings(comparison)]
    tables = [
        latex_table(table, f"tab:{suite.name}-{number}")
        for number, table in enumerate(chest_tables(comparison))
    ]
    return "\n".join(head) + "\n\n" + "\n\n".join(tables) + "\n"


def _json(comparison: ChestComparison) -> str:
    benchmark = comparison.benchmark
    content = {
        "schema_version": 1,
        "task": benchmark.suite.task,
        "suite": benchmark.suite.name,
        "scale": benchmark.facts.scale,
        "cohort": benchmark.facts.cohort,
        "seeds": sorted(benchmark.facts.seeds),
        "reference": comparison.reference,
        "resamples": comparison.resamples,
        "verdict": chest_verdict(comparison),
        "warnings": chest_warnings(comparison),
        "facts": dict(chest_facts(comparison)),
        "rows": {row.key: asdict(row) for row in comparison.rows},
        "absent": [asdict(one) for one in benchmark.absent],
    }
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _html(comparison: ChestComparison) -> str:
    suite = comparison.benchmark.suite
    first, *others = chest_tables(comparison)
    facts = dict(chest_facts(comparison))
    del facts["Command"]
    values: dict[str, Any] = {
        "title": suite.title,
        "lead": f"{suite.paper}. " if suite.paper else "",
        "protocol": "Calibration and thresholds come from the validation set; the test set is scored once.",
        "paper_protocol": False,
        "verdict": chest_verdict(comparison),
        "warnings": chest_warnings(comparison),
        "notes": _notes(comparison),
        "numbers": _numbers(comparison),
        "first": first,
        "others": others,
        "figures": [],
        "facts": facts,
        "command": chest_command(comparison),
        "text_columns": TEXT_COLUMNS,
        "version": "",
        "created": "",
    }
    return render_page("benchmark.html.j2", values)


def _numbers(comparison: ChestComparison) -> list[StudyNumber]:
    runs_of = comparison.benchmark.runs
    looking = {key for key, runs in runs_of.items() if not any(run.reads_text for run in runs)}
    known = [row for row in comparison.rows if FIRST_METRIC in row.estimates and row.key in looking]
    numbers = []
    if known:
        best = max(known, key=lambda row: row.estimates[FIRST_METRIC].mean)
        found = best.estimates[FIRST_METRIC]
        ends = found.ci95_cases
        remark = best.label if ends is None else f"{best.label}, {ends[0]:.3f} to {ends[1]:.3f}"
        numbers.append(StudyNumber("Best AUC of an image", f"{found.mean:.3f}", remark))
    runs = sum(len(row.seeds) for row in comparison.rows)
    asked = runs + len(comparison.benchmark.absent)
    return [*numbers, StudyNumber("Finished runs", f"{runs} of {asked}", "")]
