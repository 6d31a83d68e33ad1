"""What every training does with its folder: overwrite nothing, know when it is done, keep its first facts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from gaze_insight.cohort.case import Case
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.config.run_folder import RunFolder
from gaze_insight.errors import DataError, SettingsError
from gaze_insight.training.loop import STATE_FILE
from gaze_insight.workflow.environment import describe_environment

__all__ = ["is_finished", "refuse_to_overwrite", "require_trained", "seen_in_training", "write_facts"]


def refuse_to_overwrite(folder: RunFolder) -> None:
    """Let a new run begin in a folder only where nothing can be lost.

    A run that stopped before its first saved state holds nothing to lose, and is begun anew.

    Args:
        folder: The run's folder.

    Raises:
        SettingsError: It holds a run, finished or not.
    """
    if folder.weights.exists():
        raise SettingsError(
            f"{folder.path} holds a run already", remedy="choose another name for the new run, with --name"
        )
    if folder.has_begun():
        raise SettingsError(
            f"{folder.path} holds an unfinished run already",
            remedy=f"go on with: gaze-insight train --resume {folder.path}",
        )


def is_finished(folder: RunFolder, fingerprint: str) -> bool:
    """Tell whether a training needs no more; a finished fold keeps its weights and its plan, but no state.

    Args:
        folder: The run's folder.
        fingerprint: Content key of configuration and data.

    Returns:
        Whether it is done.

    Raises:
        DataError: It was made with another fingerprint.
    """
    if not folder.weights.exists() or (folder.path / STATE_FILE).exists():
        return False
    plan = folder.plan()
    if not plan.keys() >= {"train_seconds", "fingerprint"}:
        return False
    if plan["fingerprint"] != fingerprint:
        raise DataError(
            "the training in this folder was made with other settings or other data",
            path=folder.path,
            remedy="choose another run name, or delete this folder to train it again",
        )
    return True


def write_facts(folder: RunFolder, plan: dict[str, Any], device: torch.device, *, resume: bool) -> None:
    """Write the plan and the environment of a training that begins, or goes on.

    A run that goes on keeps the command it was begun with, and the time its labels took.

    Args:
        folder: The run's folder.
        plan: What was derived from the data; ``label_seconds`` is among it.
        device: Where the run computes.
        resume: Whether it goes on.
    """
    if resume and folder.environment_json.exists() and folder.plan_json.exists():
        plan = {**plan, "label_seconds": folder.plan()["label_seconds"]}
    else:
        folder.write_json(folder.environment_json, describe_environment(device))
    folder.write_json(folder.plan_json, plan)


def require_trained(folder: RunFolder) -> dict[str, Any]:
    """Read the plan of a run that was trained to its end.

    Args:
        folder: The run's folder.

    Returns:
        The plan.

    Raises:
        DataError: The run was stopped before its end.
    """
    plan = folder.plan()
    if "train_seconds" not in plan:
        raise DataError(
            "the run was stopped just before its end",
            path=folder.path,
            remedy=f"finish it with: gaze-insight train --resume {folder.path}",
        )
    return plan


def seen_in_training(cohort: Cohort, cases: Sequence[Case], plan: dict[str, Any]) -> list[str]:
    """Find cases whose image took part in a training, by the content of its file.

    Args:
        cohort: The cases' cohort.
        cases: The cases.
        plan: The run's plan.

    Returns:
        Their ids.

    Raises:
        DataError: An image file cannot be read.
    """
    known = set(plan["seen_images"])
    return [case.id for case in cases if cohort.derived.file_hash(case.image_path) in known]
