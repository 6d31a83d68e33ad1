"""`report` on chest radiographs: reports for the test cases, and one HTML page about the run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from gaze_insight import __version__
from gaze_insight.chest.findings import findings_named
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.config.chest_config import ChestConfig
from gaze_insight.config.run_folder import RunFolder
from gaze_insight.errors import DataError
from gaze_insight.evaluation.probability_calibration import cross_entropy
from gaze_insight.evaluation.radiograph_cases import RadiographTable, read_radiograph_table
from gaze_insight.inference.classifier_predictor import ClassifierPredictions
from gaze_insight.insight.chest_report import ChestPage, ShownRadiograph, write_chest_page
from gaze_insight.methods.classifiers import CLASSIFIERS
from gaze_insight.training.history import read_history
from gaze_insight.types import FloatArray, Size, silent
from gaze_insight.workflow.chest.loading import ChestRun, load_chest_run
from gaze_insight.workflow.chest.looking import looks_used
from gaze_insight.workflow.chest.predictions import predict_cases
from gaze_insight.workflow.chest.reports import REPORTS_FILE, report_chest_run

__all__ = ["choose_radiographs", "report_chest"]

_MAP = Size(128, 128)


@dataclass(frozen=True)
class _Choice:
    """A case that is shown: its row in the table, and what it is an example of."""

    row: int
    rank: str
    why: str


def report_chest(
    run: str | Path, path: str | Path | None = None, *, each: int = 2, device: str = "auto"
) -> Path:
    """Write reports for the test cases of an evaluated run, and the page about the run.

    A control that reads texts gets no reports: it does not look at the image.

    Args:
        run: The run's folder.
        path: The HTML file; None for ``report.html`` in the run's folder.
        each: How many best, median and worst cases are shown.
        device: Where to compute the maps that are shown.

    Returns:
        The file.

    Raises:
        DataError: The run is not evaluated, or its cohort is gone.
        SettingsError: It is a run that segments.
    """
    loaded = load_chest_run(run, device=device)
    folder, config, plan = loaded.folder, loaded.config, loaded.folder.plan()
    table = read_radiograph_table(folder.cases_csv)
    reads_image = not CLASSIFIERS[config.method_name].needs_text
    if reads_image:
        report_chest_run(run)
    cohort = Cohort.open(plan["cohort_folder"])
    shown = _shown(loaded, cohort, table, each) if reads_image else []
    environment = folder.read_json(folder.environment_json)
    target = folder.report_html if path is None else Path(path)
    page = ChestPage(
        title=f"{plan['method']} on {cohort.name}",
        summary=folder.read_json(folder.summary_json),
        probabilities=table.probabilities.astype(np.float64),
        labels=table.labels.astype(np.float64),
        calibration=_calibration(folder),
        plan=plan,
        history=read_history(folder.history_jsonl),
        cases=shown,
        facts=_facts(cohort, plan),
        config=config.model_dump(mode="json"),
        environment=environment,
        protocol_text=_protocol(config, plan),
        warnings=_warnings(cohort, plan, reads_image=reads_image),
        command=environment["command"],
        created=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        version=__version__,
    )
    write_chest_page(page, target)
    return target


def choose_radiographs(table: RadiographTable, each: int) -> list[tuple[int, str, str]]:
    """Choose the best, the median and the worst cases by agreement with gaze and by fit to the labels.

    The second is minus the mean cross-entropy over the known labels of a case.

    Args:
        table: The scored cases.
        each: How many of each kind.

    Returns:
        Row, rank ("best", "median" or "worst") and what it is that of; no case twice, empty for no cases.

    Example:
        >>> nothing = np.zeros((0, 1))
        >>> choose_radiographs(RadiographTable((), (), ("Edema",), nothing, nothing, ()), 2)
        []
    """
    agreement = np.array([scores.cc for scores in table.saliency])
    fit = [-cross_entropy(*pair) for pair in zip(table.probabilities, table.labels, strict=True)]
    taken: set[int] = set()
    chosen: list[tuple[int, str, str]] = []
    for why, values in (("agreement with gaze", agreement), ("probability of its labels", np.array(fit))):
        rows = np.array([row for row in np.flatnonzero(np.isfinite(values)) if row not in taken], dtype=int)
        picked = _ranked(rows[np.argsort(-values[rows], kind="stable")].tolist(), each)
        chosen += [(row, rank, why) for row, rank in picked]
        taken |= {row for row, _ in picked}
    return chosen


def _ranked(ordered: Sequence[int], each: int) -> list[tuple[int, str]]:
    """The first, the middle and the last of an order, none twice."""
    middle = max(0, (len(ordered) - each) // 2)
    picked: dict[int, str] = {}
    for rank, part in (
        ("best", ordered[:each]),
        ("worst", ordered[::-1][:each]),
        ("median", ordered[middle : middle + each]),
    ):
        for row in part:
            picked.setdefault(row, rank)
    ranks = ("best", "median", "worst")
    return sorted(picked.items(), key=lambda pair: ranks.index(pair[1]))


def _shown(run: ChestRun, cohort: Cohort, table: RadiographTable, each: int) -> list[ShownRadiograph]:
    chosen = [_Choice(*one) for one in choose_radiographs(table, each)]
    gone = [table.ids[one.row] for one in chosen if table.ids[one.row] not in cohort.cases]
    if gone:
        raise DataError(
            f"the test case {gone[0]!r} is no longer in the cohort",
            path=cohort.folder,
            remedy="import the cohort as it was, or evaluate again",
        )
    if not chosen:
        return []
    cases = [cohort.cases[table.ids[one.row]] for one in chosen]
    _, found, _ = predict_cases(run, cohort, cases, silent)
    reports = _report_texts(run.folder)
    return [_radiograph(run, cohort, table, one, found, place, reports) for place, one in enumerate(chosen)]


def _radiograph(
    run: ChestRun,
    cohort: Cohort,
    table: RadiographTable,
    choice: _Choice,
    found: ClassifierPredictions,
    place: int,
    reports: dict[str, str],
) -> ShownRadiograph:
    case, row = cohort.cases[table.ids[choice.row]], choice.row
    facts = case.chest
    over = table.probabilities[row] - run.thresholds
    finding = int(np.argmax(over))
    readings = looks_used(case, run.config.gaze.model_copy(update={"use": True}))
    known = set(run.findings)
    boxes = () if facts is None else facts.boxes
    return ShownRadiograph(
        id=case.id,
        image=case.read_image(),
        rank=choice.rank,
        why=choice.why,
        probabilities=_by_finding(run, table.probabilities[row]),
        labels=_by_finding(run, table.labels[row]),
        thresholds=_by_finding(run, run.thresholds),
        cc=table.saliency[row].cc,
        looks=[look.fixations for look in readings if look.fixations is not None],
        attention=_on_image(found, place, found.attention[place]),
        finding=run.findings[finding],
        finding_attention=_on_image(found, place, found.class_attention[place, finding]),
        boxes=[one for one in boxes if one.kind == "finding" and known & set(findings_named(one.name))],
        report=reports.get(case.id, ""),
        reference="" if facts is None else facts.report or "",
    )


def _by_finding(run: ChestRun, values: FloatArray) -> dict[str, float]:
    return {name: float(value) for name, value in zip(run.findings, values, strict=True)}


def _on_image(found: ClassifierPredictions, place: int, plane: FloatArray) -> FloatArray:
    """A map of the square over the image alone, its largest value 1."""
    shown = np.clip(found.places[place].map_on_image(plane, _MAP), 0, None)
    return shown / max(float(shown.max()), 1e-12)


def _report_texts(folder: RunFolder) -> dict[str, str]:
    path = folder.path / REPORTS_FILE
    if not path.exists():
        return {}
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return {record["id"]: record["text"] for record in records}


def _calibration(folder: RunFolder) -> dict[str, dict[str, Any]]:
    """Each finding's calibration, with the reason where its threshold is the default."""
    stored = folder.read_json(folder.calibration_json)
    return {
        name: {**fit, "threshold_note": stored["fell_back"].get(name, "")}
        for name, fit in stored["calibration"]["findings"].items()
    }


