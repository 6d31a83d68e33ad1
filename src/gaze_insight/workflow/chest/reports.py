"""Reports for the test split of an evaluated run, scored against reference reports, boxes and gaze."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gaze_insight.atomic import write_text_atomic
from gaze_insight.chest.findings import NO_FINDING, findings_named
from gaze_insight.chest.grounding import ground
from gaze_insight.chest.keyword_scores import keyword_scores
from gaze_insight.chest.region_agreement import Point, RegionAgreement, region_agreement
from gaze_insight.chest.report import ChestReport, ReportSettings, compose_report
from gaze_insight.chest.report_writer import WriterSettings, WrittenReport, write_reports
from gaze_insight.cohort.case import Case
from gaze_insight.cohort.chest_facts import ChestBox
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.config.run_folder import RunFolder
from gaze_insight.errors import DataError, MissingExtraError
from gaze_insight.evaluation.patient_bootstrap import patient_bootstrap
from gaze_insight.evaluation.radiograph_cases import RadiographTable, read_radiograph_table
from gaze_insight.evaluation.text_overlap import text_overlap
from gaze_insight.evaluation.weighted_scores import mean_of_draws
from gaze_insight.training.letterbox import Letterbox
from gaze_insight.types import FloatArray, Progress, Size, silent
from gaze_insight.workflow.chest.radiograph_set import size_of

__all__ = ["MAP_SIZE", "REPORTS_FILE", "report_chest_run"]

REPORTS_FILE = "reports.jsonl"
"""One report a test case, with sentences and what they rest on."""

MAP_SIZE = Size(32, 32)
"""Resolution of the attention over the image that regions are read from."""

_ATTENTION_FILE = "predictions/attention.npz"
_SOURCES = ("attention", "prior", "attention_of_others")


@dataclass(frozen=True)
class _Scored:
    """The test cases with what the run says of them; maps of the square, (N, C, h, w)."""

    table: RadiographTable
    cases: tuple[Case, ...]
    thresholds: Mapping[str, float]
    maps: FloatArray
    gaze: FloatArray
    places: tuple[Letterbox, ...]

    def maps_of(self, row: int, shifted: bool = False) -> dict[str, FloatArray]:
        at = self.other(row) if shifted else row
        place, maps = self.places[at], self.maps[at].astype(np.float32)
        planes = (np.clip(place.map_on_image(one, MAP_SIZE), 0, None) for one in maps)
        return dict(zip(self.table.findings, planes, strict=True))

    def other(self, row: int) -> int:
        """The next case of another patient; the case itself where there is none."""
        count = len(self.cases)
        later = ((row + step) % count for step in range(1, count))
        return next((at for at in later if self.table.patients[at] != self.table.patients[row]), row)

    def report(self, row: int, settings: ReportSettings, boxes: Sequence[ChestBox] = ()) -> ChestReport:
        values = (float(value) for value in self.table.probabilities[row])
        probabilities = dict(zip(self.table.findings, values, strict=True))
        return compose_report(
            probabilities, self.thresholds, class_attention=self.maps_of(row), boxes=boxes, settings=settings
        )


def report_chest_run(
    run: str | Path,
    *,
    settings: ReportSettings | None = None,
    writer: WriterSettings | None = None,
    region_boxes: bool = False,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Write a report for each test case of an evaluated run and score them.

    Reports are made from the image alone: probabilities, thresholds and attention that `evaluate` wrote.
    Boxes of findings never take part, since they are what regions are held against. What is written:
    ``reports.jsonl``, and in ``summary.json`` the entry ``test.report``:

    - ``keywords`` and ``text``: the reports against the reference reports of the cases that have one, beside
      two controls: the report of another patient (``another_case``), and one that denies everything
      (``all_absent``).
    - ``regions``: whether the first region holds the centre of a box of the finding (``boxes``, over all
      positive pairs of case and finding with boxes, called or not) or the peak of the gaze (``gaze``, over
      positive findings of cases with gaze), from attention, from the prior alone, and from the attention of
      another patient; with 95 % intervals over patients and the difference attention minus prior.

    Args:
        run: The run's folder, evaluated.
        settings: How reports are made.
        writer: A language model that words them; None for templates.
        region_boxes: Use the boxes of anatomical regions that come with the cases in place of the usual ones.
        progress: Receives progress in cases.

    Returns:
        The entry, as written.

    Raises:
        DataError: The run is not evaluated, or a test case is no longer in its cohort.

    Example:
        >>> report_chest_run("nowhere")
        Traceback (most recent call last):
        ...
        gaze_insight.errors.DataError: nowhere: expected the folder of a run, found no config.yaml there
          -> train first: gaze-insight train COHORT
    """
    folder, chosen = RunFolder(Path(run)), settings or ReportSettings()
    config = folder.chest_config()
    summary = folder.read_json(folder.summary_json)
    scored = _read(folder, config.training.input_size_px)
    reports = []
    for row, case in enumerate(scored.cases):
        progress("writing reports", row, len(scored.cases))
        reports.append(scored.report(row, chosen, _given(case) if region_boxes else ()))
    progress("writing reports", len(scored.cases), len(scored.cases))
    written = None if writer is None else write_reports(reports, writer, progress=progress)
    final = reports if written is None else [one.report for one in written]
    _write_lines(folder.path / REPORTS_FILE, scored.table.ids, final, written)
    found = {
        "settings": chosen.model_dump(mode="json"),
        "written_by": "templates" if writer is None else writer.model,
        "regions_from": "the cases where given, else usual boxes" if region_boxes else "usual boxes",
        "reports": len(final),
        "provenance": _counted(final),
        "left_open": sum(len(one.left_open) for one in final),
        "notes": sum(len(one.notes) for one in final),
    }
    if written is not None:
        found["fallbacks"] = sum(not one.worded for one in written)
    found |= _against_references(scored, final)
    draws = {"replicates": config.evaluation.resamples, "seed": config.seed}
    found["regions"] = _regions(scored, chosen, draws, region_boxes=region_boxes)
    summary["test"]["report"] = found
    folder.write_json(folder.summary_json, summary)
    return found


