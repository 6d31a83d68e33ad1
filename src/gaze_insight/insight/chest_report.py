"""The page of a run on chest radiographs: what was learned from what, how good it is, and where it looks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gaze_insight.atomic import write_text_atomic
from gaze_insight.chest.findings import findings_named
from gaze_insight.cohort.chest_facts import ChestBox
from gaze_insight.evaluation.classification import roc_curve
from gaze_insight.evaluation.probability_calibration import reliability_bins
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.insight.chest_figures import RocPanel, calibration_chart, roc_panels, training_curves
from gaze_insight.insight.chest_report_scores import report_notes, report_tables
from gaze_insight.insight.chest_tables import (
    AGREEMENT_TEXT,
    GLOSSARY,
    agreement_rows,
    average_rows,
    class_rows,
    headline,
    mean_and_range,
    sets_table,
)
from gaze_insight.insight.radiograph_tiles import radiograph_tiles
from gaze_insight.insight.rendering import as_yaml, duration_words, fixed, render_page
from gaze_insight.types import ByteArray, FloatArray

__all__ = ["ChestPage", "ShownRadiograph", "write_chest_page"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ShownRadiograph:
    """One test radiograph as the page shows it; whatever is None or empty is left out.

    Args:
        id: The case.
        image: RGB picture, (H, W, 3) uint8.
        rank: "best", "median" or "worst".
        why: What it is that of, such as "agreement with gaze".
        probabilities: Finding to probability.
        labels: Finding to 1, 0 or NaN (unknown).
        thresholds: Finding to threshold.
        cc: Correlation of attention and gaze.
        looks: The fixations of each reading, in the frame ``image_unit``.
        attention: Attention on the image, (h, w) in [0, 1].
        finding: The finding of `finding_attention`.
        finding_attention: Attention for this finding on the image, (h, w) in [0, 1].
        boxes: Boxes of findings.
        report: The report that was composed from the model's answers.
        reference: The radiologist's report or dictation.
    """

    id: str
    image: ByteArray
    rank: str
    why: str
    probabilities: Mapping[str, float] = field(default_factory=dict)
    labels: Mapping[str, float] = field(default_factory=dict)
    thresholds: Mapping[str, float] = field(default_factory=dict)
    cc: float | None = None
    looks: Sequence[Fixations] = ()
    attention: FloatArray | None = None
    finding: str = ""
    finding_attention: FloatArray | None = None
    boxes: Sequence[ChestBox] = ()
    report: str = ""
    reference: str = ""


@dataclass(frozen=True, eq=False)
class ChestPage:
    """Everything that the page of one run says.

    Args:
        title: Heading of the page.
        summary: The run's summary as it stands in ``summary.json``.
        probabilities: Of the test cases, (N, C).
        labels: 1, 0 or NaN (unknown), (N, C).
        calibration: Finding to its calibration: slope, shift, cases, positives, note.
        plan: What was derived from the training data: sets, labels, warnings.
        history: Rows of the training history.
        cases: The radiographs to show, in order.
        facts: Facts about the run, label to value.
        config: The resolved configuration.
        environment: Versions, device, commit.
        protocol_text: How weights, thresholds and calibration were chosen, in plain sentences.
        warnings: What the reader must know before believing a number.
        command: The command line that repeats the run.
        created: Date of the page as text; empty leaves it out.
        version: Version of gaze-insight; empty leaves it out.
    """

    title: str
    summary: Mapping[str, Any]
    probabilities: Floats
    labels: Floats
    calibration: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    plan: Mapping[str, Any] = field(default_factory=dict)
    history: Sequence[Mapping[str, Any]] = ()
    cases: Sequence[ShownRadiograph] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)
    protocol_text: str = ""
    warnings: Sequence[str] = ()
    command: str = ""
    created: str = ""
    version: str = ""


def write_chest_page(page: ChestPage, path: Path) -> None:
    """Write the page as one HTML file that needs no other file and no network.

    Args:
        page: What it says.
        path: The HTML file; replaced in one step.

    Raises:
        DataError: An image or map of a case has the wrong shape, or the file cannot be written.

    Example:
        >>> import tempfile
        >>> target = Path(tempfile.mkdtemp()) / "report.html"
        >>> empty = np.empty((0, 0))
        >>> write_chest_page(ChestPage("A run", {"findings": [], "test": {}}, empty, empty), target)
        >>> target.read_text(encoding="utf-8")[:15]
        '<!DOCTYPE html>'
    """
    write_text_atomic(path, render_page("chest_report.html.j2", _values(page)))


def _values(page: ChestPage) -> dict[str, Any]:
    test = page.summary.get("test") or {}
    classes = test.get("classes") or {}
    return {
        "title": page.title,
        "created": page.created,
        "version": page.version,
        "lead": _lead(page.summary),
        "warnings": page.warnings,
        "headline": headline(page.summary),
        "sets": sets_table(page.plan.get("sets") or {}),
        "label_rows": _label_rows(page.plan),
        "policy": _flat(page.summary.get("policy") or {}),
        "class_rows": class_rows(classes, page.calibration),
        "average_rows": average_rows(test.get("classifier") or {}),
        "skipped": dict(test.get("skipped") or {}),
        "glossary": GLOSSARY,
        "roc": _roc(page, classes),
        "calibration": _calibration(page),
        "calibration_notes": _calibration_notes(page.calibration),
        "ece": mean_and_range((test.get("classifier") or {}).get("ece")),
        "agreement": agreement_rows(test.get("attention") or {}, test.get("class_attention")),
        "agreement_text": AGREEMENT_TEXT,
        "report_tables": report_tables(test.get("report") or {}),
        "report_notes": report_notes(test.get("report") or {}),
        "cases": [_case(case) for case in page.cases],
        "learning": training_curves(page.history),
        "facts": list(page.facts.items()),
        "run_facts": _run_facts(page.summary),
        "protocol_text": page.protocol_text,
        "config": as_yaml(page.config),
        "environment": as_yaml(page.environment),
        "command": page.command,
    }


def _lead(summary: Mapping[str, Any]) -> str:
    parts = [
        f"{label}: {summary[key]}."
        for label, key in (("Method", "method"), ("Data", "cohort"), ("Seed", "seed"))
        if summary.get(key) is not None
    ]
    return " ".join(["A model that tells findings from one chest radiograph, the image alone.", *parts])


def _flat(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    rows = []
    for name, value in values.items():
        if isinstance(value, Mapping):
            text = ", ".join(f"{inner}: {count}" for inner, count in value.items())
        elif isinstance(value, (list, tuple)):
            text = ", ".join(map(str, value))
        else:
            text = "–" if value is None else str(value)
        rows.append((name.replace("_", " "), text))
    return rows


def _label_rows(plan: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = (plan.get("labels") or {}).get("findings") or {}
    return [
        {
            "title": name,
            "positive": row.get("positive"),
            "negative": row.get("negative"),
            "unknown": row.get("unknown"),
            "published": ", ".join(f"{state}: {count}" for state, count in row.get("published", {}).items()),
        }
        for name, row in found.items()
    ]


def _roc(page: ChestPage, classes: Mapping[str, Any]) -> str:
    panels = []
    for column, name in enumerate(page.summary.get("findings") or ()):
        if name not in classes:
            continue
        false, true = roc_curve(page.probabilities[:, column], page.labels[:, column])
        at = _rates(page.probabilities[:, column], page.labels[:, column], classes[name].get("threshold"))
        text = mean_and_range(classes[name].get("auc"))
        panels.append(RocPanel(name, f"{text.mean}\n{text.range}".strip(), false.tolist(), true.tolist(), at))
    return roc_panels(panels, name="roc", label="ROC curve of each finding on the test radiographs")


def _rates(prob: Floats, truth: Floats, threshold: float | None) -> tuple[float, float] | None:
    if threshold is None:
        return None
    called = prob >= threshold
    return float(called[truth == 0].mean()), float(called[truth == 1].mean())


def _calibration(page: ChestPage) -> str:
    if page.probabilities.size == 0:
        return ""
    bins = [tuple(one) for one in reliability_bins(page.probabilities, page.labels)]
    return calibration_chart(
        {"all findings together": bins},
        name="calibration",
        label="Share of entries with the finding against the probability given",
    )


def _calibration_notes(calibration: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Findings whose probabilities stayed as the network gave them, grouped by the reason."""
    reasons: dict[str, list[str]] = {}
    for name, row in calibration.items():
        if row.get("note"):
            reasons.setdefault(str(row["note"]), []).append(name)
    return [f"{', '.join(names)}: {reason}" for reason, names in reasons.items()]


