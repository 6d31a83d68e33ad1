"""The tables as one HTML page without outside links."""

from __future__ import annotations

from gaze_insight.benchmark.results import Comparison
from gaze_insight.benchmark.tables.captions import (
    command_of,
    how_it_was_made,
    label_of,
    protocol_words,
    verdict,
)
from gaze_insight.benchmark.tables.charts import (
    difference_chart,
    paired_chart,
    selection_chart,
    strata_chart,
)
from gaze_insight.benchmark.tables.curve_chart import curve_chart
from gaze_insight.benchmark.tables.layout import TEXT_COLUMNS, all_tables, signed
from gaze_insight.insight.rendering import render_page
from gaze_insight.insight.study_page import StudyFigure, StudyNumber

__all__ = ["as_html"]


def as_html(comparison: Comparison) -> str:
    """Write the page of a benchmark.

    Args:
        comparison: The comparison.

    Returns:
        The page: verdict, notes, the main table, charts, the other tables, and how the numbers were made.
    """
    suite = comparison.benchmark.suite
    first, *others = all_tables(comparison)
    facts = dict(how_it_was_made(comparison))
    facts.pop("Command")
    values = {
        "title": suite.title,
        "lead": f"{suite.paper}. " if suite.paper else "",
        "protocol": protocol_words(comparison),
        "paper_protocol": suite.protocol == "paper",
        "verdict": verdict(comparison),
        "warnings": comparison.warnings,
        "notes": [*suite.notes, *(f"{row.label}: {row.note}" for row in comparison.rows if row.note)],
        "numbers": _numbers(comparison),
        "first": first,
        "others": others,
        "figures": [figure for figure in _figures(comparison) if figure.svg],
        "facts": facts,
        "command": command_of(comparison),
        "text_columns": TEXT_COLUMNS,
        "version": "",
        "created": "",
    }
    return render_page("benchmark.html.j2", values)


def _numbers(comparison: Comparison) -> list[StudyNumber]:
    known = [row for row in comparison.rows if "dice" in row.estimates]
    if not known:
        return []
    best = max(known, key=lambda row: row.estimates["dice"].mean)
    estimate, cases = best.estimates["dice"], comparison.cases
    low, high = estimate.cases_ci95
    patients = "" if cases.patients is None else f"{cases.patients} patients"
    runs = sum(len(runs) for runs in comparison.benchmark.runs.values())
    numbers = [StudyNumber("Best Dice", f"{estimate.mean:.3f}", f"{best.label}, {low:.3f} to {high:.3f}")]
    found = best.differences.get("dice")
    if found is not None and comparison.reference is not None:
        remark = f"over {label_of(comparison, comparison.reference)}"
        numbers.append(StudyNumber("Its gain", signed(found.mean), remark))
    numbers.append(StudyNumber("Test cases", str(len(cases.ids)), patients))
    seeds = len(comparison.benchmark.facts.seeds)
    asked = runs + len(comparison.benchmark.absent)
    remark = f"{seeds} seed{'' if seeds == 1 else 's'} a row"
    numbers.append(StudyNumber("Finished runs", f"{runs} of {asked}", remark))
    return numbers


def _figures(comparison: Comparison) -> list[StudyFigure]:
    return [
        StudyFigure(
            "curves",
            "Dice over images and annotation time",
            curve_chart(comparison.curves),
            "Dice over the images learned from (left) and over the time to annotate exactly these (right), "
            "logarithmic. Bands are 95 % intervals over cases (patients) and seeds; over cases alone where "
            "there is one seed. Looking is measured, drawing is not: see the table's caption.",
            wide=True,
        ),
        StudyFigure(
            "difference",
            "Differences to the reference",
            difference_chart(comparison),
            "Dot: mean difference in Dice on the same cases, the mean over seeds taken first. Thick: 95 % "
            "interval over cases (patients) for these runs. Thin: over cases and seeds. Diamonds are "
            "differences of reported figures.",
        ),
        StudyFigure(
            "selection",
            "What choosing on the test set adds",
            selection_chart(comparison),
            "Best of k evaluations on the test set minus the last weights, and what the wavering of "
            "evaluations gives by itself if they were independent.",
        ),
        StudyFigure(
            "strata",
            "Dice by the size of the lesion",
            strata_chart(comparison),
            "Parts of equal count by the share of the image that the true mask covers; 95 % intervals "
            "over cases. The reference has the other colour.",
        ),
        StudyFigure(
            "paired",
            "Case by case",
            paired_chart(comparison),
            "Each dot is a test case: the reference's Dice across, the row's upwards, each the mean over "
            "seeds. Above the line the row is better. The best rows by mean Dice are shown.",
        ),
    ]
