"""The page of the keyword study."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

from gaze_insight import __version__
from gaze_insight.insight.chart_style import as_svg, blank_figure
from gaze_insight.insight.study_page import StudyContent, StudyFigure, StudyNumber, StudyTable
from gaze_insight.workflow.studies.chest_keywords import ALL_FINDINGS, NORMAL, KeywordStudy
from gaze_insight.workflow.studies.pages import today

__all__ = ["keywords_page"]

_CONTROL = "denials not read"
_FEW = 15
_METHOD = (
    "Findings and impression of each report are read; indication and comparison are not. The tags are the "
    "MeSH headings that the collection's indexers gave, mapped to findings by chest/findings.yaml. Tags say "
    "what is there; nothing tells what was denied, so precision and recall are of findings asserted.",
    "The phrases of chest/keywords.yaml were tuned on the development half (odd uids) by looking at errors. "
    "Errors of the held-out half (even uids) were counted and not looked at.",
    "Intervals of precision and recall are Wilson's; that of F1 is a percentile bootstrap over reports. The "
    "collection does not say which reports are of one patient.",
)


def keywords_page(study: KeywordStudy, command: str = "") -> StudyContent:
    """Tell how well the keyword labeler reads.

    Args:
        study: What was found.
        command: The command that repeats it.

    Returns:
        The page's content.
    """
    names = (*sorted(study.findings, key=lambda name: -study.row(name).tagged), ALL_FINDINGS, NORMAL)
    tables = [_main_table(study, names), _halves_table(study, names), _doubt_table(study, names)]
    if study.texts:
        tables.append(_text_table(study))
    return StudyContent(
        title="What the keyword labeler reads in real reports",
        lead="Does it find what the indexers of the Indiana chest X-ray reports found, and what are reading "
        "denials, normal statements and misspellings worth?",
        verdict=_verdict(study),
        severity="ok",
        numbers=_numbers(study),
        warnings=_warnings(study, names),
        figures=[_figure(study, names)],
        tables=tables,
        method=_METHOD,
        facts=_facts(study),
        settings=json.dumps(study.settings.model_dump(mode="json"), indent=2),
        command=command,
        created=today(),
        version=__version__,
    )


def _verdict(study: KeywordStudy) -> str:
    full, control = study.row(ALL_FINDINGS), study.row(ALL_FINDINGS, reading=_CONTROL)
    normal = study.row(NORMAL)
    return (
        f"On {study.used['held-out']:,} held-out reports, precision {full.precision:.3f} and recall "
        f"{full.recall:.3f} over all findings (F1 {full.f1:.3f}). Without reading denials precision falls to "
        f"{control.precision:.3f} (F1 {control.f1:.3f}). Normal reports: precision {normal.precision:.3f}, "
        f"recall {normal.recall:.3f}."
    )


def _numbers(study: KeywordStudy) -> list[StudyNumber]:
    full, control, normal = (
        study.row(ALL_FINDINGS),
        study.row(ALL_FINDINGS, reading=_CONTROL),
        study.row(NORMAL),
    )
    return [
        StudyNumber("F1 over all findings", f"{full.f1:.3f}", _ends(full.f1_ci95)),
        StudyNumber("The same, denials not read", f"{control.f1:.3f}", _ends(control.f1_ci95)),
        StudyNumber("F1 of normal reports", f"{normal.f1:.3f}", _ends(normal.f1_ci95)),
        StudyNumber("Time to read a report", f"{study.ms_per_report:.1f} ms", "one process, first reading"),
    ]


def _warnings(study: KeywordStudy, names: Sequence[str]) -> list[str]:
    few = [name for name in names if study.row(name).tagged < _FEW]
    found = [
        f"{study.removed:,} of {study.used['all']:,} reports hold XXXX where words were removed; some of "
        "these words named a finding or a device, which no reader of the text can know.",
        "Tags are an indexer's view, not a truth: 'nodular opacity' is tagged as opacity, 'borderline' as "
        "cardiomegaly, and 'A or B' as both.",
    ]
    if few:
        found.append(f"Fewer than {_FEW} held-out reports are tagged with {', '.join(few)}.")
    return found


def _facts(study: KeywordStudy) -> dict[str, str]:
    settings = study.settings
    return {
        "Reports": f"{study.reports:,}",
        "Left out": f"{study.without_text:,} without text, {study.not_indexed:,} not indexed",
        "Scored": ", ".join(f"{count:,} {half}" for half, count in study.used.items()),
        "Resamples": f"{settings.resamples:,}",
        "Words understood as misspelt": f"{sum(study.misread.values()):,}: "
        + ", ".join(f"{word} ({count})" for word, count in list(study.misread.items())[:8]),
    }


def _main_table(study: KeywordStudy, names: Sequence[str]) -> StudyTable:
    rows = []
    for name in names:
        full, control = study.row(name), study.row(name, reading=_CONTROL)
        rows.append(
            (
                name,
                f"{full.tagged:,}",
                _cell(full.precision, full.precision_ci95),
                _cell(full.recall, full.recall_ci95),
                _cell(full.f1, full.f1_ci95),
                _number(control.precision),
                _number(control.f1),
            )
        )
    return StudyTable(
        "Findings of the held-out half",
        "Doubt counts as not found. The two last columns are the control: each mention counts as present.",
        (
            "finding",
            "tagged",
            "precision",
            "recall",
            "F1",
            "precision, denials not read",
            "F1, denials not read",
        ),
        rows,
    )


def _halves_table(study: KeywordStudy, names: Sequence[str]) -> StudyTable:
    rows = [
        (
            name,
            *(_number(study.row(name, half).f1) for half in ("development", "held-out", "all")),
            _number(study.row(name, reading="normal statements not read").f1),
            _number(study.row(name, reading="misspellings understood").f1),
        )
        for name in names
    ]
    return StudyTable(
        "F1 by half, and by what else is read",
        "The last two columns are of the held-out half.",
        (
            "finding",
            "development",
            "held-out",
            "all",
            "normal statements not read",
            "misspellings understood",
        ),
        rows,
    )


def _doubt_table(study: KeywordStudy, names: Sequence[str]) -> StudyTable:
    rows = []
    for name in names:
        both = [study.row(name, uncertain="positive"), study.row(name, uncertain="negative")]
        numbers = [_number(value) for one in both for value in (one.precision, one.recall, one.f1)]
        rows.append((name, *numbers))
    heads = [
        f"{what}, doubt {how}" for how in ("found", "not found") for what in ("precision", "recall", "F1")
    ]
    return StudyTable("What doubt counts for", "Of the held-out half.", ("finding", *heads), rows)


def _text_table(study: KeywordStudy) -> StudyTable:
    rows = []
    for one in study.texts:
        rouge, bleu, keys = one.overlap.rouge, one.overlap.bleu.bleu, one.keywords
        rows.append(
            (
                one.text,
                f"{one.changed:,}",
                *(_number(value) for value in (rouge.rouge1, rouge.rouge2, rouge.rouge_l, bleu[0], bleu[3])),
                _number(keys.micro.precision),
                _number(keys.micro.recall),
                _number(keys.micro.f1),
                f"{keys.contradicted:,}",
            )
        )
    flavours = study.texts[0].overlap
    return StudyTable(
        "What text metrics say of the report itself, of its contrary, and of somebody else's report",
        f"{flavours.rouge.flavour}; sacrebleu {flavours.bleu.flavour[3]}. Keywords: 13 findings, micro.",
        (
            "compared with the reference",
            "changed",
            "ROUGE-1",
            "ROUGE-2",
            "ROUGE-L",
            "BLEU-1",
            "BLEU-4",
            "keyword precision",
            "keyword recall",
            "keyword F1",
            "contradictions",
        ),
        rows,
    )


def _figure(study: KeywordStudy, names: Sequence[str]) -> StudyFigure:
    figure, (axis,) = blank_figure(7.4, 1.3 + 0.3 * len(names))
    places = range(len(names) - 1, -1, -1)
    for place, name in zip(places, names, strict=True):
        full = study.row(name)
        axis.plot(full.f1_ci95, [place, place], color="C0", linewidth=2.4, alpha=0.6)
        axis.plot([full.f1], [place], "o", color="C0", label="denials read" if place == 0 else None)
        control = study.row(name, reading=_CONTROL)
        label = "each mention counts as present" if place == 0 else None
        axis.plot([control.f1], [place], "x", color="C1", label=label)
    axis.set_yticks(list(places), list(names))
    axis.set(xlabel="F1 against MeSH tags, held-out half", xlim=(0, 1.02), ylim=(-0.7, len(names) - 0.3))
    axis.grid(visible=False, axis="y")
    figure.legend(loc="outside upper center", ncols=2, fontsize=9)
    return StudyFigure(
        "f1-by-finding",
        "F1 by finding",
        as_svg(
            figure, "f1-by-finding", "F1 of the keyword labeler by finding, with and without denials read"
        ),
        f"F1 of {study.used['held-out']:,} held-out reports with its 95 % bootstrap interval over reports; "
        "doubt counts as not found. Findings by how often they are tagged.",
        wide=True,
    )


def _cell(value: float, ends: tuple[float, float]) -> str:
    return "–" if math.isnan(value) else f"{value:.3f}\n{_ends(ends)}"


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.3f}"


def _ends(ends: tuple[float, float]) -> str:
    return f"[{ends[0]:.3f}, {ends[1]:.3f}]"
