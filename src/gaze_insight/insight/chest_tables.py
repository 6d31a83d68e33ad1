"""The tables of the page of a run on chest radiographs: findings, averages, agreement with gaze, sets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from gaze_insight.insight.rendering import fixed

__all__ = [
    "AGREEMENT_TEXT",
    "GLOSSARY",
    "Number",
    "agreement_rows",
    "average_rows",
    "class_rows",
    "headline",
    "mean_and_range",
    "sets_table",
]

_CLASS_COLUMNS = ("auc", "average_precision", "f1", "precision", "recall")
_AGREEMENT = (
    ("cc", "CC", "correlation with the gaze map", "1", "0"),
    ("sim", "SIM", "shared mass of the two maps", "1", ""),
    ("kl", "KL, nats", "attention from gaze", "0", ""),
    ("jsd", "JSD, base 2", "the same, symmetric", "0", ""),
    ("nss", "NSS", "standardised attention at the fixations", "", "0"),
    ("auc_judd", "AUC-Judd", "fixated cells against the others", "1", "0.5"),
    ("com_distance", "Centres of mass apart", "fraction of the diagonal of the unit square", "0", ""),
    ("box_energy", "Box energy", "share of the attention inside boxes", "1", ""),
    ("box_ratio", "Box energy / area", "the same against the boxes' share of the image", "", "1"),
    ("pointing", "Pointing game", "largest attention inside a box", "1", ""),
)
GLOSSARY = (
    (
        "AUC",
        "How often a radiograph with the finding gets a higher probability than one without: 1 always, 0.5 "
        "by chance. It needs no threshold.",
    ),
    ("AP", "Average precision: the precision over all thresholds. By chance it is the share of positives."),
    ("Precision", "Of those called positive, the share that is."),
    ("Recall", "Of those with the finding, the share that is called positive."),
    ("F1", "Twice precision times recall, divided by their sum: low if either is low."),
    (
        "Threshold",
        "A probability at or above it is called positive. Chosen for each finding on validation radiographs.",
    ),
    ("Macro, micro", "Mean over the findings; all entries of all findings taken as one list."),
    ("Brier, ECE", "How far probabilities are from what happened: per entry, and on average in ten bins."),
    (
        "95 % interval",
        "How far the number could move with other patients of the same kind, found by drawing whole patients "
        "again and again with replacement. It holds one trained network; other seeds are not in it.",
    ),
)
"""Names of the numbers of the classifier with their meaning."""

AGREEMENT_TEXT = (
    "Attention is a coarse map: the comparison is made on its own cells. Gaze is the mean of the readers' "
    "maps, and no measure says that looking at a place was needed for the answer. The model saw no gaze of "
    "these radiographs."
)
"""What to keep in mind about agreement of attention and gaze."""


class Number(NamedTuple):
    """A number as the page writes it.

    Args:
        mean: Its value.
        range: Its interval; empty where there is none.
    """

    mean: str
    range: str


def mean_and_range(value: Any, digits: int = 2) -> Number:
    """Write a number with its interval.

    Args:
        value: ``{"mean": x, "ci95": [a, b]}``, a plain number, or None.
        digits: Digits behind the point.

    Returns:
        Both as text, a dash for no number.

    Example:
        >>> mean_and_range({"mean": 0.812, "ci95": [0.75, 0.861]})
        Number(mean='0.81', range='0.75 to 0.86')
        >>> mean_and_range(None)
        Number(mean='–', range='')
    """
    if isinstance(value, Mapping):
        ends = value.get("ci95")
        text = "" if not ends or None in ends else f"{fixed(ends[0], digits)} to {fixed(ends[1], digits)}"
        return Number(fixed(value.get("mean"), digits), text)
    return Number(fixed(value, digits), "")


def headline(summary: Mapping[str, Any]) -> list[dict[str, str]]:
    """Choose the numbers that the page leads with.

    Args:
        summary: The run's summary.

    Returns:
        Rows of what, value and range; empty for a run without scores.

    Example:
        >>> headline({"test": {}})
        []
    """
    test = summary.get("test") or {}
    scores, attention = test.get("classifier") or {}, test.get("attention") or {}
    rows = []
    for title, value, best in (
        ("AUC, mean over findings", scores.get("auc_macro"), "1 is perfect, 0.5 is chance"),
        ("F1, mean over findings", scores.get("f1_macro"), "1 is perfect"),
        ("Attention and gaze (CC)", attention.get("cc"), "1 is perfect, 0 is chance"),
    ):
        if value is not None:
            text = mean_and_range(value)
            interval = f"95 % interval {text.range}; {best}" if text.range else best
            rows.append({"what": title, "value": text.mean, "range": interval})
    count = (summary.get("split") or {}).get("test")
    if rows and count is not None:
        rows.append(
            {"what": "Test radiographs", "value": f"{count:,}", "range": "of patients never trained on"}
        )
    return rows


def class_rows(
    classes: Mapping[str, Mapping[str, Any]], calibration: Mapping[str, Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Make the table by finding.

    Args:
        classes: Finding to its scores, threshold, positives and negatives.
        calibration: Finding to its calibration.

    Returns:
        A row a finding, in order.

    Example:
        >>> class_rows({"Edema": {"auc": 0.8, "threshold": 0.4}}, {})[0]["threshold"]
        '0.40'
    """
    rows = []
    for name, scores in classes.items():
        fit = calibration.get(name) or {}
        rows.append(
            {
                "title": name,
                "positives": scores.get("positives"),
                "negatives": scores.get("negatives"),
                "cells": [mean_and_range(scores.get(column)) for column in _CLASS_COLUMNS],
                "threshold": fixed(scores.get("threshold")),
                "fell_back": fit.get("threshold_note", ""),
            }
        )
    return rows


