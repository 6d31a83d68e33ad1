"""The part of `inspect` for chest radiographs: readings, labels by policy, what is missing, leaks."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Literal, get_args

import numpy as np

from gaze_insight.chest.label_states import LABEL_SOURCES, has_source
from gaze_insight.chest.labels import LabelMatrix, LabelSettings, label_matrix
from gaze_insight.cohort.case import Case
from gaze_insight.cohort.chest_facts import ChestFacts, ChestReading
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.insight.chest_inspection import (
    ChestInspection,
    ChestSplitRow,
    FindingRow,
    LabelTable,
    ReadingRow,
)
from gaze_insight.insight.findings import Finding
from gaze_insight.types import BoolArray, Size, Split

__all__ = [
    "case_caption",
    "chest_findings",
    "inspect_chest",
    "is_chest_cohort",
    "looks_of",
    "mask_of_findings",
]

_POLICIES: dict[str, Literal["ones", "zeros", "ignore"]] = {
    "U-Ones": "ones",
    "U-Zeros": "zeros",
    "U-Ignore": "ignore",
}
_LOW_TRUST = 0.5
_MUCH_OFF_IMAGE = 0.2
_MS_PER_HOUR = 3_600_000


def is_chest_cohort(cohort: Cohort) -> bool:
    """Say whether a cohort holds chest radiographs with their facts.

    Args:
        cohort: The cohort.

    Returns:
        Whether any case has chest facts.
    """
    return any(case.chest is not None for case in cohort.cases.values())


def looks_of(cases: Iterable[Case]) -> dict[str, Fixations]:
    """Collect the fixations of all readings.

    Args:
        cases: Cases of any kind.

    Returns:
        Case and reading to fixations, where there are any.

    Example:
        >>> looks_of([])
        {}
    """
    return {
        f"{case.id} {reading.id}": reading.fixations
        for case in cases
        if case.chest is not None
        for reading in case.chest.looks()
        if reading.fixations is not None
    }


def inspect_chest(cohort: Cohort) -> ChestInspection:
    """Count what the radiographs of a cohort have, and what their labels are under each policy.

    Args:
        cohort: The cohort.

    Returns:
        The counts; labels are those of `LabelSettings` but for the uncertain ones.
    """
    cases = list(cohort.cases.values())
    known = [case.chest for case in cases if case.chest is not None]
    sources = [source for source in LABEL_SOURCES if any(has_source(one, source) for one in known)]
    asked = ["auto", *sources] if len(sources) > 1 else sources
    return ChestInspection(
        cases=len(cases),
        labelled=sum(any(has_source(one, source) for source in sources) for one in known),
        with_gaze=sum(bool(one.looks()) for one in known),
        readings=_reading_rows(known),
        splits=_split_rows(cohort),
        labels=[_label_table(cases, source) for source in asked],
    )


def chest_findings(cohort: Cohort, seen: ChestInspection) -> list[Finding]:
    """Say what of a cohort of radiographs needs a look.

    Args:
        cohort: The cohort.
        seen: What `inspect_chest` counted.

    Returns:
        Findings: patients in two splits, images without labels, labels mined from text, readings without
        gaze or mostly off the image.
    """
    return [
        *_about_splits(cohort),
        *_about_labels(cohort, seen),
        *(finding for row in seen.readings for finding in _about_readings(row)),
    ]


def mask_of_findings(facts: ChestFacts, size: Size) -> BoolArray | None:
    """Draw the boxes of findings, ellipses as such.

    Args:
        facts: The case's facts.
        size: Height and width of the picture in pixels.

    Returns:
        Shape (H, W); None where there is no box of a finding.

    Example:
        >>> from gaze_insight.cohort.chest_facts import ChestBox
        >>> facts = ChestFacts(boxes=(ChestBox("Mass", "finding", 0.5, 0.0, 1.0, 0.5),))
        >>> mask_of_findings(facts, Size(2, 4)).tolist()
        [[False, False, True, True], [False, False, False, False]]
    """
    boxes = [box for box in facts.boxes if box.kind == "finding"]
    if not boxes:
        return None
    down = ((np.arange(size.height) + 0.5) / size.height)[:, None]
    across = ((np.arange(size.width) + 0.5) / size.width)[None, :]
    mask = np.zeros(size, dtype=np.bool_)
    for box in boxes:
        half_width, half_height = max((box.x1 - box.x0) / 2, 1e-9), max((box.y1 - box.y0) / 2, 1e-9)
        x, y = (across - box.x0) / half_width - 1, (down - box.y0) / half_height - 1
        inside = (np.abs(x) <= 1) & (np.abs(y) <= 1) if box.shape == "box" else x**2 + y**2 <= 1
        mask |= inside
    return mask


def case_caption(facts: ChestFacts) -> str:
    """Say in a line what is known of a radiograph.

    Args:
        facts: The case's facts.

    Returns:
        Its readings, positive labels by source, and boxes of findings.

    Example:
        >>> case_caption(ChestFacts(labels={"nih": {"Mass": 1, "Hernia": 0}}, view="PA"))
        'View PA; no reading; nih: Mass'
    """
    parts = [f"View {facts.view}"] if facts.view else []
    parts.append(", ".join(f"reading {one.id}" for one in facts.readings) or "no reading")
    for source, values in facts.labels.items():
        positive = [name for name, value in values.items() if value == 1]
        parts.append(f"{source}: {', '.join(positive) or 'nothing positive'}")
    boxes = [box.name for box in facts.boxes if box.kind == "finding"]
    if boxes:
        parts.append(f"outlined: {', '.join(boxes)}")
    return "; ".join(parts)


def _reading_rows(known: Sequence[ChestFacts]) -> list[ReadingRow]:
    sources = sorted({reading.source for facts in known for reading in facts.readings})
    return [_reading_row(source, known) for source in sources]


def _reading_row(source: str, known: Sequence[ChestFacts]) -> ReadingRow:
    by_image = [[one for one in facts.readings if one.source == source] for facts in known]
    readings = [one for part in by_image for one in part]
    looks = [one for one in readings if one.fixations is not None and len(one.fixations)]
    dropped: Counter[str] = Counter()
    for one in readings:
        dropped.update(one.dropped)
    return ReadingRow(
        source=source,
        readings=len(readings),
        images=sum(bool(part) for part in by_image),
        readers=len({one.reader for one in readings if one.reader is not None}),
        most=max(map(len, by_image)),
        looked=len(looks),
        fixations=sum(len(one.fixations or ()) for one in looks),
        hours=sum(_dwell_ms(one) for one in looks) / _MS_PER_HOUR,
        dwell_off_image=float(np.mean([1 - one.trust for one in looks])) if looks else None,
        low_trust=sum(one.trust < _LOW_TRUST for one in looks),
        dropped=dict(sorted(dropped.items())),
        spoken=sum(bool(one.transcript) for one in readings),
        timed=sum(bool(one.words) for one in readings),
    )


def _dwell_ms(reading: ChestReading) -> float:
    return 0.0 if reading.fixations is None else reading.fixations.total_duration_ms


def _split_rows(cohort: Cohort) -> list[ChestSplitRow]:
    placed = {one for ids in cohort.splits.values() for one in ids}
    parts = {name: cohort.subset(name) for name in get_args(Split)}
    parts["no split"] = [case for case in cohort.cases.values() if case.id not in placed]
    return [_split_row(name, cases) for name, cases in parts.items() if cases or name != "no split"]


def _split_row(name: str, cases: Sequence[Case]) -> ChestSplitRow:
    known = [case.chest for case in cases if case.chest is not None]
    has = {
        "labels": sum(any(has_source(one, source) for source in LABEL_SOURCES) for one in known),
        "gaze": sum(bool(one.looks()) for one in known),
        "two readings or more": sum(len(one.looks()) > 1 for one in known),
        "transcript": sum(any(reading.transcript for reading in one.readings) for one in known),
        "timed words": sum(any(reading.words for reading in one.readings) for one in known),
        "report": sum(bool(one.report) for one in known),
        "boxes of findings": sum(any(box.kind == "finding" for box in one.boxes) for one in known),
        "boxes of regions": sum(any(box.kind == "region" for box in one.boxes) for one in known),
    }
    return ChestSplitRow(name, len({case.patient for case in cases} - {None}), len(cases), has)


def _label_table(cases: Sequence[Case], source: str) -> LabelTable:
    made: dict[str, LabelMatrix] = {
        name: label_matrix(cases, LabelSettings.model_validate({"source": source, "uncertain": policy}))
        for name, policy in _POLICIES.items()
    }
    first = next(iter(made.values()))
    rows = [
        FindingRow(
            finding,
            {str(state): count for state, count in first.states[finding].items()},
            {policy: matrix.row(finding) for policy, matrix in made.items()},
        )
        for finding in first.findings
    ]
    return LabelTable(source, dict(first.sources), rows)


_WITHOUT = {
    "train": "There is nothing to learn from.",
    "val": "Probabilities are not calibrated, and all thresholds are 0.5.",
    "test": "`evaluate` needs --split, or another cohort.",
}
"""What an empty split means."""


def _about_splits(cohort: Cohort) -> list[Finding]:
    where: defaultdict[str, set[str]] = defaultdict(set)
    nameless = []
    for split, ids in cohort.splits.items():
        for one in ids:
            patient = cohort.cases[one].patient
            if patient is None:
                nameless.append(one)
            else:
                where[patient].add(split)
    empty = [split for split in ("train", "val", "test") if cohort.splits and not cohort.splits.get(split)]
    torn = sorted(
        f"{patient}: {', '.join(sorted(splits))}" for patient, splits in where.items() if len(splits) > 1
    )
    found = [Finding("warning", f"No case in split {one!r}", _WITHOUT[one]) for one in empty]
    if torn:
        found.append(
            Finding(
                "error",
                f"{len(torn)} patients stand in more than one split",
                "Scores would be too good: give split files by patient, or let import make splits.",
                torn,
            )
        )
    elif where:
        found.append(Finding("ok", "No patient stands in two splits"))
    if nameless:
        found.append(
            Finding(
                "warning",
                f"{len(nameless)} images of unknown patients",
                "Whether a patient stands in two splits cannot be checked, and intervals count images.",
                nameless,
            )
        )
    return found


def _about_labels(cohort: Cohort, seen: ChestInspection) -> list[Finding]:
    if not seen.labelled:
        return [Finding("error", "No image has labels", "There is nothing to learn to tell.")]
    found = []
    without = seen.cases - seen.labelled
    if without:
        bare = [case.id for case in cohort.cases.values() if not _has_labels(case)]
        found.append(Finding("warning", f"{without} images without any label", "They do not teach.", bare))
    if any(table.labelled.get("nih") for table in seen.labels):
        found.append(
            Finding(
                "warning",
                "The labels were mined from reports by the publisher (NIH)",
                "Nobody checked them against the images: a part of them is wrong, on the test images too.",
            )
        )
    return found


def _has_labels(case: Case) -> bool:
    facts = case.chest
    return facts is not None and any(has_source(facts, source) for source in LABEL_SOURCES)


def _about_readings(row: ReadingRow) -> list[Finding]:
    found = []
    if row.looked < row.readings:
        found.append(
            Finding(
                "warning",
                f"{row.readings - row.looked} of {row.readings} readings ({row.source}) without fixations",
                "Their recordings were discarded or are not there; what was said and found is used.",
            )
        )
    if row.low_trust:
        found.append(
            Finding(
                "warning",
                f"{row.low_trust} readings ({row.source}) with less than half of the dwell time on the image",
                "They teach little where gaze is weighted by trust.",
            )
        )
    if row.dwell_off_image is not None and row.dwell_off_image > _MUCH_OFF_IMAGE:
        found.append(
            Finding(
                "warning",
                f"{100 * row.dwell_off_image:.0f} % of the dwell time ({row.source}) is off the image",
                "Much: check that positions were read in the right frame.",
            )
        )
    return found
