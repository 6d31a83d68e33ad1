"""`run` on chest radiographs: train, evaluate and report in one go."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from accelerate import PartialState

from gaze_insight.chest.labels import label_matrix
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.config.chest_config import ChestConfig
from gaze_insight.errors import DataError
from gaze_insight.types import Progress, silent
from gaze_insight.workflow.chest.evaluating import evaluate_chest
from gaze_insight.workflow.chest.reporting import report_chest
from gaze_insight.workflow.chest.training import train_chest

__all__ = ["run_chest"]


def run_chest(
    cohort: Cohort,
    config: ChestConfig | None = None,
    folder: str | Path = "runs/run",
    *,
    resume: bool = False,
    on_bad: Literal["raise", "skip"] = "raise",
    progress: Progress = silent,
) -> dict[str, Any]:
    """Go from a cohort of radiographs to a report; of several processes, only the first evaluates.

    Args:
        cohort: The cohort.
        config: The configuration; None for the defaults.
        folder: The run's folder, new unless ``resume``.
        resume: Go on with an interrupted run.
        on_bad: What a training image that cannot be read does: stop, or be skipped and listed.
        progress: Receives progress.

    Returns:
        The summary.

    Raises:
        DataError: No test case has a label, so the run could not be scored; nothing is trained.
        GazeInsightError: As `train_chest`, `evaluate_chest` and `report_chest` do.
    """
    config = config or ChestConfig()
    labels = label_matrix(cohort.subset("test"), config.labels).values
    if not (labels == labels).any():
        raise DataError(
            "no case of the test split has a label, so a run could not be scored",
            path=cohort.folder,
            remedy="choose labels that it has with labels.source, or train alone: gaze-insight train COHORT",
        )
    trained = train_chest(cohort, config, folder, resume=resume, on_bad=on_bad, progress=progress)
    process = PartialState()
    if process.is_main_process:
        device = config.training.device
        evaluate_chest(trained.path, device=device, progress=progress)
        report_chest(trained.path, device=device)
    process.wait_for_everyone()
    return trained.read_json(trained.summary_json)