def _read(folder: RunFolder, side_px: int) -> _Scored:
    table = read_radiograph_table(folder.cases_csv)
    thresholds = folder.read_json(folder.calibration_json)["thresholds"]
    cohort = Cohort.open(folder.plan()["cohort_folder"])
    gone = [one for one in table.ids if one not in cohort.cases]
    if gone:
        raise DataError(
            f"{len(gone)} test cases are no longer in the cohort, the first is {gone[0]!r}",
            path=cohort.folder,
            remedy="import the cohort as it was, or train and evaluate again",
        )
    cases = tuple(cohort.cases[one] for one in table.ids)
    places = tuple(Letterbox(size_of(case), side_px) for case in cases)
    path = folder.path / _ATTENTION_FILE
    if not path.exists():
        raise DataError("expected the attention maps of the test cases, found none", path=path,
                        remedy=f"gaze-insight evaluate {folder.path}")  # fmt: skip
    with np.load(path) as stored:
        square, gaze = stored["class_attention"], stored["gaze"].astype(np.float32)
    return _Scored(table, cases, thresholds, square, gaze, places)


def _given(case: Case) -> tuple[ChestBox, ...]:
    boxes = () if case.chest is None else case.chest.boxes
    return tuple(one for one in boxes if one.kind == "region")


def _write_lines(
    path: Path, ids: Sequence[str], reports: Sequence[ChestReport], written: Sequence[WrittenReport] | None
) -> None:
    records = [{} if written is None else {"writer": dict(written[row].record)} for row in range(len(ids))]
    lines = [
        json.dumps({"id": one, **report.to_json(), **record})
        for one, report, record in zip(ids, reports, records, strict=True)
    ]
    write_text_atomic(path, "".join(f"{line}\n" for line in lines))


def _counted(reports: Iterable[ChestReport]) -> dict[str, int]:
    """What the sentences about called findings rest on."""
    counts = {"attention": 0, "prior": 0, "box": 0, "nothing": 0}
    for report in reports:
        for one in report.section("findings"):
            if one.grounding is not None:
                counts[one.provenance or "nothing"] += 1
    return counts


def _against_references(scored: _Scored, reports: Sequence[ChestReport]) -> dict[str, Any]:
    told = [case.chest.report if case.chest is not None else None for case in scored.cases]
    rows = [row for row, text in enumerate(told) if text and text.strip()]
    found: dict[str, Any] = {"references": len(rows)}
    if not rows:
        return found
    references = [told[row] or "" for row in rows]
    findings = [name for name in scored.table.findings if name != NO_FINDING]
    absent = compose_report(dict.fromkeys(findings, 0.0), dict.fromkeys(findings, 0.5)).to_text()
    texts = {
        "report": [reports[row].to_text() for row in rows],
        "another_case": [reports[scored.other(row)].to_text() for row in rows],
        "all_absent": [absent] * len(rows),
    }
    found["keywords"] = {
        name: keyword_scores(references, own, findings=findings).as_dict() for name, own in texts.items()
    }
    try:
        found["text"] = {name: text_overlap(references, own).as_dict() for name, own in texts.items()}
    except MissingExtraError as error:
        found["text"] = {"missing": str(error)}
    return _without_nan(found)