def _facts(cohort: Cohort, plan: dict[str, Any]) -> dict[str, Any]:
    return {
        "Cohort": cohort.name,
        "Cases": len(cohort),
        "Training cases used": plan["training_cases"],
        "Training cases left out": len(plan["left_out"]),
        "Findings": ", ".join(plan["findings"]),
    }


def _protocol(config: ChestConfig, plan: dict[str, Any]) -> str:
    chosen = "The last weights were kept; nothing was chosen by looking at results."
    if config.training.selection == "validation":
        chosen = "The weights with the best macro AUC on the validation set were kept."
    fitted = (
        f"Calibration ({config.evaluation.calibration}) and the threshold of each finding "
        f"({config.evaluation.thresholds}) were fitted on the validation set."
    )
    if not plan["validation_cases"]:
        fitted = "Without validation cases nothing was calibrated, and all thresholds are 0.5."
    return (
        f"{chosen} {fitted} The test set took no part in "
        "training or in any choice, and was scored after training, from the image alone. Intervals are of "
        "whole patients drawn with replacement."
    )


def _warnings(cohort: Cohort, plan: dict[str, Any], *, reads_image: bool) -> list[str]:
    found = ["This is one run with one seed; the intervals hold the sampling of test patients alone."]
    found += plan["warnings"]
    if not reads_image:
        found.append("A control: it reads the text of each case, also of test cases, and not the image.")
    sources = {look.source for case in cohort.cases.values() if case.chest for look in case.chest.readings}
    if "simulated" in sources:
        found.append("Some gaze is simulated from boxes; real gaze may serve worse.")
    if plan["left_out"]:
        found.append(f"{len(plan['left_out'])} training cases were left out; plan.json lists the reasons.")
    return found
