"""`run`: label, describe, train, evaluate and report in one go."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from accelerate import PartialState

from gaze_insight.cohort.cohort import Cohort
from gaze_insight.config.run_config import RunConfig
from gaze_insight.errors import DataError
from gaze_insight.types import Progress, silent
from gaze_insight.workflow.evaluating import evaluate
from gaze_insight.workflow.reporting import report
from gaze_insight.workflow.training import train

__all__ = ["run"]


def run(
    cohort: Cohort,
    config: RunConfig | None = None,
    folder: str | Path = "runs/run",
    *,
    resume: bool = False,
    on_bad: Literal["raise", "skip"] = "raise",
    progress: Progress = silent,
) -> dict[str, Any]:
    """Go from a cohort to a report; of several processes, the first alone evaluates and reports.

    Args:
        cohort: The cohort.
        config: The configuration; None for the defaults.
        folder: The run's folder, new unless ``resume``.
        resume: Go on with an interrupted run.
        on_bad: What a training case that cannot be read does: stop, or be skipped and listed.
        progress: Receives progress.

    Returns:
        The summary.

    Raises:
        DataError: No test case has a mask to be scored against; nothing is trained.
        GazeInsightError: As `train`, `evaluate` and `report` do.
    """
    if all(case.mask_path is None for case in cohort.subset("test")):
        raise DataError(
            "no case of the test split has a mask, so a run could not be scored",
            path=cohort.folder,
            remedy="train alone: gaze-insight train COHORT; then look at: gaze-insight predict RUN IMAGES",
        )
    trained = train(cohort, config, folder, resume=resume, on_bad=on_bad, progress=progress)
    process = PartialState()
    if process.is_main_process:
        device = trained.config().training.device
        evaluate(trained.path, device=device, progress=progress)
        report(trained.path, device=device)
    process.wait_for_everyone()
    return trained.read_json(trained.summary_json)
