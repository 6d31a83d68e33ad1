"""`run`: label, describe, train, evaluate and report in one go."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, get_args

from accelerate import PartialState

from gaze_insight.cohort.cohort import Cohort
from gaze_insight.config.run_config import RunConfig
from gaze_insight.errors import DataError
from gaze_insight.language.vlm.settings import VlmSettings
from gaze_insight.methods.words import WordSpace
from gaze_insight.types import Progress, Split, silent
from gaze_insight.workflow.describing import describe
from gaze_insight.workflow.evaluating import evaluate
from gaze_insight.workflow.loading import build_method
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
        DataError: No test case has a mask to be scored against, or the run reads the words of a model that
            was not asked about all cases yet; nothing is trained.
        GazeInsightError: As `train`, `evaluate` and `report` do.
    """
    if all(case.mask_path is None for case in cohort.subset("test")):
        raise DataError(
            "no case of the test split has a mask, so a run could not be scored",
            path=cohort.folder,
            remedy="train alone: gaze-insight train COHORT; then look at: gaze-insight predict RUN IMAGES",
        )
    _require_words(cohort, config or RunConfig())
    trained = train(cohort, config, folder, resume=resume, on_bad=on_bad, progress=progress)
    process = PartialState()
    if process.is_main_process:
        device = trained.config().training.device
        evaluate(trained.path, device=device, progress=progress)
        report(trained.path, device=device)
    process.wait_for_everyone()
    return trained.read_json(trained.summary_json)


def _require_words(cohort: Cohort, config: RunConfig) -> None:
    """Find words of a model that are missing, also of test cases, before hours of training and not after."""
    language = config.language
    if not isinstance(language.describer, VlmSettings) or language.encoder.kind == "none":
        return
    if build_method(config, WordSpace("attributes", 4)).uses_words:
        placed = [case for split in get_args(Split) for case in cohort.subset(split)]
        describe(cohort, language, config.labels, cases=[one for one in placed if one.image_path.exists()])