def _case(case: ShownRadiograph) -> dict[str, Any]:
    title = ""
    if case.finding:
        title = f"{case.finding}, probability {fixed(case.probabilities.get(case.finding))}"
    tiles = radiograph_tiles(
        case.id,
        case.image,
        looks=case.looks,
        attention=case.attention,
        finding_attention=case.finding_attention,
        finding=title,
        finding_boxes=[box for box in case.boxes if case.finding in findings_named(box.name)],
        boxes=case.boxes,
    )
    return {
        "id": case.id,
        "rank": case.rank,
        "why": case.why,
        "cc": "" if case.cc is None or math.isnan(case.cc) else f"CC with gaze {case.cc:.2f}",
        "chips": _chips(case),
        "tiles": tiles,
        "report": case.report,
        "reference": case.reference,
    }


def _chips(case: ShownRadiograph) -> list[dict[str, str]]:
    """What was called and what is there; findings that are neither are left out."""
    chips = []
    for name, prob in sorted(case.probabilities.items(), key=lambda pair: -pair[1]):
        called, label = prob >= case.thresholds.get(name, 0.5), case.labels.get(name, math.nan)
        if not called and label != 1:
            continue
        state = {1.0: "right", 0.0: "false alarm"}.get(label, "called, unlabelled") if called else "missed"
        chips.append({"title": name, "value": fixed(prob), "state": state})
    return chips


def _run_facts(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    rows = [
        (label, ", ".join(f"{k}: {v:,}" for k, v in value.items()) if isinstance(value, Mapping) else
        str(value)) for label, key in (
            ("Method", "method"), ("Protocol", "protocol"), ("Seed", "seed"), ("Radiographs", "split"),
        )
        if (value := summary.get(key)) is not None
    ]  # fmt: skip
    seconds = summary.get("seconds") or {}
    rows += [
        (f"Time to {verb}", duration_words(spent)) for verb, spent in seconds.items() if spent is not None
    ]
    if summary.get("peak_memory_mb") is not None:
        rows.append(("Memory at most", f"{summary['peak_memory_mb'] / 1024:.1f} GB"))
    return rows
