"""`inspect`: what of a cohort will be used and what is wrong with it, before any training."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

import numpy as np

from gaze_insight import __version__
from gaze_insight.cohort.case import Case
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.errors import DataError
from gaze_insight.gaze.annotation_time import annotation_time
from gaze_insight.gaze.fixations import Fixations
from gaze_insight.gaze.heatmap import HeatMapSettings, render_heatmap
from gaze_insight.gaze.quality import summarise
from gaze_insight.insight.findings import Finding, findings_from_import
from gaze_insight.insight.inspection_page import (
    InspectedCase,
    InspectionContent,
    SplitRow,
    write_inspection,
)
from gaze_insight.types import Size, Split
from gaze_insight.workflow.chest.inspecting import (
    case_caption,
    chest_findings,
    inspect_chest,
    is_chest_cohort,
    looks_of,
    mask_of_findings,
)

__all__ = ["inspect_cohort"]


def inspect_cohort(
    cohort: Cohort, page: str | Path | None = None, *, pictures: int = 6, seed: int = 0
) -> dict[str, Any]:
    """Check a cohort: what joins, what does not, and what the recordings look like.

    Args:
        cohort: The cohort.
        page: HTML file to write; None writes none.
        pictures: How many cases the page shows, drawn at random among those with gaze.
        seed: Seed of the draw.

    Returns:
        Counts, findings and gaze statistics as plain values.

    Raises:
        DataError: The page cannot be written.
    """
    chest = inspect_chest(cohort) if is_chest_cohort(cohort) else None
    readings = (_readings if chest is None else looks_of)(cohort.cases.values())
    with_gaze = len(readings) if chest is None else chest.with_gaze
    findings = _findings(cohort, radiographs=chest is not None)
    findings += [] if chest is None else chest_findings(cohort, chest)
    gaze = summarise(readings)
    time_spent = annotation_time(readings)
    report = cohort.report
    recorded = report.fixations or report.rows
    off_image = report.dropped.get("off_image", 0) / recorded if recorded else gaze.off_image_share
    content = InspectionContent(
        name=cohort.name,
        cases=len(cohort),
        usable=with_gaze if chest is None else chest.labelled,
        with_gaze=with_gaze,
        with_mask=sum(case.mask_path is not None for case in cohort.cases.values()),
        with_description=sum(case.description is not None for case in cohort.cases.values()),
        findings=findings,
        splits=_split_rows(cohort),
        fixations_per_image=[len(one) for one in readings.values()],
        durations_ms=np.concatenate([np.zeros(0), *(one.duration_ms for one in readings.values())]),
        off_image_share=off_image,
        centre_first_share=gaze.centre_first_share,
        dropped=report.dropped,
        annotation_hours=time_spent.hours if readings else None,
        annotation_source=time_spent.source,
        how_read={key: str(value) for key, value in cohort.source.items()},
        pictures=[] if page is None else _pictures(cohort, findings, pictures, seed),
        version=__version__,
        chest=chest,
    )
    if page is not None:
        write_inspection(content, Path(page))
    return {
        "cohort": cohort.name,
        "cases": content.cases,
        "with_gaze": content.with_gaze,
        "with_mask": content.with_mask,
        "with_description": content.with_description,
        "splits": [asdict(row) for row in content.splits],
        "findings": [asdict(finding) for finding in findings],
        "gaze": asdict(gaze),
        "off_image_share": off_image,
        "annotation_time_h": {"gaze": time_spent.hours, "source": time_spent.source},
        "chest": None if chest is None else asdict(chest),
    }


def _readings(cases: Iterable[Case]) -> dict[str, Fixations]:
    return {case.id: case.fixations for case in cases if case.fixations is not None and len(case.fixations)}


def _findings(cohort: Cohort, *, radiographs: bool) -> list[Finding]:
    findings = findings_from_import(cohort.report, radiographs=radiographs)
    changed: list[str] = []
    for case in cohort.cases.values():
        paths = (case.image_path, case.mask_path)
        changed += [str(path) for path in paths if path is not None and not path.is_file()]
    if changed:
        findings.append(
            Finding(
                "error",
                f"{len(changed)} image or mask files are no longer where they were imported from",
                "Put them back, correct `root` in cohort.yaml, or import again.",
                changed,
            )
        )
    if cohort.cases and not cohort.splits.get("train"):
        findings.append(
            Finding("error", "There is no training split", "Give --splits, or let import make splits.")
        )
    simulated = [case.id for case in cohort.cases.values() if case.meta.get("gaze") == "simulated"]
    what = "boxes" if radiographs else "masks"
    if simulated:
        findings.append(
            Finding(
                "warning",
                f"The gaze of {len(simulated)} cases is simulated from their {what}",
                "Results on them say nothing about real eye tracking.",
                simulated,
            )
        )
    return findings


def _split_rows(cohort: Cohort) -> list[SplitRow]:
    rows = [_split_row(name, cohort.subset(name)) for name in get_args(Split)]
    placed = {id for ids in cohort.splits.values() for id in ids}
    others = [case for case in cohort.cases.values() if case.id not in placed]
    return rows + ([_split_row("no split", others)] if others else [])


def _split_row(name: str, cases: Sequence[Case]) -> SplitRow:
    readings = _readings(cases)
    return SplitRow(
        name=name,
        cases=len(cases),
        with_gaze=len(readings),
        with_mask=sum(case.mask_path is not None for case in cases),
        fixations=sum(map(len, readings.values())),
        gaze_hours=annotation_time(readings).hours,
    )


def _pictures(cohort: Cohort, findings: list[Finding], count: int, seed: int) -> list[InspectedCase]:
    """Draw cases to show; a file that cannot be read becomes a finding instead of a picture."""
    ids = sorted(_readings(cohort.cases.values())) or sorted(cohort.cases)
    order = np.random.default_rng(seed).permutation(len(ids))
    shown: list[InspectedCase] = []
    for index in order:
        if len(shown) == count:
            break
        case = cohort.cases[ids[index]]
        try:
            image, truth = case.read_image(), case.read_mask()
        except DataError as error:
            findings.append(Finding("error", "A file cannot be read", str(error), [case.id]))
            continue
        size = Size(*image.shape[:2])
        heat = None if case.fixations is None else render_heatmap(case.fixations, size, HeatMapSettings())
        caption = ""
        if case.chest is not None:
            truth, caption = mask_of_findings(case.chest, size), case_caption(case.chest)
        shown.append(InspectedCase(case.id, image, case.fixations, heat, truth, caption))
    return shown
