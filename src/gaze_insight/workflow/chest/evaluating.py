"""`evaluate` on chest radiographs: calibrated on validation, the test set scored once, or another cohort."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gaze_insight.atomic import write_bytes_atomic
from gaze_insight.cohort.case import Case
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.errors import DataError
from gaze_insight.evaluation.patient_summary import summarise_classification, summarise_saliency
from gaze_insight.evaluation.probability_calibration import ProbabilityCalibration
from gaze_insight.evaluation.radiograph_cases import RadiographTable, write_radiograph_table
from gaze_insight.evaluation.saliency import SaliencyScores, saliency_scores
from gaze_insight.inference.classifier_predictor import ClassifierPredictions
from gaze_insight.training.radiographs import RadiographSet, cover_boxes, pool_areas
from gaze_insight.types import FloatArray, Progress, Size, Split, silent
from gaze_insight.workflow.chest.calibrating import calibrate_chest_run
from gaze_insight.workflow.chest.loading import ChestRun, load_chest_run
from gaze_insight.workflow.chest.looking import looks_used, points_seen
from gaze_insight.workflow.chest.predictions import predict_cases
from gaze_insight.workflow.environment import peak_memory_mb
from gaze_insight.workflow.run_keeping import require_trained, seen_in_training

__all__ = ["ATTENTION_FILE", "evaluate_chest"]

ATTENTION_FILE = "predictions/attention.npz"
"""Arrays of the scored cases: ids, attention, class_attention, gaze, frames (the image in the square)."""


_AT_ONCE = 64


def evaluate_chest(
    run: str | Path,
    cohort: Cohort | None = None,
    *,
    split: Split | None = "test",
    device: str = "auto",
    progress: Progress = silent,
) -> dict[str, Any]:
    """Score a finished run: findings, calibration and attention, with intervals over patients.

    Calibration and thresholds come from the validation split of the run's own cohort. The scores of its own
    test split go to ``cases.csv``, ``predictions/`` and ``summary.json`` in the run's folder; those of
    another split or cohort go to ``evaluations/<cohort>-<split>/`` and leave the run's own untouched.

    Args:
        run: The run's folder.
        cohort: Another cohort with labels; None for the run's own.
        split: Which split; None for all cases.
        device: Where to compute.
        progress: Receives progress in cases.

    Returns:
        The summary, as written.

    Raises:
        DataError: The run is not finished, no case of the split has a label, or a test image took part in
            training because the splits have changed since.
    """
    started = time.monotonic()
    loaded = load_chest_run(run, device=device)
    folder, plan = loaded.folder, require_trained(loaded.folder)
    own = cohort is None or cohort.folder.resolve() == Path(plan["cohort_folder"])
    scored = Cohort.open(plan["cohort_folder"]) if own or cohort is None else cohort
    cases = _cases_of(scored, split)
    seen = seen_in_training(scored, cases, plan)
    if seen and own and split == "test":
        raise DataError(
            f"{len(seen)} test images took part in the training of this run, the first is {seen[0]!r}",
            path=folder.path,
            remedy="the cohort's splits have changed since; train again",
        )
    loaded = _calibrated(loaded, scored if own else None, plan, progress)
    data, found, counts = predict_cases(loaded, scored, cases, progress)
    if np.isnan(data.labels).all():
        raise DataError(
            f"no case has a label of {', '.join(loaded.findings)} in {_name(split)} of {scored.name!r}",
            path=scored.folder,
            remedy="choose another split with --split, or a cohort with labels",
        )
    target = folder.evaluation(None if own else scored.name, split)
    grid = Size(*found.attention.shape[1:])
    gaze = pool_areas(torch.from_numpy(np.array(data.gaze)), grid).numpy()
    scores = _saliency(loaded, cases, data, found, gaze)
    probabilities = loaded.probabilities(found)
    patients = tuple(case.patient or f"case {case.id}" for case in cases)
    table = RadiographTable(data.ids, patients, loaded.findings, probabilities, data.labels, tuple(scores))
    write_radiograph_table(target / "cases.csv", table)
    _write_maps(target / ATTENTION_FILE, data, found, gaze)
    summary = _summary(loaded, plan, scored, table)
    summary["test"] |= {"class_attention": _inside_own_boxes(loaded, table, data, found)}
    summary["protocol"] = _protocol(loaded, plan, split, len(seen), own=own)
    summary["seen_in_training"] = len(seen)
    summary["scored"] = counts
    summary["seconds"]["evaluate"] = time.monotonic() - started
    folder.write_json(target / "summary.json", summary)
    return summary


def _cases_of(cohort: Cohort, split: Split | None) -> list[Case]:
    wanted = list(cohort.cases.values()) if split is None else cohort.subset(split)
    cases = [case for case in wanted if case.chest is not None]
    if not cases:
        raise DataError(
            f"expected chest radiographs in {_name(split)} of cohort {cohort.name!r}, found none among "
            f"{len(wanted)} cases",
            path=cohort.folder,
            remedy="choose another split with --split",
        )
    return cases


def _name(split: Split | None) -> str:
    return "all cases" if split is None else f"split {split!r}"


def _calibrated(run: ChestRun, own: Cohort | None, plan: dict[str, Any], progress: Progress) -> ChestRun:
    """The run with its calibration; another cohort is scored with the one that is there already."""
    if own is None and run.calibration is not None:
        return run
    content = calibrate_chest_run(run, own or Cohort.open(plan["cohort_folder"]), progress)
    return replace(
        run,
        calibration=ProbabilityCalibration.from_dict(content["calibration"]),
        thresholds=np.array([content["thresholds"][name] for name in run.findings]),
    )


def _saliency(
    run: ChestRun, cases: Sequence[Case], data: RadiographSet, found: ClassifierPredictions, gaze: FloatArray
) -> list[SaliencyScores]:
    """Agreement of the one map of each case with all of its gaze, and with the boxes of all findings."""
    if run.predictor.needs_text:
        return [SaliencyScores() for _ in data.ids]
    settings, grid = run.config.gaze.model_copy(update={"use": True}), Size(*found.attention.shape[1:])
    scores = []
    for row, boxes in _covered(data, grid):
        points = points_seen(looks_used(cases[row], settings), found.places[row])
        any_box = boxes.max(axis=0, initial=0)
        scores.append(
            saliency_scores(
                found.attention[row],
                gaze[row] if gaze[row].any() else None,
                points if len(points) else None,
                any_box if any_box.any() else None,
            )
        )
    return scores


def _inside_own_boxes(
    run: ChestRun, table: RadiographTable, data: RadiographSet, found: ClassifierPredictions
) -> dict[str, Any]:
    """Energy of each finding's own map inside the boxes of that finding, over pairs of case and finding."""
    if run.predictor.needs_text:
        return {}
    scores, patients = [], []
    for row, boxes in _covered(data, Size(*found.attention.shape[1:])):
        for one in np.flatnonzero(boxes.any(axis=(1, 2))):
            scores.append(saliency_scores(found.class_attention[row, one], boxes=boxes[one]))
            patients.append(table.patients[row])
    settings = run.config.evaluation
    summary = summarise_saliency(scores, patients, replicates=settings.resamples, seed=run.config.seed)
    return {name: summary[name] for name in ("box_energy", "box_ratio", "pointing") if name in summary}