def average_rows(scores: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Make the rows of the averages over findings.

    Args:
        scores: The classifier's part of the summary.

    Returns:
        A row for macro and one for micro, as far as known.

    Example:
        >>> [row["title"] for row in average_rows({"auc_macro": 0.8})]
        ['Mean over findings (macro)']
    """
    rows = []
    for over, title in (("macro", "Mean over findings (macro)"), ("micro", "All entries as one (micro)")):
        cells = [mean_and_range(scores.get(f"{column}_{over}")) for column in _CLASS_COLUMNS]
        if any(cell.mean != "–" for cell in cells):
            rows.append({"title": title, "cells": cells})
    return rows


def agreement_rows(
    attention: Mapping[str, Any], class_attention: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    """Make the table of agreement with gaze and boxes.

    Args:
        attention: The attention's part of the summary.
        class_attention: The same of each finding's own map inside its own boxes.

    Returns:
        A row a measure that is known, in a fixed order.

    Example:
        >>> agreement_rows({"cc": {"mean": 0.31, "ci95": [0.2, 0.4], "n": 40}})[0]["title"]
        'CC'
    """
    rows = []
    whole = [(*facts[1:], attention.get(facts[0])) for facts in _AGREEMENT]
    own = [
        (f"{title}, by finding", f"each own map: {meaning}", best, chance, (class_attention or {}).get(name))
        for name, title, meaning, best, chance in _AGREEMENT
    ]
    for title, meaning, best, chance, value in (*whole, *own):
        if value is None:
            continue
        facts = value if isinstance(value, Mapping) else {}
        left_out = ", ".join(f"{count} {reason}" for reason, count in (facts.get("left_out") or {}).items())
        rows.append(
            {
                "title": title,
                "meaning": meaning,
                "number": mean_and_range(value, 3),
                "best": best or "–",
                "chance": chance or "–",
                "count": facts.get("n", ""),
                "left_out": left_out,
            }
        )
    return rows


def sets_table(sets: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Make the table of what each set holds.

    Args:
        sets: Split to counts by name.

    Returns:
        ``columns`` (names of the counts in words) and ``rows`` (split and counts as text).

    Example:
        >>> sets_table({"train": {"cases": 40, "with_gaze": 30}})["rows"]
        [('train', ['40', '30'])]
    """
    columns = list(dict.fromkeys(name for counts in sets.values() for name in counts))
    rows = [
        (split, [f"{counts[name]:,}" if name in counts else "–" for name in columns])
        for split, counts in sets.items()
    ]
    return {"columns": [name.replace("_", " ") for name in columns], "rows": rows}
