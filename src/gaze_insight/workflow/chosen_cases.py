"""Which cases a run learns from and is watched with, labelled as far as the method needs it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Literal

from gaze_insight.cohort.case import Case
from gaze_insight.cohort.cohort import Cohort
from gaze_insight.cohort.drawing import CaseDraw, draw_cases
from gaze_insight.config.run_config import RunConfig
from gaze_insight.methods.protocol import Method
from gaze_insight.types import Progress
from gaze_insight.workflow.labelling import label
from gaze_insight.workflow.training_set import needs_pseudo_mask, unreadable_cases, usable_cases

__all__ = ["ChosenCases", "OnBad", "choose_training_cases"]

OnBad = Literal["raise", "skip"]


@dataclass(frozen=True)
class ChosenCases:
    """The cases of a training.

    Attributes:
        cases: Those that are learned from.
        watched: Those that the training is watched with.
        left_out: Id to reason of the cases that cannot be used.
        label_seconds: What choosing and labelling them took.
        draw: How the cases were drawn from those that can be used.
    """

    cases: list[Case]
    watched: list[Case]
    left_out: dict[str, str]
    label_seconds: float
    draw: CaseDraw


def choose_training_cases(
    cohort: Cohort, config: RunConfig, method: Method, on_bad: OnBad, progress: Progress
) -> ChosenCases:
    """Choose the cases of a training, and make the pseudo-masks that it needs.

    Args:
        cohort: The cohort.
        config: The configuration.
        method: The method, trained or not; it names the label maps.
        on_bad: What a case that cannot be read does: stop, or be left out.
        progress: Receives progress in cases.

    Returns:
        The cases; none where no case has what the method learns from.

    Raises:
        DataError: A case cannot be read and `on_bad` is "raise".
    """
    maps, target = method.label_maps, config.training.validation_target
    cases, left_out = usable_cases(cohort.subset("train"), maps)
    started = time.monotonic()
    watched, _ = usable_cases(cohort.subset("val"), (target,))
    failed: dict[str, str] = {}
    if on_bad == "skip":
        failed = unreadable_cases(cases, maps) | unreadable_cases(watched, (target,))
        cases = [case for case in cases if case.id not in failed]
        watched = [case for case in watched if case.id not in failed]
    draw = draw_cases(cases, config.training.cases, config.seed)
    cases = list(draw.cases)
    if any(map(needs_pseudo_mask, maps)) or method.uses_words:
        wanted = [case for case in (*cases, *watched) if case.fixations is not None]
        failed |= label(cohort, config.labels, cases=wanted, on_bad=on_bad, progress=progress).failed
    seconds = time.monotonic() - started
    return ChosenCases(
        cases=[case for case in cases if case.id not in failed],
        watched=[case for case in watched if case.id not in failed],
        left_out={**left_out, **failed},
        label_seconds=seconds,
        draw=draw,
    )
