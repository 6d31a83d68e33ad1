"""From log odds to calibrated probabilities and thresholds, by the validation set alone."""

from __future__ import annotations

from typing import Any

import numpy as np

from gaze_insight.cohort.cohort import Cohort
from gaze_insight.evaluation.probability_calibration import (
    FindingCalibration,
    ProbabilityCalibration,
    fit_probability_calibration,
)
from gaze_insight.evaluation.thresholds import DEFAULT_THRESHOLD, find_thresholds
from gaze_insight.types import Progress
from gaze_insight.workflow.chest.loading import ChestRun
from gaze_insight.workflow.chest.predictions import predict_cases

__all__ = ["calibrate_chest_run"]


def calibrate_chest_run(run: ChestRun, cohort: Cohort, progress: Progress) -> dict[str, Any]:
    """Fit the calibration and choose the thresholds of a run on its validation set, and write them.

    Args:
        run: The run.
        cohort: The cohort that it learned from.
        progress: Receives progress in cases.

    Returns:
        What ``calibration.json`` holds: the calibration, threshold by finding, how they were chosen, and the
        findings that kept the default with the reason.
    """
    settings, findings = run.config.evaluation, run.findings
    cases = [case for case in cohort.subset("val") if case.chest is not None]
    if cases:
        data, found, _ = predict_cases(run, cohort, cases, progress)
        fitted = fit_probability_calibration(
            found.probabilities, data.labels, findings, way=settings.calibration
        )
        chosen = find_thresholds(
            fitted.apply(found.probabilities), data.labels, findings, settings.thresholds
        )
        thresholds, reached, fell_back = chosen.values, chosen.reached, chosen.fell_back
    else:
        note = "no validation case"
        fitted = ProbabilityCalibration({name: FindingCalibration(note=note) for name in findings}, "none")
        thresholds = dict.fromkeys(findings, DEFAULT_THRESHOLD)
        reached, fell_back = {}, dict.fromkeys(findings, note)
    content = {
        "calibration": fitted.to_dict(),
        "thresholds": {name: float(thresholds[name]) for name in findings},
        "rule": settings.thresholds,
        "reached": {name: float(value) for name, value in reached.items() if np.isfinite(value)},
        "fell_back": dict(fell_back),
        "validation_cases": len(cases),
    }
    run.folder.write_json(run.folder.calibration_json, content)
    return content
