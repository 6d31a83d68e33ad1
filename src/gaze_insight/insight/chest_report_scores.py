"""Tables about composed reports: their keywords and words against references, their regions against boxes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gaze_insight.insight.chest_tables import mean_and_range

__all__ = ["report_notes", "report_tables"]

_COLUMNS = {
    "report": "This run's reports",
    "another_case": "Reports of another patient",
    "all_absent": "Everything denied",
    "attention": "Attention",
    "prior": "Prior alone",
    "attention_of_others": "Attention of another patient",
    "attention_minus_prior": "Attention minus prior",
}
_KEYWORDS = {
    "precision_micro": "Keyword precision",
    "recall_micro": "Keyword recall",
    "f1_micro": "Keyword F1",
    "f1_macro": "Keyword F1, mean over findings",
}
_TEXT = {"rouge1": "ROUGE-1", "rouge2": "ROUGE-2", "rouge_l": "ROUGE-L", "bleu1": "BLEU-1", "bleu4": "BLEU-4"}
_PLACES = {"boxes": "Holds the centre of a box of the finding", "gaze": "Holds the peak of the gaze"}


def report_tables(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Make the tables about reports, as far as something is known.

    Args:
        report: The reports' part of the summary.

    Returns:
        Tables of ``title``, ``text``, ``columns`` and ``rows`` (title and numbers).

    Example:
        >>> tables = report_tables({"keywords": {"report": {"f1_micro": 0.4}, "all_absent": {"f1_micro": 0}}})
        >>> tables[0]["columns"][1], tables[0]["rows"][0]["cells"][0].mean
        ('Everything denied', '0.40')
    """
    keywords, text = _numbers(report, "keywords"), _numbers(report, "text")
    words = [*_rows(keywords, _KEYWORDS), *_rows(text, _TEXT)]
    names = list(dict.fromkeys((*keywords, *text)))
    tables = []
    if words:
        tables.append(
            {
                "title": "Against the radiologists' reports",
                "text": "Findings named as present, absent or uncertain, and shared words. The other columns "
                "are controls: what is reached without looking at this patient.",
                "columns": [_COLUMNS.get(name, name) for name in names],
                "rows": [_filled(row, names) for row in words],
            }
        )
    regions = report.get("regions") or {}
    sources = [name for name in _COLUMNS if any(name in (regions.get(place) or {}) for place in _PLACES)]
    rows = [
        {
            "title": title,
            "cells": [mean_and_range(_first(regions[place].get(source))) for source in sources],
            "count": regions[place].get("pairs"),
        }
        for place, title in _PLACES.items()
        if regions.get(place)
    ]
    if rows:
        tables.append(
            {
                "title": "The first region that a sentence names",
                "text": "Share of pairs of radiograph and finding in which it holds what readers marked or "
                "looked at. The prior is what a book says before any image is seen.",
                "columns": [_COLUMNS[name] for name in sources],
                "rows": rows,
            }
        )
    return tables


def report_notes(report: Mapping[str, Any]) -> list[str]:
    """Say how many reports there are, what they were compared with, and in which flavour of the measures.

    Args:
        report: The reports' part of the summary.

    Returns:
        Sentences.

    Example:
        >>> report_notes({"references": 12})
        ['Compared with 12 reference reports.']
    """
    notes = []
    if report.get("references") is not None:
        count = report["references"]
        notes.append(f"Compared with {count} reference report{'' if count == 1 else 's'}.")
    own = _numbers(report, "text").get("report") or {}
    notes += [f"{own[name]}." for name in ("rouge_flavour", "bleu_flavour") if own.get(name)]
    missing = (report.get("text") or {}).get("missing")
    if missing:
        notes.append(f"Words were not compared: {missing}")
    return notes


def _numbers(report: Mapping[str, Any], part: str) -> dict[str, Mapping[str, Any]]:
    return {name: one for name, one in (report.get(part) or {}).items() if isinstance(one, Mapping)}


def _rows(columns: Mapping[str, Mapping[str, Any]], titles: Mapping[str, str]) -> list[dict[str, Any]]:
    rows = []
    for name, title in titles.items():
        values = {column: numbers[name] for column, numbers in columns.items() if name in numbers}
        if values:
            rows.append({"title": title, "values": values})
    return rows


def _filled(row: Mapping[str, Any], names: list[str]) -> dict[str, Any]:
    cells = [mean_and_range(row["values"].get(name)) for name in names]
    return {"title": row["title"], "cells": cells, "count": None}


def _first(value: Any) -> Any:
    """The share for the first region; a difference has no parts."""
    return value.get("first", value) if isinstance(value, Mapping) else value