def _without_nan(values: Mapping[str, Any]) -> dict[str, Any]:
    """What JSON can hold: nothing in place of a number that is not defined."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            found[name] = _without_nan(value)
        else:
            found[name] = None if isinstance(value, float) and np.isnan(value) else value
    return found


def _regions(
    scored: _Scored, settings: ReportSettings, draws: Mapping[str, int], *, region_boxes: bool
) -> dict[str, Any]:
    found = {}
    for name, places_of in (("boxes", _box_centres), ("gaze", _gaze_peak)):
        rows, agreements = _agreements(scored, settings, places_of, region_boxes)
        if rows:
            patients = [scored.table.patients[row] for row in rows]
            found[name] = _summarised(agreements, patients, draws)
    return found


PlacesOf = Callable[[_Scored, int, str], list[Point]]


def _agreements(
    scored: _Scored, settings: ReportSettings, places_of: PlacesOf, region_boxes: bool
) -> tuple[list[int], dict[str, list[RegionAgreement]]]:
    rows: list[int] = []
    found: dict[str, list[RegionAgreement]] = {name: [] for name in _SOURCES}
    for row, case in enumerate(scored.cases):
        own, others = scored.maps_of(row), scored.maps_of(row, shifted=True)
        boxes = _given(case) if region_boxes else ()
        for number, finding in enumerate(scored.table.findings):
            places = places_of(scored, row, finding) if scored.table.labels[row, number] == 1 else []
            if not places or finding == NO_FINDING:
                continue
            rows.append(row)
            for name, map_ in zip(_SOURCES, (own[finding], None, others[finding]), strict=True):
                grounded = ground(finding, map_, boxes=boxes, settings=settings.grounding)
                found[name].append(region_agreement(grounded, places))
    return rows, found


def _box_centres(scored: _Scored, row: int, finding: str) -> list[Point]:
    facts = scored.cases[row].chest
    boxes = () if facts is None else facts.boxes
    own = [one for one in boxes if one.kind == "finding" and finding in findings_named(one.name)]
    return [((one.x0 + one.x1) / 2, (one.y0 + one.y1) / 2) for one in own]


def _gaze_peak(scored: _Scored, row: int, finding: str) -> list[Point]:
    gaze = scored.gaze[row]
    if not gaze.any():
        return []
    down, across = np.unravel_index(int(gaze.argmax()), gaze.shape)
    inside = np.array([(across + 0.5) / gaze.shape[1], (down + 0.5) / gaze.shape[0]])
    x, y = scored.places[row].on_image(inside)
    return [(float(x), float(y))]


def _summarised(
    agreements: Mapping[str, Sequence[RegionAgreement]], patients: Sequence[str], draws: Mapping[str, int]
) -> dict[str, Any]:
    found: dict[str, Any] = {"pairs": len(patients), "patients": len(set(patients))}
    for name, ones in agreements.items():
        values = {part: _column(ones, part) for part in ("first", "named", "area_frac", "side")}
        found[name] = {part: _mean(column, patients, draws) for part, column in values.items()}
        found[name]["sides_named"] = int(np.isfinite(values["side"]).sum())
    gain = _column(agreements["attention"], "first") - _column(agreements["prior"], "first")
    found["attention_minus_prior"] = _mean(gain, patients, draws)
    return found


def _column(agreements: Sequence[RegionAgreement], part: str) -> FloatArray:
    return np.array([getattr(one, part) for one in agreements], dtype=np.float64)


def _mean(values: FloatArray, patients: Sequence[str], draws: Mapping[str, int]) -> dict[str, Any]:
    known = np.flatnonzero(np.isfinite(values))
    if not len(known):
        return {"mean": None, "ci95": None, "n": 0}
    kept, own = values[known, None].astype(np.float64), [patients[row] for row in known.tolist()]
    found = patient_bootstrap(lambda weights: mean_of_draws(kept, weights)[:, 0], own, **draws)
    interval = found.interval()
    return {
        "mean": float(kept.mean()),
        "ci95": None if interval is None else list(interval),
        "n": len(known),
    }
