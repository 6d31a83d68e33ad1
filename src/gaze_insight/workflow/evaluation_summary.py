"""What an evaluation says in short: means with intervals, the protocol, counts and costs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gaze_insight.cohort.cohort import Cohort
from gaze_insight.config.run_config import RunConfig
from gaze_insight.evaluation.cases import CaseScore
from gaze_insight.evaluation.statistics import summarise_heads
from gaze_insight.types import Split
from gaze_insight.workflow.environment import peak_memory_mb

__all__ = ["patients_of", "protocol_of", "summarise"]


def patients_of(cohort: Cohort) -> dict[str, str] | None:
    """Return patient by case id; None where none is known.

    Args:
        cohort: The cohort.

    Example:
        >>> from pathlib import Path
        >>> patients_of(Cohort("empty", Path("empty"), {})) is None
        True
    """
    known = {case.id: case.patient for case in cohort.cases.values() if case.patient is not None}
    return known or None


def summarise(
    cohort: Cohort, config: RunConfig, plan: dict[str, Any], scores: Sequence[CaseScore], seconds: float
) -> dict[str, Any]:
    """Summarise the scores of all heads.

    Args:
        cohort: The cohort that was scored.
        config: The run's configuration.
        plan: What the run derived from its data.
        scores: One a case and head.
        seconds: What the evaluation took.

    Returns:
        Plain values for ``summary.json``.
    """
    return {
        "method": plan["method"],
        "cohort": cohort.name,
        "trained_on": plan["cohort"],
        "seed": config.seed,
        "split": {
            "train": plan["training_cases"],
            "val": plan["validation_cases"],
            "test": len({score.id for score in scores}),
        },
        "test": summarise_heads(
            scores, groups=patients_of(cohort), resamples=config.evaluation.resamples, seed=config.seed
        ),
        "empty_mask_policy": config.evaluation.empty_masks.describe(),
        "seconds": {
            "label": plan["label_seconds"],
            "train": plan["train_seconds"],
            "evaluate": seconds,
        },
        "peak_memory_mb": max(plan["peak_memory_mb"], peak_memory_mb()),
    }


def protocol_of(config: RunConfig, split: Split | None, seen: int, *, own: bool) -> str:
    """Say by which protocol a split was scored.

    Args:
        config: The run's configuration.
        split: The split; None for all cases.
        seen: Scored images that took part in training.
        own: Whether the cohort is the one that the run learned from.

    Returns:
        The words.

    Example:
        >>> protocol_of(RunConfig(), "test", 0, own=True)
        'honest (last weights; test scored after training)'
    """
    weights = f"{config.training.selection} weights"
    if config.evaluation.protocol == "paper":
        weights = f"best of {config.evaluation.test_evaluations} evaluations on its own test set"
    whose = f"{split or 'all cases'} of {'its own' if own else 'another'} cohort"
    if seen:
        return f"no test ({weights}; {whose}; {seen} of the images took part in training)"
    if own and split == "test" and config.evaluation.protocol == "paper":
        return f"paper ({weights})"
    if own and split == "test":
        return f"honest ({weights}; test scored after training)"
    return f"honest ({weights}; {whose}, scored after training)"