def _covered(data: RadiographSet, grid: Size) -> Iterator[tuple[int, FloatArray]]:
    """Each case's position, and the share of each cell that boxes of each finding cover, (C, h, w)."""
    for start in range(0, len(data), _AT_ONCE):
        rows = np.arange(start, min(start + _AT_ONCE, len(data)))
        yield from zip(
            rows.tolist(), cover_boxes(data.boxes, rows, data.labels.shape[1], grid).numpy(), strict=True
        )


def _summary(run: ChestRun, plan: dict[str, Any], cohort: Cohort, table: RadiographTable) -> dict[str, Any]:
    config = run.config
    draws = {"replicates": config.evaluation.resamples, "seed": config.seed}
    scores = summarise_classification(
        table.probabilities, table.labels, run.thresholds, run.findings, table.patients, **draws
    )
    return {
        "task": config.task,
        "method": plan["method"],
        "cohort": cohort.name,
        "trained_on": plan["cohort"],
        "seed": config.seed,
        "split": {
            "train": plan["training_cases"],
            "val": plan["validation_cases"],
            "test": len(table.ids),
        },
        "findings": list(run.findings),
        "policy": config.labels.model_dump(mode="json"),
        "test": scores | {"attention": summarise_saliency(table.saliency, table.patients, **draws)},
        "seconds": {"prepare": plan["label_seconds"], "train": plan["train_seconds"], "evaluate": 0.0},
        "peak_memory_mb": max(plan["peak_memory_mb"], peak_memory_mb()),
    }


def _protocol(run: ChestRun, plan: dict[str, Any], split: Split | None, seen: int, *, own: bool) -> str:
    weights = f"{run.config.training.selection} weights"
    chosen = "thresholds of validation" if plan["validation_cases"] else "all thresholds 0.5"
    whose = f"{split or 'all cases'} of {'its own' if own else 'another'} cohort"
    if seen:
        return f"no test ({weights}; {whose}; {seen} of the images took part in training)"
    if own and split == "test":
        return f"honest ({weights}; {chosen}; test scored after training)"
    return f"honest ({weights}; {chosen}; {whose}, scored after training)"


def _write_maps(path: Path, data: RadiographSet, found: ClassifierPredictions, gaze: FloatArray) -> None:
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        ids=np.array(data.ids),
        attention=found.attention.astype(np.float16),
        class_attention=found.class_attention.astype(np.float16),
        gaze=gaze.astype(np.float16),
        frames=data.frames,
    )
    write_bytes_atomic(path, buffer.getvalue())
