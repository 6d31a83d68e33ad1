"""The report of a run: one self-contained HTML page that a clinician can read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from gaze_insight.atomic import write_text_atomic
from gaze_insight.evaluation.cases import CaseScore
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.insight.figures import dice_distribution, dice_scatter, learning_curves, size_strata_chart
from gaze_insight.insight.panels import gaze_tiles, label_tiles, prediction_tiles
from gaze_insight.insight.refinement_section import RefinementSection, refinement_values
from gaze_insight.insight.rendering import as_yaml, duration_words, fixed, render_page, share
from gaze_insight.insight.words_section import WordsSection, words_values
from gaze_insight.language.schema import Description
from gaze_insight.types import BoolArray, ByteArray, FloatArray

__all__ = ["ReportCase", "ReportContent", "write_report"]


@dataclass(frozen=True, eq=False)
class ReportCase:
    """One case as the report shows it; whatever is None is left out of its panel.

    Args:
        id: The case.
        image: RGB picture, (H, W, 3) uint8.
        rank: Why it is shown: "best", "median", "worst", or any short words.
        caption: A sentence of the caller's own under the title, or empty.
        fixations: Where the clinician looked, in any frame that converts to ``image_px``.
        heat: Heat map of the looking, (h, w) in [0, 1].
        sparse: Labels for the teacher, (h, w) uint8 in {0, 1, 255}.
        comprehensive: Labels for the student, (h, w) uint8 in {0, 1}.
        teacher_prob: The teacher's probability, (h, w) in [0, 1].
        student_prob: The student's probability, (h, w) in [0, 1].
        truth: True mask, (H, W) bool.
        description: The words about the case.
        scores: The case's score for each head.
        threshold: A pixel is predicted where the probability is above it.
    """

    id: str
    image: ByteArray
    rank: str
    caption: str = ""
    fixations: Fixations | None = None
    heat: FloatArray | None = None
    sparse: ByteArray | None = None
    comprehensive: ByteArray | None = None
    teacher_prob: FloatArray | None = None
    student_prob: FloatArray | None = None
    truth: BoolArray | None = None
    description: Description | None = None
    scores: Mapping[str, CaseScore] = field(default_factory=dict)
    threshold: float = 0.5


@dataclass(frozen=True)
class ReportContent:
    """Everything the report of one run says.

    Args:
        title: Heading of the page.
        summary: The run's summary as it stands in ``summary.json``: method, cohort, protocol, seed, split,
            test (head -> metric -> mean, ci95, sd, n), annotation_time_h, seconds, peak_memory_mb.
        main_head: The head of ``summary["test"]`` that the page leads with.
        scores: One row a test case and head.
        history: Rows of the training history, in order: numbers by name; "stage" (words) and "step" or
            "epoch" order them.
        cases: The cases to show, in order.
        cohort_facts: Facts about the data, label to value, in order.
        config: The resolved configuration.
        environment: Versions, device, commit.
        protocol_text: How the checkpoint was chosen and what test was used for, in plain sentences.
        empty_policy: What empty masks score, in plain sentences.
        warnings: What the reader must know before believing a number.
        refinement: What the rounds did to the labels; None for a run without.
        words: Where the teacher reads its words, and what they change; None for a run without.
        command: The command line that repeats the run.
        created: Date of the page as text; empty leaves it out.
        version: Version of gaze-insight; empty leaves it out.
    """

    title: str
    summary: Mapping[str, Any]
    main_head: str = "student"
    scores: Sequence[CaseScore] = ()
    history: Sequence[Mapping[str, Any]] = ()
    cases: Sequence[ReportCase] = ()
    cohort_facts: Mapping[str, Any] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)
    protocol_text: str = ""
    empty_policy: str = ""
    warnings: Sequence[str] = ()
    refinement: RefinementSection | None = None
    words: WordsSection | None = None
    command: str = ""
    created: str = ""
    version: str = ""


_TITLES = {
    "student": "Student",
    "teacher": "Teacher",
    "segmenter": "Model",
    "pseudomask": "Labels from gaze",
    "assisted": "Image and gaze",
}
_MEANINGS = {
    "student": "the model to use; sees the image alone",
    "teacher": "needs the words as well",
    "segmenter": "the model to use; sees the image alone",
    "pseudomask": "no model: the gaze itself, as recorded for these images",
    "assisted": "what the model sees, joined with where the reader of each image looked",
}
_COLUMNS = (
    ("dice", "Dice", "higher is better", 2),
    ("iou", "IoU", "higher is better", 2),
    ("hd95_px", "HD95, px", "lower is better", 1),
    ("asd_px", "ASD, px", "lower is better", 1),
    ("hd95_mm", "HD95, mm", "lower is better", 2),
    ("asd_mm", "ASD, mm", "lower is better", 2),
)
_GLOSSARY = (
    (
        "Dice",
        "Overlap of the two outlines, from 0 (none) to 1 (identical). It counts the shared area twice and "
        "divides by both areas together.",
    ),
    ("IoU", "The shared area divided by the area that either outline covers. Always a little below Dice."),
    ("HD95", "How far the outlines are apart at their worst, leaving out the worst 5 % of the outline."),
    ("ASD", "How far the outlines are apart on average."),
    (
        "px, mm",
        "Distances are in pixels of the original image, and in millimetres where a pixel's size is known.",
    ),
    (
        "95 % interval",
        "How far the mean could move with another set of images of the same kind, found by drawing the "
        "test images again and again with replacement.",
    ),
)
_COLOURS = (
    ("truth", "the expert's outline (and what was missed)"),
    ("prediction", "the model's outline (and what is too much)"),
    ("both", "both agree"),
    ("lesion", "labelled lesion from gaze"),
    ("background", "labelled background from gaze"),
    ("first", "first look"),
    ("last", "last look"),
)


def write_report(content: ReportContent, path: Path) -> None:
    """Write the report as one HTML file that needs no other file and no network.

    Parts for which nothing is given are left out; a run without true masks says that nothing could be scored.

    Args:
        content: What the page says.
        path: The HTML file; replaced in one step.

    Raises:
        DataError: An image or map of a case has the wrong shape, a gaze frame cannot be drawn, or the file
            cannot be written.

    Example:
        >>> import tempfile
        >>> page = Path(tempfile.mkdtemp()) / "report.html"
        >>> write_report(ReportContent("A run", {"method": "fgi", "cohort": "demo"}), page)
        >>> page.read_text(encoding="utf-8")[:15]
        '<!DOCTYPE html>'
    """
    write_text_atomic(path, render_page("report.html.j2", _values(content)))


def _values(content: ReportContent) -> dict[str, Any]:
    test = content.summary.get("test") or {}
    by_head = {
        head: [s for s in content.scores if s.head == head] for head in _ordered(test, content.main_head)
    }
    titles = {**_TITLES, **{head: head for head in test if head not in _TITLES}}
    main = test.get(content.main_head, {})
    worst_first = sorted(content.scores, key=lambda score: (score.dice, score.id, score.head))
    columns = [column for column in _COLUMNS if any(column[0] in metrics for metrics in test.values())]
    return {
        "title": content.title,
        "created": content.created,
        "version": content.version,
        "lead": _lead(content),
        "warnings": content.warnings,
        "headline": _headline(content, main),
        "sentences": _sentences(by_head.get(content.main_head, ())),
        "test_cases": main.get("dice", {}).get("n", 0),
        "same_cases": len({metrics["dice"]["n"] for metrics in test.values() if "dice" in metrics}) <= 1,
        "columns": [{"title": title, "direction": direction} for _, title, direction, _ in columns],
        "table": [_table_row(head, test[head], columns, titles, content.main_head) for head in by_head],
        "glossary": _GLOSSARY,
        "colours": _COLOURS,
        "cases": [_case(case, titles) for case in content.cases],
        "by_score": {case.rank for case in content.cases} <= {"best", "median", "worst"},
        "charts": _charts(by_head, titles, content.main_head),
        "learning": learning_curves(content.history),
        "refinement": refinement_values(content.refinement),
        "words": words_values(content.words),
        "cohort_facts": [(name, _plain(value)) for name, value in content.cohort_facts.items()],
        "run_facts": _run_facts(content),
        "protocol_text": content.protocol_text,
        "empty_policy": content.empty_policy,
        "rows": worst_first,
        "titles": titles,
        "millimetres": any(score.hd95_mm is not None for score in content.scores),
        "config": as_yaml(content.config),
        "environment": as_yaml(content.environment),
        "command": content.command,
    }


def _ordered(test: Mapping[str, Any], main_head: str) -> list[str]:
    """The heads as a reader wants them: the one that matters, then the others as given."""
    return sorted(test, key=lambda head: head != main_head)


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {_plain(inner)}" for name, inner in value.items())
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return str(value)


def _lead(content: ReportContent) -> str:
    summary = content.summary
    parts = [
        f"{label}: {summary[key]}."
        for label, key in (("Method", "method"), ("Data", "cohort"), ("Seed", "seed"))
        if summary.get(key) is not None
    ]
    return " ".join(["A model that outlines lesions.", *parts])


def _range(metric: Mapping[str, Any], digits: int) -> str:
    low, high = metric["ci95"]
    return f"{fixed(low, digits)} to {fixed(high, digits)}"


def _headline(content: ReportContent, main: Mapping[str, Any]) -> list[dict[str, str]]:
    if "dice" not in main:
        return []
    numbers = [
        {
            "what": "Overlap with the expert (Dice)",
            "value": fixed(main["dice"]["mean"]),
            "range": f"95 % interval {_range(main['dice'], 2)}; 1 is perfect",
        }
    ]
    metric, unit = ("asd_mm", "mm") if "asd_mm" in main else ("asd_px", "px")
    if metric in main:
        numbers.append(
            {
                "what": "Mean distance of the outlines",
                "value": f"{fixed(main[metric]['mean'], 1)} {unit}",
                "range": f"95 % interval {_range(main[metric], 1)} {unit}",
            }
        )
    numbers.append(
        {"what": "Test images", "value": f"{main['dice']['n']:,}", "range": "never seen in training"}
    )
    annotation = content.summary.get("annotation_time_h") or {}
    if annotation.get("drawing") is not None:
        numbers.append(
            {
                "what": "Clinician time for the masks",
                "value": duration_words(3600 * annotation["drawing"]),
                "range": f"not measured: {annotation.get('drawing_source', '')}",
            }
        )
    if annotation.get("gaze") is not None and (annotation["gaze"] or "drawing" not in annotation):
        source = annotation.get("source", "")
        numbers.append(
            {
                "what": "Clinician time for the gaze",
                "value": duration_words(3600 * annotation["gaze"]),
                "range": f"measured as: {source}" if source else "",
            }
        )
    return numbers


def _sentences(scores: Sequence[CaseScore]) -> list[str]:
    if not scores:
        return []
    values = np.array([score.dice for score in scores])
    poor, missed = int((values < 0.5).sum()), int((values == 0).sum())
    sentences = [
        f"Half of the images score above {np.median(values):.2f}. Below 0.5, where an outline is of little "
        f"use: {poor} of {len(values)} ({share(poor / len(values), 0)}). Lesion missed entirely: {missed}."
    ]
    noted = sum(1 for score in scores if score.note)
    if noted:
        sentences.append(
            f"{noted} of the scores concern an empty outline; the rules of the test say how they count."
        )
    return sentences


def _table_row(
    head: str, metrics: Mapping[str, Any], columns: Sequence[Any], titles: Mapping[str, str], main_head: str
) -> dict[str, Any]:
    cells = [
        {"mean": fixed(metrics[name]["mean"], digits), "range": _range(metrics[name], digits)}
        if name in metrics
        else {"mean": "–", "range": ""}
        for name, _, _, digits in columns
    ]
    return {
        "title": titles[head],
        "meaning": _MEANINGS.get(head, ""),
        "count": metrics.get("dice", {}).get("n", 0),
        "cells": cells,
        "main": head == main_head,
    }


def _case(case: ReportCase, titles: Mapping[str, str]) -> dict[str, Any]:
    probs = {"teacher": case.teacher_prob, "student": case.student_prob}
    named = {titles[head]: prob for head, prob in probs.items() if prob is not None}
    dices = {titles.get(head, head): score.dice for head, score in case.scores.items()}
    tiles = [
        *gaze_tiles(case.id, case.image, case.fixations, case.heat, case.truth),
        *label_tiles(case.id, case.image, case.sparse, case.comprehensive),
        *prediction_tiles(case.id, case.image, named, case.truth, case.threshold, dices),
    ]
    words = case.description
    return {
        "id": case.id,
        "rank": case.rank,
        "caption": case.caption,
        "line": ", ".join(f"{title} Dice {value:.2f}" for title, value in dices.items()),
        "tiles": tiles,
        "words_title": "Words for this case" if case.teacher_prob is None else "Words given to the teacher",
        "words": "" if words is None else words.to_text(remarks=True),
        "words_source": "" if words is None else f"source: {words.source}",
    }


def _charts(
    by_head: Mapping[str, Sequence[CaseScore]], titles: Mapping[str, str], main_head: str
) -> list[dict[str, str]]:
    main, labels = titles.get(main_head, main_head), "pseudomask"
    charts = [
        ("All test images", "How many images reach which overlap.", dice_distribution(by_head, titles)),
        (
            "By size of the lesion",
            "Three groups of equal count. Small lesions are usually the hard ones.",
            size_strata_chart(by_head, titles),
        ),
    ]
    if labels in by_head and main_head in by_head and labels != main_head:
        svg = dice_scatter(by_head[labels], by_head[main_head], titles[labels], main)
        text = "One dot an image. Above the line, the model is better than the labels from gaze alone."
        charts.append(("Beyond its labels?", text, svg))
    return [{"title": title, "text": text, "svg": svg} for title, text, svg in charts if svg]


def _run_facts(content: ReportContent) -> list[tuple[str, str]]:
    summary = content.summary
    facts = [
        (label, _plain(summary[key]))
        for label, key in (
            ("Method", "method"),
            ("Protocol", "protocol"),
            ("Seed", "seed"),
            ("Images", "split"),
        )
        if summary.get(key) is not None
    ]
    seconds = summary.get("seconds") or {}
    facts += [
        (f"Time to {verb}", duration_words(value)) for verb, value in seconds.items() if value is not None
    ]
    if summary.get("peak_memory_mb") is not None:
        facts.append(("Memory at most", f"{summary['peak_memory_mb'] / 1024:.1f} GB"))
    return facts
