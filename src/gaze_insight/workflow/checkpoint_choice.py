"""The papers' protocol: the test set is scored k times during training, and the best weights are kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gaze_insight.cohort.case import Case
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.config.run_config import RunConfig
from gaze_insight.errors import DataError, SettingsError
from gaze_insight.evaluation.cases import CaseScore
from gaze_insight.evaluation.overlap import dice
from gaze_insight.evaluation.statistics import bootstrap_interval
from gaze_insight.inference.predictor import Predictor
from gaze_insight.methods.protocol import Method
from gaze_insight.training.checkpoints import TrainingState
from gaze_insight.training.watching import Watch
from gaze_insight.types import Size

__all__ = ["best_minus_last", "choice_facts", "watch_test_set"]


def watch_test_set(cohort: Cohort, config: RunConfig) -> Watch[Method] | None:
    """Prepare the repeated scoring of the test set that the protocol "paper" asks for.

    The score is what `evaluate` reports: Dice of the deployable head at the masks' native size, averaged over
    the test cases.

    Args:
        cohort: The cohort.
        config: The run's configuration.

    Returns:
        What the trainer asks; None under the protocol "honest".

    Raises:
        SettingsError: The weights are chosen on validation too.
        DataError: No test case has a mask.
    """
    if config.evaluation.protocol == "honest":
        return None
    if config.training.selection != "last":
        raise SettingsError(
            "the protocol 'paper' chooses the weights on the test set, found training.selection 'validation'",
            remedy="use training.selection=last, or evaluation.protocol=honest",
        )
    cases = [case for case in cohort.subset("test") if case.mask_path is not None]
    if not cases:
        raise DataError("the protocol 'paper' needs test cases with masks, found none", path=cohort.folder)
    return Watch(config.evaluation.test_evaluations, lambda method: _mean_dice(method, cases, config))


def _mean_dice(method: Method, cases: Sequence[Case], config: RunConfig) -> float:
    side, batch = config.training.input_size_px, config.prediction.batch_size
    device = str(next(method.parameters()).device)
    asked = config.prediction
    predictor = Predictor(method, Size(side, side), device=device, flips=asked.flips, scales=asked.scales)
    scores: list[float] = []
    for start in range(0, len(cases), batch):
        part = cases[start : start + batch]
        predicted = predictor.predict_batch([case.read_image() for case in part])
        for case, found in zip(part, predicted, strict=True):
            truth = case.read_mask()
            if truth is None:
                raise DataError(f"case {case.id!r} has lost its mask", path=case.mask_path)
            mask = found[method.heads[0]] > config.prediction.threshold
            scores.append(dice(mask, truth, policy=config.evaluation.empty_masks))
    return float(np.mean(scores))


def choice_facts(state: TrainingState, stage: str) -> dict[str, Any]:
    """Tell which weights were taken, and from what.

    Args:
        state: The final state of a training that was watched.
        stage: Name of the stage that was watched.

    Returns:
        ``{"stage", "evaluations": [{"step", "dice"}, ...], "best_step", "best_dice", "last_dice"}``.

    Example:
        >>> facts = choice_facts(TrainingState("", watched=[(5, 0.7), (10, 0.6)]), "student")
        >>> facts["best_step"], facts["last_dice"]
        (5, 0.6)
    """
    best = max(state.watched, key=lambda seen: seen[1])
    return {
        "stage": stage,
        "evaluations": [{"step": step, "dice": score} for step, score in state.watched],
        "best_step": best[0],
        "best_dice": best[1],
        "last_dice": state.watched[-1][1],
    }


def best_minus_last(
    best: Sequence[CaseScore],
    last: Sequence[CaseScore],
    evaluations: int,
    *,
    patients: Mapping[str, str] | None = None,
    resamples: int = 2000,
    seed: int = 0,
) -> dict[str, Any]:
    """Measure what choosing the weights on the test set added to its Dice.

    Args:
        best: Scores of the chosen weights, one head.
        last: Scores of the last weights on the same cases, the same head.
        evaluations: How many weights were to choose from.
        patients: The patient of each case id; whole patients are resampled. None: cases.
        resamples: Bootstrap resamples.
        seed: Seed of the bootstrap.

    Returns:
        ``{"evaluations", "best", "last", "best_minus_last", "ci95"}``: mean Dice, and the interval over cases
        or patients.

    Example:
        >>> row = CaseScore("a", "student", 0.8, 0.7, 1.0, 1.0, None, None, 0.1, 0.1)
        >>> best_minus_last([row], [row], 15)["best_minus_last"]
        0.0
    """
    known = {score.id: score.dice for score in last}
    first, second = np.array([(score.dice, known[score.id]) for score in best]).T
    groups = None if patients is None else [patients.get(score.id, ("case", score.id)) for score in best]
    interval = bootstrap_interval(first - second, groups=groups, resamples=resamples, seed=seed)
    return {
        "evaluations": evaluations,
        "best": float(first.mean()),
        "last": float(second.mean()),
        "best_minus_last": float((first - second).mean()),
        "ci95": list(interval),
    }
